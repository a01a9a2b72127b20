"""The request rate of a drill: the scenario's flows with their shapes, made real by the flights and by the seed.

The rate is constant within each whole second of drill time and has there the value of the shapes at its middle. So no other
event can shift arrivals, and every stack sends the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..model.scenario import WorldConfig
from ..model.traffic import Burst, Diurnal, Flow, Shape
from .calendar import EPOCH, LAST, minutes_of
from .data import FlightData
from .streams import Stream

Floats = NDArray[np.float64]
Course = Callable[[Floats], Floats]
"""Factors at drill times (seconds)."""

_PIECE = 1024
"""Seconds that are computed at once."""


class RateCurve:
    """Requests per second as a function of drill time. A pure function of the scenario's world, the seed and the warm-up."""

    def __init__(self, config: WorldConfig, data: FlightData, seed: int, begin: float) -> None:
        """The curve of a drill that begins, with its warm-up, at drill time `begin`."""
        flows = config.traffic.flows or (Flow(config.traffic.rate),)
        self._flows = [
            (flow.rate, [self._course(shape, config, data, seed, begin, f"{f}/{s}") for s, shape in enumerate(flow.shapes)])
            for f, flow in enumerate(flows)
        ]
        self._pieces: dict[int, Floats] = {}

    def __call__(self, t: float) -> float:
        """The rate within the whole second that `t` lies in."""
        piece, second = divmod(math.floor(t), _PIECE)
        found = self._pieces.get(piece)
        if found is None:
            found = self._pieces[piece] = self.at(piece * _PIECE + np.arange(0.5, _PIECE))
        return float(found[second])

    def at(self, t: Floats) -> Floats:
        """The rate at drill times `t` (seconds), not yet constant within a second."""
        total = np.zeros(t.shape)
        for rate, courses in self._flows:
            flow = np.full(t.shape, rate)
            for course in courses:
                flow *= course(t)
            total += flow
        return total

    @staticmethod
    def _course(shape: Shape, config: WorldConfig, data: FlightData, seed: int, begin: float, place: str) -> Course:
        match shape:
            case Diurnal():
                return diurnal(shape, data, minutes_of(config.start), config.pace)
            case Burst():
                return BurstCourse(shape, Stream(seed, f"traffic/{place}"), begin)
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

    def course(t: Floats) -> Floats:
        now = start + t * (pace / 60.0)
        soon = np.searchsorted(data.departure, now + ahead) - np.searchsorted(data.departure, now)
        return np.maximum(shape.floor, soon / mean)

    return course


class BurstCourse:
    """Calm and busy by turns. Sojourn k is drawn by its number, so that it never depends on which times were asked for first."""

    def __init__(self, shape: Burst, stream: Stream, begin: float) -> None:
        """Sojourns follow each other from drill time `begin` on; before it there is calm."""
        self._shape, self._stream = shape, stream
        self._busy_first = bool(stream.uniform(0, 1)[0] < shape.busy / (shape.calm + shape.busy))
        self._switches = np.array([begin])  # when a sojourn begins; the last one also ends what is known

    def __call__(self, t: Floats) -> Floats:
        """Factors at drill times `t` (seconds)."""
        while t.size and self._switches[-1] <= t.max():
            self._draw(256)
        sojourn = np.searchsorted(self._switches, t, side="right") - 1
        busy = (sojourn >= 0) & ((sojourn % 2 == 0) == self._busy_first)
        return np.where(busy, self._shape.factor, 1.0)

    def _draw(self, n: int) -> None:
        first = len(self._switches) - 1
        means = np.where((np.arange(first, first + n) % 2 == 0) == self._busy_first, self._shape.busy, self._shape.calm)
        lengths = means * self._stream.exponential(first, n)
        self._switches = np.concatenate([self._switches, self._switches[-1] + np.cumsum(lengths)])
