"""Which part of the simulation realises which fault: one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ...sandbox.model.params import Params, Value
from ...sandbox.model.platform import ORIGIN
from ...sandbox.model.platform_actions import push
from ...sandbox.model.releases import deploy
from ...sandbox.model.scenario import Clients
from ...sandbox.model.service import ServiceSpec, with_fields
from .pipeline import Pipeline
from .plane import ClientPolicy, Plane
from .planner import Planner
from .platform import Platform
from .quality import QualityMonitor
from .retraining import RetrainingLoop
from .scaler import Scaler
from .service import client_policy
from .steering import Steering
from .traffic import Rate

PIPELINE = "release-pipeline"
"""Who releases versions."""


class Mechanism(Protocol):
    """Realises faults: what it does follows from the state that it changes."""

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault begins; `beat` names it until it ends."""

    def end(self, beat: str) -> None:
        """It ends by itself."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A mechanism of two functions."""

    on: Callable[[str, Params], None]
    off: Callable[[str], None]

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        self.on(beat, params)

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        self.off(beat)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the simulation that faults touch."""

    steering: Steering
    platform: Platform
    plane: Plane
    rate: Rate
    clients: Clients
    pipeline: Pipeline
    quality: QualityMonitor
    loop: RetrainingLoop
    scaler: Scaler


class Faults:
    """Begins and ends faults by the table of mechanisms."""

    def __init__(self, parts: Parts) -> None:
        self._mechanisms = mechanisms(parts)
        self._live: dict[str, Mechanism] = {}

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault begins."""
        family = fault.partition(".")[0]
        mechanism = self._live[beat] = self._mechanisms[fault if fault in self._mechanisms else family]
        mechanism.begin(beat, fault, params)

    def end(self, beat: str) -> None:
        """A fault ends by itself."""
        self._live.pop(beat).end(beat)


def mechanisms(parts: Parts) -> Mapping[str, Mechanism]:
    """By the name of a fault, or of a family of faults (`features` for `features.stale`)."""
    steering, plane, containers = parts.steering, parts.plane, parts.platform.containers
    env, rate, trouble, nodes = steering.env, parts.rate, containers.trouble, parts.platform.nodes
    refusals: set[str] = set()
    containers.refuse_downloads(lambda: bool(refusals) and steering.spec().servers.artifacts == ORIGIN)
    return {
        "traffic.spike": Switch(
            lambda beat, given: rate.begin_spike(beat, float(given["factor"]), float(given["ramp"]), env.now),
            lambda beat: rate.end_spike(beat, env.now),
        ),
        "clients.retry_storm": Switch(
            lambda _beat, given: plane.set_clients(_stormy(parts.clients, given)),
            lambda _beat: plane.set_clients(client_policy(parts.clients)),
        ),
        "clients.large_inputs": Switch(
            lambda _beat, given: plane.set_partner(float(given["share"]), float(given["factor"])),
            lambda _beat: plane.set_partner(0.0, 1.0),
        ),
        "release.slow_model": Switch(
            lambda _beat, given: steering.desire(deploy(steering.spec(), str(given["version"])), PIPELINE), _stays
        ),
        "release.swapped": Switch(lambda _beat, given: _swap(steering, given), _stays),
        "features": parts.pipeline,
        "labels.delay": Switch(
            lambda beat, given: parts.quality.begin_delay(beat, float(given["delay"])), parts.quality.end_delay
        ),
        "retraining": parts.loop,
        "pods.crash_loop": Switch(lambda _beat, given: _push_deadly(parts, float(given["after"])), _stays),
        "pods.memory_leak": Switch(
            lambda beat, given: trouble.leaks.__setitem__(beat, float(given["leak"])),
            trouble.leaks.__delitem__,
        ),
        "pods.cpu_throttling": Switch(
            lambda _beat, given: _push(steering, {"servers.cpu": float(given["limit"])}, "capacity", "limits as they are used"),
            _stays,
        ),
        "pods.grey_slow": Switch(lambda beat, given: containers.begin_grey(beat, float(given["factor"])), containers.end_grey),
        "nodes.loss": Switch(lambda beat, given: nodes.begin(beat, str(given["node"])), nodes.end),
        "artifacts.refusing": Switch(lambda beat, _given: refusals.add(beat), refusals.discard),
        "config.push": Switch(
            lambda _beat, given: _push(
                steering,
                {f"gateway.{name}": value for name, value in given.items()},
                "config-pipeline",
                "settings of the new region",
            ),
            _stays,
        ),
        "monitoring": parts.platform.scraping,
        "autoscaler.empty_as_zero": Switch(lambda beat, _given: parts.scaler.blind.add(beat), parts.scaler.blind.discard),
        "cost.runaway": Planner(steering),
    }


def _stays(_beat: str) -> None:
    """A release and a push stay until somebody takes them back."""


def _stormy(usual: Clients, given: Params) -> ClientPolicy:
    """The policy of the new client app."""
    timeout = float(given.get("timeout", usual.timeout))
    return ClientPolicy(timeout, int(given["retries"]), float(given["backoff"]), usual.backoff_limit)


def _push(steering: Steering, values: dict[str, Value], by: str, why: str) -> None:
    steering.desire(push(steering.spec(), values), by, why)


def _push_deadly(parts: Parts, after: float) -> None:
    """New settings with which a process does not live long."""
    deadly = parts.platform.containers.trouble.deadly
    settings = f"revision-{len(deadly) + 2}"
    deadly[settings] = (after, parts.steering.env.now)
    _push(parts.steering, {"servers.settings": settings}, "config-pipeline", "larger thread pools")


def _swap(steering: Steering, given: Params) -> None:
    """The release pipeline mixes the two deployments up."""
    spec: ServiceSpec = steering.spec()
    candidate, champion = str(given.get("version", spec.candidate.version)), spec.champion.version
    if candidate and candidate != champion:
        mixed: dict[str, Value] = {"champion.version": candidate, "champion.previous": champion}
        if spec.candidate.replicas:
            mixed["candidate.version"] = champion
        steering.desire(with_fields(spec, mixed), PIPELINE, "deploy of the aliases")
