"""`LocalStack`: a drill on real processes of this machine. Drill time follows the wall clock."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...sandbox.model.actions import ACTIONS
from ...sandbox.model.errors import StackError, UsageError
from ...sandbox.model.faults import FAULTS
from ...sandbox.model.scenario import Scenario
from ...sandbox.model.stack import ApplySpec, Capabilities, ClearFault, Effect, InjectFault, Progress
from ...sandbox.model.telemetry import Ledger, Telemetry
from ...sandbox.model.views import Table
from .limits import unsupported

if TYPE_CHECKING:
    from .bring_up import Drill

FAULTS_DONE = frozenset(
    name
    for name in FAULTS
    if name.partition(".")[0] in {"features", "labels", "release", "retraining", "traffic"}
    or name in {"clients.retry_storm", "config.push", "autoscaler.empty_as_zero", "cost.runaway", "pods.grey_slow"}
    or name in {"pods.crash_loop", "pods.kill", "pods.hang"}
    or name in {"pods.memory_leak", "pods.cpu_throttling", "gateway.delay", "gateway.abort"}
)
"""Faults that processes can have."""
ACTIONS_NOT_DONE = frozenset(
    ("cordon", "uncordon", "drain", "set-quota", "drop-label", "restart-monitoring", "pin-artifacts")
)
"""Actions on what a single machine does not have."""
CAPABILITIES = Capabilities(faults=FAULTS_DONE, actions=frozenset(ACTIONS) - ACTIONS_NOT_DONE, paced=True)
FINISH = 15.0
"""Seconds that requests in flight have at the end."""


class LocalStack:
    """One service on this machine. Heavy packages are imported by `up`.

    Args:
        folder: where a drill's files are while it runs, in a folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._drill: Drill | None = None
        self._capabilities = CAPABILITIES.without(unsupported())
        self._ledger = Ledger()
        self._paid_before = 0.0  # replica-seconds of the warm-up

    @property
    def capabilities(self) -> Capabilities:
        """What processes can realise on this machine: limits need cgroups of our own."""
        return self._capabilities

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        """Start all processes, and let the warm-up begin when they are ready.

        Raises:
            StackError: something does not start; nothing is left behind.
        """
        if sys.platform != "linux":
            raise StackError("the local stack runs on Linux only: play on the simulation, or on a cluster (--stack kind)")
        from .bring_up import bring_up

        self._drill = bring_up(scenario, seed, self._folder, progress)

    def apply(self, effect: Effect) -> None:
        """Put an effect into force now."""
        drill = self.drill
        with drill.service.blaming():
            match effect:
                case InjectFault(beat, fault, params):
                    drill.faults.begin(beat, fault, params)
                case ClearFault(beat):
                    drill.faults.end(beat)
                case ApplySpec(_, changes):
                    drill.service.change(changes)

    def advance(self, until: float) -> Telemetry:
        """Wait until drill time `until` has come."""
        drill = self.drill
        drill.node.wait(until)
        if until <= 0.0:
            self._paid_before = drill.service.fleet.paid
        return self._telemetry(drill, until)

    def finish(self) -> Telemetry:
        """No new requests: what is in flight comes to its end."""
        drill = self.drill
        now = drill.clock.now()
        drill.service.controls.put(f"{drill.service.urls.load}/control/finish?limit={FINISH}", patience=FINISH + 5.0)
        return self._telemetry(drill, now)

    def look(self, view: str, subject: str = "") -> Table:
        """What a view shows now."""
        drill = self.drill
        if view == "replicas":
            if subject:
                raise UsageError(f"the view {view!r} is of nothing in particular: leave {subject!r} out")
            return drill.replicas()
        return drill.service.pipeline.look(view, subject)

    def down(self) -> None:
        """Take everything down; it may have been done before."""
        drill, self._drill = self._drill, None
        if drill is not None:
            drill.close()

    @property
    def drill(self) -> Drill:
        """What runs.

        Raises:
            StackError: nothing does.
        """
        if self._drill is None:
            raise StackError("the local stack is not up")
        return self._drill

    def _telemetry(self, drill: Drill, at: float) -> Telemetry:
        service = drill.service
        with service.blaming():
            sums = service.controls.get(f"{service.urls.load}/ledger")
        ledger = Ledger(
            sums["failed"],
            sums["slow"],
            sums["ok"],
            sums["prediction_cost"],
            service.fleet.paid - self._paid_before,
            service.training_seconds,
        )
        found = service.take()
        return Telemetry(
            at,
            tuple(found.scrapes),
            tuple(found.logs),
            tuple(found.changes),
            ledger,
            service.fleet.names(),
            tuple(found.versions),
            drill.alerting.poll(at),
        )
