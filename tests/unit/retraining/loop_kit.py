"""Short drills on the retraining loop, played step by step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

from drillbox.sandbox.model.events import Changed, Completed, Failed, Observed, Registered, Rejected, Role
from drillbox.sandbox.model.params import Value
from drillbox.sandbox.model.scenario import Beat, Scenario
from drillbox.sandbox.model.service import Retraining, ServiceSpec
from drillbox.sandbox.observing import BuiltInMonitor
from drillbox.sandbox.session import DrillSession
from drillbox.stacks.control_plane.retraining import RetrainingLoop
from drillbox.stacks.control_plane.training_run import Run
from drillbox.stacks.sim.service import Service
from drillbox.stacks.sim.stack import SimStack

TRAINING = 20.0
"""Seconds of drill time that a training job takes here."""
STORMY = dt.datetime(2013, 6, 26, 10)
"""A start at which a candidate of recent weeks is better than the winter's champion on the two days that are held out."""


def with_loop(scenario: Scenario, *timeline: Beat, training_time: float = TRAINING, **loop: Value) -> Scenario:
    """The same service at `STORMY`, with other faults, a quick training job, and other settings of the loop than the defaults."""
    retraining = Retraining(**{"days": 14, "every": 0.0, **loop})  # type: ignore[arg-type]  # a test's own
    return replace(
        scenario,
        timeline=timeline,
        world=replace(scenario.world, start=STORMY),
        runtime=replace(scenario.runtime, training_time=training_time),
        service=replace(scenario.service, retraining=retraining),
    )


def fault(name: str, at: float = 0.0, lasts: float | None = None, **params: Value) -> Beat:
    """A fault of the timeline."""
    return Beat("beat", name, params, at=at, lasts=lasts)


@dataclass
class Drill:
    """A drill that is being played."""

    session: DrillSession
    stack: SimStack

    @classmethod
    def open(cls, scenario: Scenario, seed: int = 1) -> Drill:
        stack = SimStack()
        session = DrillSession(scenario, seed, stack, BuiltInMonitor(scenario))
        session.start(lambda _step, _done: None)
        return cls(session, stack)

    def play(self, until: float) -> Drill:
        """On to a drill second."""
        while self.session.now < until:
            self.session.advance()
        return self

    def do(self, action: str, **params: object) -> str:
        """Take an action with the next step: empty if it is accepted, else why not."""
        number = self.session.submit(action, params, "you").number
        self.session.advance()
        for event in self.session.events():
            if isinstance(event.body, Rejected | Failed) and event.body.number == number:
                return event.body.reason
        return ""

    def until(self, holds: Callable[[], object], patience: float = 300.0) -> float:
        """Play on until something holds; the drill second."""
        deadline = self.session.now + patience
        while not holds():
            assert self.session.now < deadline, f"not within {patience:g} s: {self.stage!r}, {[run.result for run in self.runs]}"
            self.session.advance()
        return self.session.now

    def until_stage(self, stage: str) -> float:
        """Play on until the active run is at a stage; empty: until there is none."""
        return self.until(lambda: self.stage.partition(": ")[2] == stage)

    def until_over(self) -> Run:
        """Play on to the end of the run that is active, or begins next."""
        count = len(self.runs) + (0 if self.stage else 1)
        self.until(lambda: len(self.runs) >= count and not self.stage)
        return self.runs[count - 1]

    @property
    def spec(self) -> ServiceSpec:
        """The desired state."""
        return self.session.snapshot().spec

    @property
    def stage(self) -> str:
        """Of the active run."""
        return self.spec.retraining.stage

    @property
    def runs(self) -> list[Run]:
        """All runs."""
        return self.loop.runs

    @property
    def loop(self) -> RetrainingLoop:
        """The loop in the simulation."""
        return self.stack._loop

    @property
    def service(self) -> Service:
        """The simulated service."""
        return self.stack._service

    def stages(self) -> list[tuple[str, str]]:
        """Stages of all runs with their reasons."""
        return [(str(entry.change.after), entry.change.why) for entry in self.session.changes("retraining.stage")]

    def changed(self, field: str, by: str = "") -> list[tuple[Value, Value, str]]:
        """Before, after, and why."""
        found: list[Changed] = [entry.change for entry in self.session.changes(field, by)]
        return [(one.before, one.after, one.why) for one in found]

    def logged(self, text: str = "") -> list[str]:
        """Log lines of the loop."""
        return [line.text for line in self.session.logs("retraining", text)]

    def registered(self) -> dict[str, Registered]:
        """Registrations in the journal by version."""
        bodies = [event.body for event in self.session.events(role=Role.FACILITATOR)]
        return {body.version: body for body in bodies if isinstance(body, Registered)}

    def observed(self) -> Observed:
        """The last observation in the journal."""
        return next(event.body for event in reversed(self.session.events()) if isinstance(event.body, Observed))

    def completed(self) -> int:
        """Commands that were done."""
        return sum(isinstance(event.body, Completed) for event in self.session.events())
