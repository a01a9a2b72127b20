"""The functions of PromQL that the rules need, with the results of Prometheus 2 (`promql/functions.go`, `promql/quantile.go`).

Windows are closed on both sides, as in all of Prometheus 2; version 3 leaves the left end open.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

import numpy as np

from ..model.units import format_duration
from .store import KEEP, LOOKBACK, Floats, Ints, SeriesStore

Value = float | None
"""A value of an instant vector's element; None: the element is not there."""


class Match(StrEnum):
    """How a label is compared. Regular expressions are anchored."""

    EQUAL = "="
    DIFFERS = "!="
    LIKE = "=~"
    UNLIKE = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label; a label that a series does not have is empty."""

    label: str
    match: Match
    value: str

    def accepts(self, value: str) -> bool:
        """Whether a label's value meets it."""
        if self.match is Match.EQUAL:
            return value == self.value
        if self.match is Match.DIFFERS:
            return value != self.value
        return (re.fullmatch(self.value, value) is not None) == (self.match is Match.LIKE)

    def __str__(self) -> str:
        """As in PromQL."""
        return f"{self.label}{self.match}{quoted(self.value)}"


def quoted(text: str) -> str:
    """A string literal of PromQL, which is one of YAML and JSON as well."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class Selector:
    """The series of a metric whose labels meet all matchers."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    def __str__(self) -> str:
        """As in PromQL."""
        inner = ",".join(str(matcher) for matcher in self.matchers)
        return f"{self.metric}{{{inner}}}" if inner else self.metric

    def rows(self, store: SeriesStore, since: int = 0) -> list[int]:
        """The rows of its series in a store, from the `since`th of the metric's series on."""
        rows = store.rows(self.metric)[since:]
        return [row for row in rows if all(m.accepts(store.labels[row].get(m.label, "")) for m in self.matchers)]


class RangeBank:
    """All range functions of a group of rules, computed together: one lane per (series, window).

    A lane's result is an increase over its window, extrapolated to the window's ends as Prometheus does, divided by `divisor`:
    the window's seconds for `rate`, 1 for `increase`.
    """

    def __init__(self, store: SeriesStore) -> None:
        self.values: list[Value] = []
        self._store = store
        self._lanes: dict[tuple[int, float, float], int] = {}
        self._rows: Ints = np.zeros(0, np.int64)
        self._windows: Floats = np.zeros(0)
        self._divisors: Floats = np.zeros(0)
        self._first: Ints = np.zeros(0, np.int64)
        self._forgotten: Ints = np.zeros(0, np.int64)  # of each lane's row, when `_first` was last right
        self._base: Ints = np.zeros(0, np.int64)
        self._width = 0

    def lane(self, row: int, window: float, divisor: float) -> int:
        """The lane of a series and window (seconds), made if it is new. A lane stays.

        Raises:
            ValueError: samples are not kept for that long.
        """
        if window > KEEP:
            raise ValueError(f"samples are kept for {KEEP:g} s, and the window has {window:g}")
        return self._lanes.setdefault((row, window, divisor), len(self._lanes))

    def evaluate(self, now: float) -> None:
        """Compute `values` as of `now` (milliseconds). `now` never falls."""
        if len(self._rows) != len(self._lanes):
            self._seal(now)
        if len(self._rows):
            with np.errstate(divide="ignore", invalid="ignore"):
                self.values = self._extrapolated(now)

    def _seal(self, now: float) -> None:
        """Give new lanes their place in the arrays."""
        lanes = list(self._lanes)[len(self._rows) :]
        first = [self._store.first_since(row, now - window * 1000.0) for row, window, _ in lanes]
        self._rows = np.concatenate([self._rows, np.array([row for row, _, _ in lanes], np.int64)])
        self._windows = np.concatenate([self._windows, [window * 1000.0 for _, window, _ in lanes]])
        self._divisors = np.concatenate([self._divisors, [divisor for _, _, divisor in lanes]])
        self._first = np.concatenate([self._first, np.array(first, np.int64)])
        self._forgotten = np.concatenate([self._forgotten, self._store.forgotten[[row for row, _, _ in lanes]]])

    def _extrapolated(self, now: float) -> list[Value]:
        """`extrapolatedRate`, for counters."""
        store, rows = self._store, self._rows
        forgotten = store.forgotten.take(rows)
        if (moved := forgotten - self._forgotten).any():
            self._first = np.maximum(self._first - moved, 0)
            self._forgotten = forgotten
        if self._width != store.times.shape[1] or len(self._base) != len(rows):
            self._width = store.times.shape[1]
            self._base = rows * self._width
        flat_times = store.times.ravel()
        starts = now - self._windows
        at = self._base + self._first
        first_time = flat_times.take(at)
        while (behind := first_time < starts).any():
            self._first += behind
            at = self._base + self._first
            first_time = flat_times.take(at)
        intervals = store.count.take(rows) - self._first - 1
        last_time = store.last_time.take(rows)
        first_value = store.values.ravel().take(at)
        grown = store.last_unwrapped.take(rows) - store.unwrapped.ravel().take(at)
        sampled = last_time - first_time  # milliseconds, as all times here: only their proportions count
        average = sampled / intervals
        to_start = first_time - starts
        to_end = now - last_time
        # A counter is never below zero: do not extrapolate beyond the moment at which it was zero.
        to_zero = sampled * (first_value / grown)
        to_start = np.where((grown > 0) & (first_value >= 0) & (to_zero < to_start), to_zero, to_start)
        threshold = average * 1.1
        half = average / 2.0
        covered = sampled + np.where(to_start < threshold, to_start, half) + np.where(to_end < threshold, to_end, half)
        results: list[Value] = (grown * (covered / sampled / self._divisors)).tolist()
        enough = intervals >= 1
        if enough.all():
            return results
        return [value if there else None for value, there in zip(results, enough.tolist(), strict=True)]


