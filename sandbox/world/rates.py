"""The request rate of a drill: the scenario's flows with their shapes, made real by the flights and by the seed.

The rate is constant within each whole second of drill time and has there the value of the shapes at its middle. So no other
event can shift arrivals, and every stack sends the same.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable

from ..model.scenario import WorldConfig
from ..model.traffic import Burst, Diurnal, Flow, Shape
from .calendar import EPOCH, LAST, minutes_of
from .data import FlightData
from .streams import Stream

Course = Callable[[float], float]
"""The factor at a drill time (seconds)."""

_DRAWN = 256
"""Sojourns that are drawn at once."""


class RateCurve:
    """Requests per second as a function of drill time. A pure function of the scenario's world, the seed and the warm-up."""

    def __init__(self, config: WorldConfig, data: FlightData, seed: int, begin: float) -> None:
        """The curve of a drill that begins, with its warm-up, at drill time `begin`."""
        flows = config.traffic.flows or (Flow(config.traffic.rate),)
        self._flows = [
            (
                flow.rate,
                [_course(shape, config, data, Stream(seed, f"traffic/{f}/{s}"), begin) for s, shape in enumerate(flow.shapes)],
            )
            for f, flow in enumerate(flows)
        ]
        self._second, self._rate = math.nan, 0.0  # asked for last

    def __call__(self, t: float) -> float:
        """The rate within the whole second that `t` lies in."""
        second = math.floor(t)
        if second != self._second:
            self._second, self._rate = second, self.at(second + 0.5)
        return self._rate

    def at(self, t: float) -> float:
        """The rate at drill time `t` (seconds), not yet constant within a second."""
        return math.fsum(rate * math.prod(course(t) for course in courses) for rate, courses in self._flows)


def _course(shape: Shape, config: WorldConfig, data: FlightData, stream: Stream, begin: float) -> Course:
    match shape:
        case Diurnal():
            return diurnal(shape, data, minutes_of(config.start), config.pace)
        case Burst():
            return BurstCourse(shape, stream, begin)
        case _:
            return shape.at


def diurnal(shape: Diurnal, data: FlightData, start: float, pace: float) -> Course:
    """The course of a day: flights that leave soon, against the year's mean.

    Args:
        shape: how far people look ahead, and the least factor.
        data: the flights.
        start: calendar minutes at t = 0.
        pace: calendar seconds per second of drill time.
    """
    ahead = shape.ahead / 60.0
    mean = len(data) * ahead / (minutes_of(LAST) + 1440.0 - minutes_of(EPOCH))

    def course(t: float) -> float:
        now = start + t * (pace / 60.0)
        first, last = data.departure.searchsorted([now, now + ahead])
        return max(shape.floor, float(last - first) / mean)

    return course


class BurstCourse:
    """Calm and busy by turns. Sojourn k is drawn by its number, so that it never depends on which times were asked for first."""

    def __init__(self, shape: Burst, stream: Stream, begin: float) -> None:
        """Sojourns follow each other from drill time `begin` on; before it there is calm."""
        self._shape, self._stream = shape, stream
        self._busy_first = bool(stream.uniform(0, 1)[0] < shape.busy / (shape.calm + shape.busy))
        self._switches = [begin]  # when each sojourn begins; the last one is known no further

    def __call__(self, t: float) -> float:
        """The factor at drill time `t` (seconds)."""
        while self._switches[-1] <= t:
            self._draw()
        sojourn = bisect_right(self._switches, t) - 1
        return self._shape.factor if sojourn >= 0 and self._busy(sojourn) else 1.0

    def _busy(self, sojourn: int) -> bool:
        return (sojourn % 2 == 0) == self._busy_first

    def _draw(self) -> None:
        first = len(self._switches) - 1
        for sojourn, length in enumerate(self._stream.exponential(first, _DRAWN).tolist(), start=first):
            mean = self._shape.busy if self._busy(sojourn) else self._shape.calm
            self._switches.append(self._switches[-1] + mean * length)
