"""A drill on real services, from the session's side: what local processes and clusters have in common, by the wall clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from ...sandbox.model.errors import StackError, UsageError
from ...sandbox.model.scenario import Scenario
from ...sandbox.model.stack import ApplySpec, Capabilities, ClearFault, Effect, InjectFault, Progress
from ...sandbox.model.telemetry import Ledger, Telemetry
from ...sandbox.model.views import Table
from ..control_plane.faults import Faults
from ..monitoring.alerting import Alerting
from .node import Node
from .service import RealService

FINISH = 15.0
"""Seconds that requests in flight have at the end."""


@dataclass(frozen=True, slots=True)
class Drill:
    """What runs for one drill, and how it ends.

    Attributes:
        service: what runs.
        node: the thread that looks after it.
        faults: what goes wrong.
        alerting: whose alerts count.
        replicas: gives the view of that name.
        ends: ends everything.
    """

    service: RealService
    node: Node
    faults: Faults
    alerting: Alerting
    replicas: Callable[[], Table]
    ends: ExitStack


class RealStack(ABC):
    """Implements `sandbox.model.stack.Stack` but for `capabilities` and the way up."""

    def __init__(self) -> None:
        self._drill: Drill | None = None
        self._paid_before = 0.0  # replica-seconds of the warm-up

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it can realise."""

    @abstractmethod
    def bring_up(self, scenario: Scenario, seed: int, progress: Progress) -> Drill:
        """Start everything; the warm-up begins when this returns.

        Raises:
            StackError: something does not start; nothing is left behind.
        """

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        """Start everything, and let the warm-up begin when it is ready.

        Raises:
            StackError: something does not start; nothing is left behind.
        """
        self._drill = self.bring_up(scenario, seed, progress)

    def apply(self, effect: Effect) -> None:
        """Put an effect into force now.

        Raises:
            StackError: what runs does not take it, or the machine has no room for what has to be noted first.
        """
        drill = self.drill
        try:
            with drill.service.blaming():
                match effect:
                    case InjectFault(beat, fault, params):
                        drill.faults.begin(beat, fault, params)
                    case ClearFault(beat):
                        drill.faults.end(beat)
                    case ApplySpec(_, changes):
                        drill.service.change(changes)
        except UsageError as error:  # as of a disk that is full: nobody has asked for anything wrong
            raise StackError(f"the stack broke: {error}") from error

    def advance(self, until: float) -> Telemetry:
        """Wait until drill time `until` has come."""
        drill = self.drill
        drill.node.wait(until)
        if until <= 0.0:
            self._paid_before = drill.service.paid
        return self._telemetry(drill, until)

    def finish(self) -> Telemetry:
        """No new requests: what is in flight comes to its end."""
        drill = self.drill
        now = drill.service.clock.now()
        drill.service.controls.put(f"{drill.service.load}/control/finish?limit={FINISH}", patience=FINISH + 5.0)
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
            drill.ends.close()

    @property
    def drill(self) -> Drill:
        """What runs.

        Raises:
            StackError: nothing does.
        """
        if self._drill is None:
            raise StackError("the stack is not up")
        return self._drill

    def _telemetry(self, drill: Drill, at: float) -> Telemetry:
        service = drill.service
        with service.blaming():
            sums = service.controls.get(f"{service.load}/ledger")
        ledger = Ledger(
            sums["failed"],
            sums["slow"],
            sums["ok"],
            sums["prediction_cost"],
            service.paid - self._paid_before,
            service.training_seconds,
        )
        found = service.take()
        return Telemetry(
            at,
            tuple(found.scrapes),
            tuple(found.logs),
            tuple(found.changes),
            ledger,
            service.names(),
            tuple(found.versions),
            drill.alerting.poll(at),
        )
