"""Traffic shapes: factors on a request rate, as functions of drill time.

A shape is data. Those that need nothing else say their factor themselves (`at`); the hours of the day need the world's flights,
and bursts need luck: `sandbox.world.rates` realises them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field

HIGHEST = 100_000.0
"""Most requests per second that a drill may have before any fault."""

LOOK_AHEAD = 6 * 3600.0
"""Calendar seconds in which the flights leave that people ask for."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same factor."""

    factor: float
    kind: str = field(default="constant", init=False)

    def at(self, t: float) -> float:
        """The factor at drill time `t` (seconds)."""
        del t
        return self.factor

    @property
    def highest(self) -> float:
        """A bound that the factor never exceeds."""
        return self.factor


@dataclass(frozen=True, slots=True)
class Ramp:
    """From 1 at `start` in a straight line to `factor`, which is reached after `over` seconds and stays."""

    start: float
    over: float
    factor: float
    kind: str = field(default="ramp", init=False)

    def at(self, t: float) -> float:
        """The factor at drill time `t` (seconds)."""
        return 1.0 + (self.factor - 1.0) * _risen(t - self.start, self.over)

    @property
    def highest(self) -> float:
        """A bound that the factor never exceeds."""
        return max(1.0, self.factor)


@dataclass(frozen=True, slots=True)
class Spike:
    """For `lasts` seconds `factor`; it rises over `ramp` after the start and falls over `ramp` after the end."""

    start: float
    lasts: float
    factor: float
    ramp: float = 0.0
    kind: str = field(default="spike", init=False)

    def at(self, t: float) -> float:
        """The factor at drill time `t` (seconds)."""
        up, down = _risen(t - self.start, self.ramp), _risen(t - self.start - self.lasts, self.ramp)
        return 1.0 + (self.factor - 1.0) * max(0.0, min(up, 1.0 - down))

    @property
    def highest(self) -> float:
        """A bound that the factor never exceeds."""
        return max(1.0, self.factor)


@dataclass(frozen=True, slots=True)
class Step:
    """From `start` on another level; for `lasts` seconds, or for good."""

    start: float
    factor: float
    lasts: float | None = None
    kind: str = field(default="step", init=False)

    def at(self, t: float) -> float:
        """The factor at drill time `t` (seconds)."""
        end = math.inf if self.lasts is None else self.start + self.lasts
        return self.factor if self.start <= t < end else 1.0

    @property
    def highest(self) -> float:
        """A bound that the factor never exceeds."""
        return max(1.0, self.factor)


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded course: factors at rising times, straight lines or steps between them.

    Before the first time the first factor holds, and after the last one the last, unless the course repeats itself: then it
    begins again at its last time, whose factor is only the end of the line that leads there.
    """

    times: tuple[float, ...]
    factors: tuple[float, ...]
    steps: bool = False
    repeat: bool = False
    kind: str = field(default="replay", init=False)

    def at(self, t: float) -> float:
        """The factor at drill time `t` (seconds)."""
        times, factors = self.times, self.factors
        if self.repeat and len(times) > 1:
            t = times[0] + (t - times[0]) % (times[-1] - times[0])
        place = bisect_right(times, t)
        if place in (0, len(times)):
            return factors[max(0, place - 1)]
        before, after = times[place - 1], times[place]
        share = 0.0 if self.steps else (t - before) / (after - before)
        return factors[place - 1] + (factors[place] - factors[place - 1]) * share

    @property
    def highest(self) -> float:
        """A bound that the factor never exceeds."""
        return max(self.factors)


@dataclass(frozen=True, slots=True)
class Diurnal:
    """The hours of the day, from the real schedule: people ask for the flights that leave soon.

    The factor is the number of flights that leave within the next `ahead` seconds of the calendar, divided by its mean over the
    year, and at least `floor`.
    """

    ahead: float = LOOK_AHEAD
    floor: float = 0.05
    kind: str = field(default="diurnal", init=False)

    @property
    def highest(self) -> float:
        """A bound that the factor never exceeds: in no hour of the year three times the average number of flights leave."""
        return max(self.floor, 3.0)


@dataclass(frozen=True, slots=True)
class Burst:
    """Calm and busy by turns, each for a random time: a Markov-modulated Poisson process with two states.

    Sojourns are exponential with means `calm` and `busy` (seconds); busy multiplies the rate by `factor`. The state at the
    beginning is drawn from the stationary distribution. Source: Fischer and Meier-Hellstern, "The Markov-modulated Poisson
    process (MMPP) cookbook", Performance Evaluation 18 (1993), 149-171.
    """

    factor: float
    calm: float
    busy: float
    kind: str = field(default="burst", init=False)

    @property
    def highest(self) -> float:
        """A bound that the factor never exceeds."""
        return max(1.0, self.factor)

    @property
    def mean(self) -> float:
        """The factor's mean in the long run."""
        return (self.calm + self.factor * self.busy) / (self.calm + self.busy)


PlainShape = Constant | Ramp | Spike | Step | Replay
"""Shapes that are functions of drill time alone."""

Shape = PlainShape | Diurnal | Burst


@dataclass(frozen=True, slots=True)
class Flow:
    """Requests of one sort of clients: `rate` per second, times all shapes."""

    rate: float
    shapes: tuple[Shape, ...] = ()

    @property
    def highest(self) -> float:
        """A bound in requests per second that the flow never exceeds."""
        return self.rate * math.prod(shape.highest for shape in self.shapes)


def _risen(since: float, ramp: float) -> float:
    """The share of a ramp that is behind us `since` seconds after it began."""
    if since < 0.0:
        return 0.0
    return 1.0 if since >= ramp else since / ramp
