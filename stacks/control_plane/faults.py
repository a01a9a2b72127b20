"""Which part of the control plane realises which fault: one table, for every stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ...sandbox.model.params import Params, Value
from ...sandbox.model.platform_actions import push
from ...sandbox.model.releases import deploy
from ...sandbox.model.service import ServiceSpec, with_fields
from .planner import Planner
from .quality import QualityMonitor
from .retraining import RetrainingLoop
from .scaler import Scaler
from .steering import Steering

PIPELINE = "release-pipeline"
"""Who releases versions."""
CONFIG = "config-pipeline"
"""Who pushes settings."""


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


class Faults:
    """Begins and ends faults by a table of mechanisms.

    Its keys are names of faults, or of families of faults (`features` for `features.stale`).
    """

    def __init__(self, mechanisms: Mapping[str, Mechanism]) -> None:
        self._mechanisms = mechanisms
        self._live: dict[str, Mechanism] = {}

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault begins."""
        family = fault.partition(".")[0]
        mechanism = self._live[beat] = self._mechanisms[fault if fault in self._mechanisms else family]
        mechanism.begin(beat, fault, params)

    def end(self, beat: str) -> None:
        """A fault ends by itself."""
        self._live.pop(beat).end(beat)


def mechanisms(steering: Steering, monitor: QualityMonitor, loop: RetrainingLoop, scaler: Scaler) -> Mapping[str, Mechanism]:
    """Of what acts through the desired state, the quality monitor, the retraining loop and the autoscaler."""
    release = Switch(lambda _beat, given: steering.desire(deploy(steering.spec(), str(given["version"])), PIPELINE), stays)
    return {
        "release.slow_model": release,
        "release.bad_artifact": release,  # that its file is damaged, the data plane finds out
        "release.swapped": Switch(lambda _beat, given: _swap(steering, given), stays),
        "labels.delay": Switch(lambda beat, given: monitor.begin_delay(beat, float(given["delay"])), monitor.end_delay),
        "retraining": loop,
        "config.push": Switch(
            lambda _beat, given: push_settings(
                steering, {f"gateway.{name}": value for name, value in given.items()}, CONFIG, "settings of the new region"
            ),
            stays,
        ),
        "autoscaler.empty_as_zero": Switch(lambda beat, _given: scaler.blind.add(beat), scaler.blind.discard),
        "cost.runaway": Planner(steering),
    }


def stays(_beat: str) -> None:
    """A release and a push stay until somebody takes them back."""


def push_settings(steering: Steering, values: dict[str, Value], by: str, why: str) -> None:
    """Change fields of the desired state as a push of configuration, which can be taken back."""
    steering.desire(push(steering.spec(), values), by, why)


def _swap(steering: Steering, given: Params) -> None:
    """The release pipeline mixes the two deployments up."""
    spec: ServiceSpec = steering.spec()
    candidate, champion = str(given.get("version", spec.candidate.version)), spec.champion.version
    if candidate and candidate != champion:
        mixed: dict[str, Value] = {"champion.version": candidate, "champion.previous": champion}
        if spec.candidate.replicas:
            mixed["candidate.version"] = champion
        steering.desire(with_fields(spec, mixed), PIPELINE, "deploy of the aliases")
