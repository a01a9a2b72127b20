"""Which part of the simulated data plane realises which fault: one table, beside that of the control plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...sandbox.model.params import Params
from ...sandbox.model.platform import ORIGIN
from ...sandbox.model.releases import deploy
from ...sandbox.model.scenario import Clients
from ..control_plane.faults import CONFIG, PIPELINE, Mechanism, Switch, push_settings, stays
from ..control_plane.gateway_faults import GatewayFaults
from ..control_plane.steering import Steering
from . import pod_faults as pods
from .pipeline import Pipeline
from .plane import ClientPolicy, Plane
from .platform import Platform
from .service import client_policy
from .traffic import Rate


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the simulation that faults touch."""

    steering: Steering
    platform: Platform
    plane: Plane
    rate: Rate
    clients: Clients
    pipeline: Pipeline
    seed: int


def mechanisms(parts: Parts) -> Mapping[str, Mechanism]:
    """By the name of a fault, or of a family of faults (`features` for `features.stale`)."""
    steering, plane, containers = parts.steering, parts.plane, parts.platform.containers
    env, rate, trouble, nodes = steering.env, parts.rate, containers.trouble, parts.platform.nodes
    refusals: set[str] = set()
    parts.platform.fleet.missing_image = containers.missing_image
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
        "features": parts.pipeline,
        "release.bad_artifact": Switch(lambda _beat, given: _release_damaged(parts, str(given["version"])), stays),
        "pods.crash_loop": Switch(lambda _beat, given: _push_deadly(parts, float(given["after"])), stays),
        "pods.bad_image": Switch(lambda _beat, _given: _push_imageless(parts), stays),
        "pods.memory_leak": Switch(
            lambda beat, given: trouble.leaks.__setitem__(beat, float(given["leak"])),
            trouble.leaks.__delitem__,
        ),
        "pods.cpu_throttling": Switch(
            lambda _beat, given: push_settings(
                steering, {"servers.cpu": float(given["limit"])}, "capacity", "limits as they are used"
            ),
            stays,
        ),
        "pods.grey_slow": Switch(lambda beat, given: containers.begin_grey(beat, float(given["factor"])), containers.end_grey),
        "pods.kill": pods.Kill(env, parts.platform.fleet, parts.seed),
        "pods.hang": pods.Hang(env, parts.platform.fleet, parts.seed),
        "pods.unready": pods.Unready(env, parts.platform.fleet, parts.seed),
        "nodes.loss": Switch(lambda beat, given: nodes.begin(beat, str(given["node"])), nodes.end),
        "nodes.cpu_limit": Switch(
            lambda beat, given: trouble.short.__setitem__(beat, (str(given["node"]), float(given["cores"]))),
            trouble.short.__delitem__,
        ),
        "artifacts.refusing": Switch(lambda beat, _given: refusals.add(beat), refusals.discard),
        "gateway": GatewayFaults(plane.inject),
        "monitoring": parts.platform.scraping,
    }


def _stormy(usual: Clients, given: Params) -> ClientPolicy:
    """The policy of the new client app."""
    timeout = float(given.get("timeout", usual.timeout))
    return ClientPolicy(timeout, int(given["retries"]), float(given["backoff"]), usual.backoff_limit)


def _push_deadly(parts: Parts, after: float) -> None:
    """New settings with which a process does not live long."""
    containers = parts.platform.containers
    settings = containers.revision()
    containers.trouble.deadly[settings] = (after, parts.steering.env.now)
    push_settings(parts.steering, {"servers.settings": settings}, CONFIG, "larger thread pools")


def _push_imageless(parts: Parts) -> None:
    """New settings with an image that cannot be pulled."""
    containers = parts.platform.containers
    settings = containers.revision()
    containers.trouble.imageless.add(settings)
    push_settings(parts.steering, {"servers.settings": settings}, CONFIG, "a smaller image")


def _release_damaged(parts: Parts, version: str) -> None:
    """The release pipeline rolls out a version whose file nobody can load."""
    parts.platform.fleet.damaged.add(version)
    parts.steering.desire(deploy(parts.steering.spec(), version), PIPELINE)
