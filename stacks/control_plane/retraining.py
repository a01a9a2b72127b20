"""The retraining loop as a process: its scheduler, and what goes wrong with it.

Before t = 0 no run begins: a drill begins with the versions that it names.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field, replace

import simpy

from ...sandbox.control import retraining as control
from ...sandbox.model.params import Params, Value
from ...sandbox.model.retraining import COMPONENT
from ...sandbox.model.service import Approval
from ...sandbox.world.calendar import minutes_of
from .quality import QualityMonitor
from .steering import Steering
from .trainer import Recipe
from .training_run import Run, Workshop

PERIOD = 5.0
"""Seconds of drill time between two looks of the scheduler."""
UNGATED: dict[str, Value] = {
    "retraining.gate": False,
    "retraining.canary": False,
    "retraining.approval": Approval.AUTO,
}


@dataclass(slots=True)
class Trouble:
    """What faults do to the loop at present, by beat."""

    before_hour: dict[str, int] = field(default_factory=dict)  # snapshots hold earlier flights only
    stuck: set[str] = field(default_factory=set)
    drift: dict[str, float] = field(default_factory=dict)  # what the scheduler takes the drift for
    hasty_days: dict[str, int] = field(default_factory=dict)  # short window, labels that have not come count as "on time"


class RetrainingLoop:
    """Scheduler and runs, one at a time.

    Args:
        steering: time, desired state, log.
        workshop: does the runs.
        monitor: what the scheduler sees of drift and quality.
        begins: calendar minute at t = 0.
        pace: calendar seconds per second of drill time.
    """

    def __init__(self, steering: Steering, workshop: Workshop, monitor: QualityMonitor, begins: float, pace: float) -> None:
        self._steering = steering
        self._workshop = workshop
        self._monitor = monitor
        self._begins = begins
        self._pace = pace
        self.trouble = Trouble()
        self.runs: list[Run] = []
        self._state = control.State(due=self._first_due())

    # ------------------------------------------------------------------------------------------------------------- scheduler

    def run(self) -> Generator[simpy.Event, None, None]:
        """For ever: begin a run when one is due; the first look is `PERIOD` after t = 0."""
        yield self._steering.env.timeout(max(0.0, -self._steering.env.now))
        while True:
            yield self._steering.env.timeout(PERIOD)
            start, self._state = control.decide(self._observed(), self._steering.loop, self._state, self._hour)
            if start is not None:
                run = Run(len(self.runs) + 1, start.trigger, start.days, start.why, self._steering.env.now)
                self.runs.append(run)
                yield from self._workshop.play(run, self._recipe(start.days))

    @property
    def training_seconds(self) -> float:
        """Seconds of drill time in which jobs trained, up to now."""
        return self._workshop.training_seconds

    @property
    def age(self) -> float:
        """Calendar seconds since the last run that was finished began; since the champion's training without one."""
        finished = [run.began for run in self.runs if run.result not in {"running", "failed"}]
        if finished:
            return (self._steering.env.now - finished[-1]) * self._pace
        return (self._monitor.now - minutes_of(self._monitor.version.train_until)) * 60.0

    @property
    def rows_ratio(self) -> float:
        """Rows of the last snapshot over the usual number; NaN before the first."""
        return next((run.ratio for run in reversed(self.runs) if run.ratio is not None), math.nan)

    def restart(self) -> None:
        """The scheduler starts anew and forgets what it had missed."""
        self.trouble.stuck.clear()
        self._state = replace(self._state, missed=0)
        self._steering.log(COMPONENT, "info", "scheduler started")

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault of the loop begins."""
        trouble = self.trouble
        match fault:
            case "retraining.partial_data":
                trouble.before_hour[beat] = int(params["cutoff"])
                if params["ungated"]:
                    self._steering.put(dict(UNGATED), "ml-platform", "faster releases")
            case "retraining.stuck":
                trouble.stuck.add(beat)
            case "retraining.storm":
                trouble.drift[beat] = float(params["drift"])
                self._steering.put({"retraining.cooldown": 0.0}, "ml-platform", "fresher models")
            case "retraining.catch_up":
                self._state = replace(self._state, missed=self._state.missed + int(params["runs"]))
                self._steering.log(COMPONENT, "info", f"scheduler started; {params['runs']} scheduled runs were missed")
            case "retraining.immature_labels":
                trouble.hasty_days[beat] = int(params["days"])
            case _:
                raise ValueError(f"{fault} is no fault of the retraining loop")

    def end(self, beat: str) -> None:
        """A fault ends by itself; what runs have made by then stays."""
        trouble = self.trouble
        for kind in (trouble.before_hour, trouble.drift, trouble.hasty_days):
            kind.pop(beat, None)
        trouble.stuck.discard(beat)

    def _recipe(self, days: int) -> Recipe:
        hasty = min(self.trouble.hasty_days.values(), default=None)
        return Recipe(hasty or days, min(self.trouble.before_hour.values(), default=24), hasty is not None)

    def _observed(self) -> control.Observed:
        drift = self._monitor.drift
        latched = max(self.trouble.drift.values(), default=None)
        if latched is not None:
            drift = latched if drift is None else max(drift, latched)
        quality = self._monitor.health.quality
        return control.Observed(drift, quality.brier if quality else None, alive=not self.trouble.stuck)

    @property
    def _hour(self) -> float:
        """The calendar hour."""
        return self._monitor.now / 60.0

    def _first_due(self) -> float:
        """Scheduled runs go on from the one that trained the champion; the first that is due in the drill."""
        every = self._steering.loop.every
        trained = minutes_of(self._monitor.version.train_until) / 60.0
        begin = self._begins / 60.0
        return trained + max(1, math.ceil((begin - trained) / every)) * every if every else math.inf
