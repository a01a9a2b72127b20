"""What requests ask: each asks about one flight that leaves soon, with the weather known at that moment.

Such a question is an *example*: a flight and the hour of the weather. A drill's calendar window has finitely many (a few
hundred per calendar hour), so that features, labels and a model's scores are computed once per example, never per request.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .data import OBSERVED_AFTER, FlightData, Rows

HORIZON = 360
"""Minutes ahead that clients ask about: flights scheduled to leave in [now, now + HORIZON)."""

FEWEST = 20
"""When fewer qualify (at night), the next so many to leave."""

_HOUR = 60


def candidates(data: FlightData, minutes: NDArray[np.int32] | NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """First row and number of the flights that may be asked about at whole calendar minutes; rows are consecutive."""
    first = np.searchsorted(data.departure, minutes)
    number = np.maximum(np.searchsorted(data.departure, minutes + HORIZON) - first, np.minimum(FEWEST, len(data) - first))
    return first.astype(np.int32), number.astype(np.int32)


@dataclass(frozen=True, eq=False)
class Examples:
    """Every question that can come up in a drill; an example's id is its index here."""

    data: FlightData
    rows: Rows  # the flight
    weather_hours: NDArray[np.int32]  # the hour whose weather is known when it is asked

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.rows)

    @cached_property
    def labels(self) -> NDArray[np.uint8]:
        """1 for a flight that will be late: the truth, known or not."""
        return self.data.label[self.rows]

    @cached_property
    def known_at(self) -> NDArray[np.int32]:
        """Calendar minute at which the label becomes known."""
        return self.data.known_at[self.rows]

    @cached_property
    def features(self) -> NDArray[np.float64]:
        """Feature matrix [n, len(FEATURES)], as known when asked."""
        return self.data.features(self.rows, self.weather_hours)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides the features: data, the code that read it, flights and hours."""
        digest = hashlib.sha256(f"{self.data.data_hash}/{self.data.code_version}".encode())
        digest.update(self.rows.astype("<i4").tobytes())
        digest.update(self.weather_hours.astype("<i4").tobytes())
        return digest.hexdigest()


class Draws:
    """Which example a request asks for, for all requests in a calendar window; a table per minute, so that a draw is a look-up.

    Args:
        data: the flights.
        start: calendar minute at t = 0.
        pace: calendar seconds per second of drill time.
        first, last: the drill times, in seconds, between which requests come.
    """

    def __init__(self, data: FlightData, start: float, pace: float, first: float, last: float) -> None:
        self._start = start
        self._per_second = pace / 60.0
        begin, end = (int(np.floor(self.calendar(t) / _HOUR)) for t in (first, last))
        self._hour0, hours = begin, end - begin + 1
        self._minute0 = begin * _HOUR
        minutes = np.arange(begin * _HOUR, (end + 1) * _HOUR + 1)
        self._first, self._number = candidates(data, minutes)
        lowest = self._first[:-1:_HOUR].astype(np.int64)
        stop = (self._first + self._number)[_HOUR::_HOUR].astype(np.int64)
        sizes = stop - lowest
        base = np.concatenate([[0], np.cumsum(sizes)])
        self._base = base
        self._offset = base[:-1] - lowest  # example id = row + offset of the hour
        weather = np.arange(begin, begin + hours) - OBSERVED_AFTER // _HOUR
        rows = np.arange(base[-1]) - np.repeat(self._offset, sizes)
        self.examples = Examples(data, rows.astype(np.int32), np.repeat(weather, sizes).astype(np.int32))

    def calendar(self, t: float) -> float:
        """Calendar minute at drill time `t` (seconds)."""
        return self._start + self._per_second * t

    def time_of(self, minute: float) -> float:
        """Drill time in seconds of a calendar minute."""
        return (minute - self._start) / self._per_second

    def of_hour(self, hour: int) -> slice[int, int, None]:
        """The ids of the examples that can be asked for in an hour of the year; none outside the window."""
        place = hour - self._hour0
        if not 0 <= place < len(self._offset):
            return slice(0, 0)
        return slice(int(self._base[place]), int(self._base[place + 1]))

    def examples_for(self, times: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.int32]:
        """The example of each request.

        Args:
            times: when they are sent, in seconds of drill time.
            u: a uniform number of each, on [0, 1).

        Raises:
            IndexError: a time lies outside the window.
        """
        minutes = times * self._per_second + self._start
        hour = np.floor(minutes / _HOUR).astype(np.int64) - self._hour0
        minute = np.ceil(minutes).astype(np.int64) - self._minute0
        if len(hour) and (hour.min() < 0 or hour.max() >= len(self._offset)):
            raise IndexError(f"drill times {times.min()} to {times.max()} leave the window of the draws")
        rows = self._first[minute] + (u * self._number[minute]).astype(np.int64)
        return (rows + self._offset[hour]).astype(np.int32)
