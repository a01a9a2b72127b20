"""Recording and alerting rules, and a group of them that is evaluated at each scrape, in order, as a Prometheus rule group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass

from .program import Bound, Column, Expr, Labels, Program, Sources
from .promql import Selector
from .store import SeriesStore

PAGE = "page"
TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A named expression. Its result carries `labels` besides its own."""

    record: str
    expr: Expr
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A condition that somebody should know of: each element of `expr` is one alert.

    `hold` (Prometheus's `for`) is for how many seconds it must have been there before the alert fires. Severity `page` wakes
    somebody up, `ticket` waits for working hours.
    """

    name: str
    expr: Expr
    hold: float = 0.0
    severity: str = TICKET
    summary: str = ""
    labels: Labels = ()

    @property
    def all_labels(self) -> Labels:
        """The labels that the rule gives to its alerts, `severity` included."""
        return tuple(sorted((*self.labels, ("severity", self.severity))))


def merged(own: Labels, given: Labels) -> Labels:
    """An element's labels with those that a rule gives; the rule's win."""
    return tuple(sorted((dict(own) | dict(given)).items()))


Result = tuple[tuple[Labels, ...], Column]
"""A rule's elements: their labels and their values."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The results of a group at one time, one per rule."""

    recorded: Sequence[Result]
    alerts: Sequence[Result]


class RuleGroup:
    """Rules that are evaluated together, in order: each sees the results of those before it at the same time.

    Alerting rules come after all recording rules.
    """

    def __init__(self, recording: Sequence[RecordingRule], alerting: Sequence[AlertRule] = ()) -> None:
        self.recording = tuple(recording)
        self.alerting = tuple(alerting)
        self._sources: Sources | None = None
        self._program: Program | None = None
        self._known = 0
        self._revision = 0
        self._recorded: list[Bound] = []
        self._alerts: list[Bound] = []

    @property
    def metrics(self) -> frozenset[str]:
        """Names of the producers' metrics that the rules read."""
        rules: tuple[RecordingRule | AlertRule, ...] = (*self.recording, *self.alerting)
        return frozenset(selector.metric for rule in rules for selector in _selectors(rule.expr))

    def evaluate(self, store: SeriesStore, at: float | None = None) -> Evaluation:
        """The results at time `at` (seconds), or at the last scrape.

        Raises:
            ValueError: two rules have the same result, or an expression has two elements with the same labels.
        """
        program = self._current(store)
        slots = program.run(store.now if at is None else round(at * 1000.0))
        return Evaluation(
            [(bound.labels, slots[bound.slot]) for bound in self._recorded],
            [(bound.labels, slots[bound.slot]) for bound in self._alerts],
        )

    def _current(self, store: SeriesStore) -> Program:
        """The program for the series that there are by now."""
        if self._sources is None or self._sources.store is not store:
            self._sources, self._program = Sources(store), None
        if self._program is not None and self._revision != store.revision:
            self._revision = store.revision
            if self._known != len(store.series) or self._program.is_outdated():
                self._program = None
        if self._program is None:
            self._revision, self._known = store.revision, len(store.series)
            self._program = self._bind(Program(self._sources))
        return self._program

    def _bind(self, program: Program) -> Program:
        self._recorded, self._alerts = [], []
        for rule in self.recording:
            bound = program.bind(rule.expr)
            labels = tuple(merged(own, rule.labels) for own in bound.labels)
            for index, own in enumerate(labels):
                if (rule.record, own) in program.recorded:
                    raise ValueError(f"two rules record {rule.record} with the labels {dict(own)}")
                program.recorded[rule.record, own] = (bound.slot, index)
            self._recorded.append(Bound(labels, bound.slot))
        for alert in self.alerting:
            bound = program.bind(alert.expr)
            self._alerts.append(Bound(tuple(merged(own, alert.all_labels) for own in bound.labels), bound.slot))
        return program


def _selectors(part: object) -> Iterator[Selector]:
    """All selectors in an expression."""
    if isinstance(part, Selector):
        yield part
    elif is_dataclass(part):
        for own in fields(part):
            yield from _selectors(getattr(part, own.name))
