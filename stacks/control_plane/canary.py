"""A canary: a candidate gets growing shares of the requests as long as it is no worse than the champion."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import simpy

from ...sandbox.control import canary as control
from ...sandbox.control.canary import Move, Tally
from ...sandbox.model.releases import stage
from ...sandbox.model.retraining import COMPONENT
from .interfaces import CANDIDATE, CHAMPION, Replicas
from .quality import QualityMonitor
from .steering import Steering

PATIENCE = 300.0
"""Seconds in which the candidate must have come up."""


@dataclass(frozen=True, slots=True)
class Course:
    """Through which shares of the requests a candidate goes, and seconds of drill time between two decisions."""

    shares: tuple[float, ...]
    step: float


FULL = Course((0.05, 0.25), 30.0)
SHORT = Course((0.20, 0.50), 15.0)
"""For the `short` profile: half of the time, and shares that bring enough requests to decide on within it."""


def course_of(profile: str) -> Course:
    """The course of a canary in a profile."""
    return SHORT if profile == "short" else FULL


@dataclass(frozen=True, slots=True)
class Ending:
    """Whether the candidate is to be promoted, and why or why not."""

    promote: bool
    reason: str


class Canary:
    """Tries candidates out, one at a time.

    Args:
        steering: time, desired state, log.
        replicas: what is observed of the pods.
        monitor: of what versions answered.
        course: shares and times.
    """

    def __init__(self, steering: Steering, replicas: Replicas, monitor: QualityMonitor, course: Course = FULL) -> None:
        self._steering = steering
        self._replicas = replicas
        self._monitor = monitor
        self._course = course
        self._counted: dict[int, Mapping[str, Tally]] = {}

    def play(self, name: str, rejected: Callable[[], str]) -> Generator[simpy.Event, None, Ending]:
        """Bring the candidate up and try it out to the end; `rejected` says why it is to end early, empty if it is not."""
        replicas = max(1, math.ceil(self._steering.spec().champion.replicas / 2))
        self._steering.desire(
            stage(self._steering.spec(), {"version": name, "replicas": replicas}, 0), COMPONENT, "to be tried out"
        )
        deadline = self._steering.env.now + PATIENCE
        while self._held() or self._replicas.ready(CANDIDATE) < replicas:
            yield self._steering.env.timeout(1.0)
            if reason := self._over(name, rejected):
                return reason
            if self._steering.env.now >= deadline and self._replicas.ready(CANDIDATE) < replicas:
                return Ending(False, f"{name} did not come up within {PATIENCE:g} s")
        self._steering.put({"gateway.canary_weight": self._course.shares[0]}, COMPONENT, f"{name} is ready")
        self._tally(CHAMPION), self._tally(CANDIDATE)
        while True:
            for _ in range(int(self._course.step)):
                yield self._steering.env.timeout(1.0)
                if reason := self._over(name, rejected):
                    return reason
            if self._held():
                continue
            ending = self._decide(name)
            if ending is not None:
                return ending

    def _decide(self, name: str) -> Ending | None:
        weight = self._steering.spec().gateway.canary_weight
        evidence = self._monitor.compare(name)
        decision = control.decide(self._tally(CANDIDATE), self._tally(CHAMPION), weight, self._course.shares, evidence)
        self._steering.log(COMPONENT, "info", f"canary of {name} at {weight:.0%}: {decision.move}, {decision.reason}")
        if decision.move is Move.ADVANCE:
            self._steering.put({"gateway.canary_weight": decision.weight}, COMPONENT, decision.reason)
        if decision.move in {Move.PROMOTE, Move.ABORT}:
            return Ending(decision.move is Move.PROMOTE, decision.reason)
        return None

    def _over(self, name: str, rejected: Callable[[], str]) -> Ending | None:
        """Whether somebody else has ended it."""
        spec = self._steering.spec()
        if spec.champion.version == name:
            return Ending(True, "promoted by hand")
        if spec.candidate.version != name or not spec.candidate.replicas:
            return Ending(False, "taken out by hand")
        why = rejected()
        return Ending(False, why) if why else None

    def _held(self) -> bool:
        """A freeze leaves the canary as it is."""
        return self._steering.loop.frozen

    def _tally(self, pool: int) -> Tally:
        """What the pods of a pool did since the last call; one that is new began at zero."""
        now = self._replicas.tallies(pool)
        before: Mapping[str, Tally] = self._counted.get(pool, {})
        self._counted[pool] = now
        none = Tally(0, 0, 0)
        grown = [
            (one.requests - old.requests, one.failed - old.failed, one.slow - old.slow)
            for one, old in ((tally, before.get(name, none)) for name, tally in now.items())
        ]
        return Tally(*(sum(column) for column in zip(*grown, strict=True))) if grown else none
