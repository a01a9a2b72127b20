"""Programs: rules bound to the series that are known, and evaluated step by step.

Binding settles once which elements each expression can have, and with which labels; an evaluation only fills in values. An
element without a value is None: it is not in the vector.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .promql import InstantBank, RangeBank, Selector, Value
from .store import SeriesStore

Labels = tuple[tuple[str, str], ...]
"""Labels of an element, sorted by name, without the metric's."""

Column = Sequence[Value]
"""Values of a vector's elements."""

Step = Callable[[list[Column]], Column]


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound expression: its elements' labels, and the slot in which their values will be."""

    labels: tuple[Labels, ...]
    slot: int


class Expr(Protocol):
    """What a rule computes. Equal expressions compute the same."""

    def promql(self) -> str:
        """The expression in PromQL."""

    def bind(self, program: Program) -> Bound:
        """Add the steps that compute it to a program."""


class Sources:
    """What outlives a program when new series make it necessary to bind anew: the banks, and what is known of selectors."""

    def __init__(self, store: SeriesStore) -> None:
        self.store = store
        self.ranges = RangeBank(store)
        self.instants = InstantBank(store)
        self._selected: dict[Selector, tuple[int, list[int]]] = {}
        self._by_id: dict[int, tuple[Expr, Expr]] = {}
        self._by_value: dict[Expr, Expr] = {}

    def select(self, selector: Selector) -> list[int]:
        """The rows of a selector's series; only those that are new since the last time are looked at."""
        seen, rows = self._selected.get(selector, (0, []))
        total = len(self.store.rows(selector.metric))
        if seen != total:
            rows = rows + selector.rows(self.store, seen)
            self._selected[selector] = (total, rows)
        return rows

    def canonical(self, expr: Expr) -> Expr:
        """One and the same object for all equal expressions. To hash a deep expression is dear: it happens once."""
        known = self._by_id.get(id(expr))
        if known is None:
            known = self._by_id[id(expr)] = (expr, self._by_value.setdefault(expr, expr))
        return known[1]


@dataclass(slots=True)
class Program:
    """Steps in order; equal expressions share theirs.

    `recorded` are the results of the rules so far, by record and labels: a slot and an element in it. Series that are gone and
    can no longer give a value are left out; `left_out` are their rows.
    """

    sources: Sources
    recorded: dict[tuple[str, Labels], tuple[int, int]] = field(default_factory=dict)
    left_out: set[int] = field(default_factory=set)
    _steps: list[Step] = field(default_factory=list)
    _bound: dict[int, Bound] = field(default_factory=dict)

    def bind(self, expr: Expr) -> Bound:
        """Bind an expression, or find it bound."""
        own = self.sources.canonical(expr)
        bound = self._bound.get(id(own))
        if bound is None:
            bound = self._bound[id(own)] = own.bind(self)
        return bound

    def add(self, labels: Sequence[Labels], step: Step) -> Bound:
        """Add a step.

        Raises:
            ValueError: two elements would have the same labels, which Prometheus refuses.
        """
        if len(set(labels)) != len(labels):
            raise ValueError(f"an expression has two elements with the same labels: {sorted(labels)}")
        self._steps.append(step)
        return Bound(tuple(labels), len(self._steps) - 1)

    def add_instant(self, selector: Selector) -> Bound:
        """Add the present values of series."""
        store, bank = self.sources.store, self.sources.instants
        rows = self._useful(selector, store.now)
        read = reader([bank.lane(row) for row in rows])
        return self.add([store.series[row].labels for row in rows], lambda _slots: read(bank.values))

    def add_range(self, selector: Selector, window: float, divisor: float) -> Bound:
        """Add increases of counters over `window` seconds, divided by `divisor`."""
        store, bank = self.sources.store, self.sources.ranges
        rows = self._useful(selector, store.now - window * 1000.0)
        read = reader([bank.lane(row, window, divisor) for row in rows])
        return self.add([store.series[row].labels for row in rows], lambda _slots: read(bank.values))

    def run(self, now: float) -> list[Column]:
        """The values of all slots as of `now` (milliseconds)."""
        self.sources.ranges.evaluate(now)
        self.sources.instants.evaluate(now)
        slots: list[Column] = []
        for step in self._steps:
            slots.append(step(slots))
        return slots

    def is_outdated(self) -> bool:
        """Whether a series that was left out is scraped again."""
        alive = self.sources.store.alive
        return any(alive[row] for row in self.left_out)

    def _useful(self, selector: Selector, since: float) -> list[int]:
        """A selector's rows without those that are gone and have no sample since a time (milliseconds)."""
        store = self.sources.store
        rows = self.sources.select(selector)
        useful = [row for row in rows if store.alive[row] or store.last_time[row] >= since]
        if len(useful) != len(rows):
            self.left_out.update(set(rows).difference(useful))
        return useful


def reader(places: Sequence[int]) -> Callable[[Column], Column]:
    """Picks elements out of a column: at once where they are contiguous."""
    if not places:
        return lambda _values: []
    first, end = places[0], places[-1] + 1
    if list(places) == list(range(first, end)):
        return lambda values: values[first:end]
    pick: Callable[[Column], Column] = operator.itemgetter(*places)  # of two or more: one is contiguous
    return pick
