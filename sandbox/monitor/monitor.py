"""The built-in monitor: scrapes in, SLIs, event counts, error budgets and alerts out."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..model.expr import Expression
from ..model.scenario import Objective
from ..model.telemetry import Scrape
from .alerts import Alert, AlertBook, Transition
from .catalogue import event_counters, sli_rules
from .objectives import BURN_WINDOWS, BurnWindow, budget_remaining, burn_lengths, rule_group, tightest_bound
from .promql import Selector, window_text
from .rules import AlertRule, Result
from .store import LOOKBACK, Floats, SeriesStore


@dataclass(frozen=True, slots=True)
class BudgetReading:
    """An objective's error budget: the share of it that remains, and burn rates by window (`5m`); NaN without events."""

    remaining: float
    burn_rates: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class MonitorResult:
    """What one scrape tells.

    `slis` has no entry where there is no data (the rule has no result, or one that is not finite). `counts` are cumulative (good,
    total) events per objective since the first scrape, across resets of counters, without extrapolation.
    """

    at: float
    slis: Mapping[str, float]
    counts: Mapping[str, tuple[float, float]]
    transitions: tuple[Transition, ...]
    read_budget: Callable[[], Mapping[str, BudgetReading]] = field(repr=False, compare=False)

    @property
    def budget(self) -> Mapping[str, BudgetReading]:
        """Error budgets by objective."""
        return self.read_budget()


class Monitor:
    """Rules are evaluated at every scrape, and see it.

    Args:
        objectives: each gives its burn-rate alerts; the tightest bound of a latency objective is that of the SLI `latency`.
        alert_rules: further alerts.
        windows: of the burn-rate alerts.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        alert_rules: Sequence[AlertRule] = (),
        windows: Sequence[BurnWindow] = BURN_WINDOWS,
    ) -> None:
        self.objectives = tuple(objectives)
        self._slis = tuple(sli_rules(tightest_bound(objectives)))
        self.group = rule_group(objectives, alert_rules, windows)
        self.store = SeriesStore()
        self.recorded: Sequence[Result] = ()  # of the last evaluation, one per recording rule
        self._book = AlertBook(self.group.alerting)
        self._counters = {goal.id: event_counters(goal.sli, goal.bound) for goal in objectives}
        self._counted: dict[
            str, tuple[slice[int, int, None], slice[int, int, None]]
        ] = {}  # of good and all events: places in `_counted_rows`
        self._counted_rows: list[int] = []
        self._known = 0
        self._started = math.nan
        self._burns = [(goal.id, window_text(length)) for goal in objectives for length in burn_lengths(windows)]
        self._times: list[float] = []
        self._history: list[Floats] = []  # one row per evaluation, in the order of `_slis`

    @property
    def alerts(self) -> list[Alert]:
        """All alerts that have ever been active, with their present states."""
        return self._book.alerts

    def observe(self, scrape: Scrape) -> MonitorResult:
        """Take a scrape in and evaluate all rules at its time."""
        self.take(scrape)
        return self.evaluate(scrape.at)

    def take(self, scrape: Scrape) -> None:
        """Take a scrape in; later evaluations see it."""
        if math.isnan(self._started):
            self._started = scrape.at
        self.store.append(scrape)

    def evaluate(self, at: float) -> MonitorResult:
        """Evaluate all rules at `at` seconds, which never falls; by itself for a time at which nothing could be scraped."""
        evaluation = self.group.evaluate(self.store, at)
        self.recorded = evaluation.recorded
        values = [column[0] if column else None for _, column in evaluation.recorded]
        named = zip(self._slis, values, strict=False)
        slis = {name: value for name, value in named if value is not None and math.isfinite(value)}
        self._history.append(_floats(values[: len(self._slis)]))
        self._times.append(at)
        counts = self._count()
        burns, elapsed = values[len(self._slis) :], at - self._started
        transitions = self._book.update(at, evaluation.alerts)
        return MonitorResult(at, slis, counts, transitions, lambda: self._budgets(elapsed, counts, burns))

    def query(self, expr: str, start: float, end: float, step: float) -> tuple[Floats, Floats]:
        """A metric over time: an SLI, or an expression over SLIs; a condition gives 1 or 0.

        Args:
            expr: as in `model.expr`.
            start: first time, in seconds.
            end: last time, in seconds; included if it is a whole number of steps from `start`.
            step: seconds between values.

        Returns:
            Times and values, as of the last evaluation at or before each time; NaN where there is no data.

        Raises:
            ExpressionError: `expr` cannot be read.
            ValueError: `step` is not positive.
        """
        if step <= 0:
            raise ValueError(f"the step of a query must be positive, not {step}")
        times = start + step * np.arange(max(0, math.floor((end - start) / step + 1e-9) + 1), dtype=np.float64)
        rows = [self._row_at(float(time)) for time in times]
        names = self._slis
        if expr in self._slis:
            return times, _floats(None if row is None else self._history[row][names.index(expr)] for row in rows)
        expression = Expression(expr)
        read = expression.evaluate if expression.is_condition else expression.value
        columns = [(name, names.index(name)) for name in expression.names if name in names]
        return times, _floats(
            None if row is None else read({name: _number(self._history[row][column]) for name, column in columns}) for row in rows
        )

    def metrics(self) -> tuple[str, ...]:
        """The SLIs that can be queried."""
        return self._slis

    def _row_at(self, time: float) -> int | None:
        """The evaluation whose results a query at `time` sees, if any."""
        row = bisect_right(self._times, time + 1e-9) - 1
        return row if row >= 0 and time - self._times[row] <= LOOKBACK else None

    def _count(self) -> dict[str, tuple[float, float]]:
        store = self.store
        if self._known != len(store.series):
            self._known = len(store.series)
            self._counted_rows.clear()
            self._counted = {
                goal: (self._counted_places(own.good), self._counted_places(own.total)) for goal, own in self._counters.items()
            }
        grown = store.increases(self._counted_rows)
        return {goal: (math.fsum(grown[good]), math.fsum(grown[total])) for goal, (good, total) in self._counted.items()}

    def _counted_places(self, selector: Selector) -> slice[int, int, None]:
        start = len(self._counted_rows)
        self._counted_rows += selector.rows(self.store)
        return slice(start, len(self._counted_rows))

    def _budgets(
        self, elapsed: float, counts: Mapping[str, tuple[float, float]], burns: Sequence[float | None]
    ) -> dict[str, BudgetReading]:
        rates: dict[str, dict[str, float]] = {goal.id: {} for goal in self.objectives}
        for (goal, window), value in zip(self._burns, burns, strict=True):
            rates[goal][window] = math.nan if value is None else value
        return {
            goal.id: BudgetReading(budget_remaining(goal, *counts[goal.id], elapsed), rates[goal.id]) for goal in self.objectives
        }


def _number(value: float | None) -> float:
    """NaN for no value."""
    return math.nan if value is None else float(value)


def _floats(values: Iterable[float | None]) -> Floats:
    return np.array([_number(value) for value in values], np.float64)
