"""Samples by series, as a Prometheus that scrapes every producer at the same moments would hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.telemetry import Scrape, Series

LOOKBACK = 300.0
"""Seconds for which a series that is neither scraped nor stale keeps its last value (Prometheus's default)."""

KEEP = 21_900.0
"""Seconds for which samples are kept at least: the longest window of any rule, 6 h, and 5 min; older ones are forgotten."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LAYOUTS = 8  # a fleet that flaps goes back and forth between a few sets of series


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the values of a scrape go: `rows[i]` is the row of `series[i]`."""

    series: tuple[Series, ...]
    rows: Ints
    place: Ints | slice[int, int, None]  # the same rows, as a slice where they are contiguous: cheaper


def _milliseconds(at: float) -> float:
    """Prometheus's time stamps are whole milliseconds; a float64 holds them exactly."""
    return float(round(at * 1000.0))


class SeriesStore:
    """Series in rows, samples in columns, both growing; samples only until older ones can be forgotten.

    Each row is packed: sample 0 is the series' first that is kept, whatever the scrape was. So a window is a first column and a
    count, also for series that come and go. `forgotten` is how many of a row's samples were before. `unwrapped` is the counter
    without its resets (after a fall it goes on from where it was); its differences are increases. Unused time stamps are +inf: a
    pointer into a row that moves forward stops there by itself.
    """

    def __init__(self) -> None:
        self.series: list[Series] = []
        self.labels: list[dict[str, str]] = []
        self.now = -np.inf  # milliseconds
        self.revision = 0  # grows whenever the set of series that are scraped changes
        self.times: Floats = np.full((64, 256), np.inf)  # milliseconds
        self.values: Floats = np.zeros((64, 256))
        self.unwrapped: Floats = np.zeros((64, 256))
        self.count: Ints = np.zeros(64, np.int64)
        self.forgotten: Ints = np.zeros(64, np.int64)
        self.last_time: Floats = np.full(64, -np.inf)
        self.last_value: Floats = np.full(64, np.nan)
        self.last_unwrapped: Floats = np.zeros(64)
        self.baseline: Floats = np.zeros(64)
        self.alive: NDArray[np.bool_] = np.zeros(64, np.bool_)
        self._correction: Floats = np.zeros(64)
        self._rows: dict[Series, int] = {}
        self._by_name: dict[str, list[int]] = {}
        self._layouts: list[Layout] = []
        self._columns = 0  # an upper bound of every row's count

    def append(self, scrape: Scrape) -> Layout:
        """Take a scrape in. A series that was in the one before and is missing in this one is stale from now on.

        Raises:
            ValueError: scrapes must be in order of time.
        """
        now = _milliseconds(scrape.at)
        if now <= self.now:
            raise ValueError(f"a scrape at {scrape.at} s after one at {self.now / 1000} s")
        first = self.now == -np.inf
        self.now = now
        layout = self._layout(scrape.series)
        self._columns += 1
        if self._columns >= self.values.shape[1]:
            self._forget(now - KEEP * 1000.0)
            if 4 * self._columns > 3 * self.values.shape[1]:  # else it would have to be done again soon
                self._grow(self.values.shape[0], 2 * self.values.shape[1])
        place, values = layout.place, np.asarray(scrape.values, np.float64)
        previous = self.last_value[place]
        fell = values < previous  # never for a series' first sample: there `previous` is NaN
        if fell.any():
            self._correction[place] += np.where(fell, previous, 0.0)
        unwrapped = values + self._correction[place]
        at = layout.rows * self.values.shape[1] + self.count[place]
        self.values.ravel()[at] = values
        self.unwrapped.ravel()[at] = unwrapped
        self.times.ravel()[at] = now
        self.count[place] += 1
        self.last_time[place] = now
        self.last_value[place] = values
        self.last_unwrapped[place] = unwrapped
        if first:
            self.baseline[place] = values
        return layout

    def rows(self, name: str) -> Sequence[int]:
        """Rows of all series with this metric name, in the order in which they were first seen."""
        return self._by_name.get(name, ())

    def increases(self, rows: Sequence[int]) -> list[float]:
        """How much counters have grown since the first scrape, not extrapolated; one that was not there yet grew from 0."""
        grown: list[float] = (self.last_unwrapped.take(rows) - self.baseline.take(rows)).tolist() if rows else []
        return grown

    def first_since(self, row: int, start: float) -> int:
        """Column of a row's first sample at or after `start` (milliseconds)."""
        return int(np.searchsorted(self.times[row, : self.count[row]], start))

    def _layout(self, series: tuple[Series, ...]) -> Layout:
        """The layout of a set of series; the latest comes first, and only the latest is alive."""
        for position, known in enumerate(self._layouts):
            if known.series is series:
                if position:
                    self._layouts.insert(0, self._layouts.pop(position))
                    self._revive(known)
                return known
        rows = np.array([self._row(one) for one in series], np.int64)
        contiguous = bool(len(rows)) and bool(np.all(np.diff(rows) == 1))
        layout = Layout(series, rows, slice(int(rows[0]), int(rows[-1]) + 1) if contiguous else rows)
        self._layouts.insert(0, layout)
        del self._layouts[_LAYOUTS:]
        self._revive(layout)
        return layout

    def _revive(self, layout: Layout) -> None:
        self.revision += 1
        self.alive[:] = False
        self.alive[layout.place] = True

    def _row(self, series: Series) -> int:
        row = self._rows.get(series)
        if row is None:
            row = self._rows[series] = len(self.series)
            self.series.append(series)
            self.labels.append(dict(series.labels))
            self._by_name.setdefault(series.name, []).append(row)
            if row >= self.values.shape[0]:
                self._grow(2 * self.values.shape[0], self.values.shape[1])
        return row

    def _forget(self, before: float) -> None:
        """Drop samples from before a time (milliseconds), but for the last one of a series: rows move to the left."""
        width = self.values.shape[1]
        old = np.count_nonzero(self.times < before, axis=1)
        drop = np.minimum(old, np.maximum(self.count - 1, 0))
        for row in np.flatnonzero(drop):
            kept, gone = int(self.count[row] - drop[row]), int(drop[row])
            for table, empty in ((self.times, np.inf), (self.values, 0.0), (self.unwrapped, 0.0)):
                table[row, :kept] = table[row, gone : gone + kept]
                table[row, kept : min(width, gone + kept)] = empty
        self.count -= drop
        self.forgotten += drop
        self._columns = int(self.count.max(initial=0)) + 1  # with the sample that is being taken in

    def _grow(self, rows: int, columns: int) -> None:
        self.times = _enlarged(self.times, (rows, columns), np.inf)
        self.values = _enlarged(self.values, (rows, columns), 0.0)
        self.unwrapped = _enlarged(self.unwrapped, (rows, columns), 0.0)
        more = rows - len(self.count)
        self.count = np.concatenate([self.count, np.zeros(more, np.int64)])
        self.forgotten = np.concatenate([self.forgotten, np.zeros(more, np.int64)])
        self.alive = np.concatenate([self.alive, np.zeros(more, np.bool_)])
        self.last_time = np.concatenate([self.last_time, np.full(more, -np.inf)])
        self.last_value = np.concatenate([self.last_value, np.full(more, np.nan)])
        self.last_unwrapped = np.concatenate([self.last_unwrapped, np.zeros(more)])
        self.baseline = np.concatenate([self.baseline, np.zeros(more)])
        self._correction = np.concatenate([self._correction, np.zeros(more)])


def _enlarged(old: Floats, shape: tuple[int, int], fill: float) -> Floats:
    new = np.full(shape, fill)
    new[: old.shape[0], : old.shape[1]] = old
    return new