class InstantBank:
    """The present values of series: None for those that are stale or were last scraped more than `LOOKBACK` ago."""

    def __init__(self, store: SeriesStore) -> None:
        self.values: list[Value] = []
        self._store = store
        self._lanes: dict[int, int] = {}
        self._rows: Ints = np.zeros(0, np.int64)

    def lane(self, row: int) -> int:
        """The lane of a series, made if it is new."""
        return self._lanes.setdefault(row, len(self._lanes))

    def evaluate(self, now: float) -> None:
        """Compute `values` as of `now` (milliseconds)."""
        store = self._store
        if len(self._rows) != len(self._lanes):
            self._rows = np.array(list(self._lanes), np.int64)
        there = store.alive.take(self._rows) & (store.last_time.take(self._rows) >= now - LOOKBACK * 1000.0)
        values: list[Value] = store.last_value.take(self._rows).tolist()
        if not there.all():
            values = [value if ok else None for value, ok in zip(values, there.tolist(), strict=True)]
        self.values = values


def histogram_quantile(quantile: float, bounds: Sequence[float], counts: Sequence[Value]) -> float:
    """A quantile by linear interpolation within the bucket that holds it.

    Args:
        quantile: from 0 to 1.
        bounds: upper bounds of the buckets, ascending.
        counts: cumulative counts, one per bound; None where the bucket is not there.

    Returns:
        NaN without observations, without a last bucket of +Inf, or with fewer than two buckets; the last finite bound if the
        quantile lies beyond it.
    """
    there = [count for count in counts if count is not None]
    if len(there) != len(counts):
        bounds = [bound for bound, count in zip(bounds, counts, strict=True) if count is not None]
    if len(bounds) < 2 or bounds[-1] != math.inf:
        return math.nan
    cumulative = list(accumulate(there, max))  # sums of rates may fall by a rounding error
    if cumulative[-1] == 0 or math.isnan(cumulative[-1]):
        return math.nan
    rank = quantile * cumulative[-1]
    index = bisect_left(cumulative, rank, 0, len(cumulative) - 1)
    if index == len(cumulative) - 1:
        return bounds[-2]
    end = bounds[index]
    if index == 0:
        return end if end <= 0 else end * (rank / cumulative[0])
    start, below = bounds[index - 1], cumulative[index - 1]
    return start + (end - start) * ((rank - below) / (cumulative[index] - below))


def divide(left: float, right: float) -> float:
    """Division of IEEE 754: by zero it gives an infinity, or NaN for 0/0."""
    if right:
        return left / right
    if left == 0 or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def total(values: Sequence[float]) -> float:
    """The sum in the order given, without compensation."""
    result = 0.0
    for value in values:
        result += value
    return result


def mean(values: Sequence[float]) -> float:
    """The mean as Prometheus updates it, value by value."""
    result = 0.0
    for count, value in enumerate(values, 1):
        result = value if count == 1 else result + (value / count - result / count)
    return result


def largest(values: Sequence[float]) -> float:
    """The maximum; NaN only if there is nothing else."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def smallest(values: Sequence[float]) -> float:
    """The minimum; NaN only if there is nothing else."""
    return min((value for value in values if not math.isnan(value)), default=math.nan)


def counted(values: Sequence[float]) -> float:
    """How many there are."""
    return float(len(values))


AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": total,
    "avg": mean,
    "max": largest,
    "min": smallest,
    "count": counted,
}


def window_text(seconds: float) -> str:
    """A window as PromQL writes it, for ranges and names of rules: `30s`, `2m30s`."""
    return format_duration(seconds)
