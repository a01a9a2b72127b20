"""Files for `promtool test rules`, which prove that Prometheus comes to the same results as the built-in monitor.

A `Trial` is a course of scrapes with what the monitor made of them. Prometheus evaluates the exported rules over the same
samples; the file claims the same alerts at every evaluation, and the same recorded values at the times for which they were kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..model.telemetry import SCRAPE_INTERVAL, Scrape, Series
from .alerts import Alert, AlertBook
from .program import Labels
from .promql import Value, quoted, window_text
from .rules import Evaluation, RuleGroup
from .store import SeriesStore

TOLERANCE = 1e-9
"""Largest relative difference between a value of the monitor and Prometheus's; 1e-12 is allowed in any case."""

Record = tuple[str, Labels, Value]
"""A recorded value: the rule's name, the element's labels, and the value; None where there is none."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What the monitor said at an evaluation: alerts that are pending or firing; recorded values if they are to be checked."""

    alerts: tuple[Alert, ...]
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """A course of scrapes. `scrapes[i]` and `moments[i]` are 5 s apart; None: nothing was scraped, the rules were evaluated."""

    name: str
    scrapes: tuple[Scrape | None, ...]
    moments: tuple[Moment, ...]


def play(name: str, group: RuleGroup, scrapes: Sequence[Scrape | None], every: int = 1) -> Trial:
    """Play scrapes through a group of rules.

    Args:
        name: of the trial.
        group: the rules.
        scrapes: 5 s apart, the first one not None.
        every: of how many evaluations the recorded values of one are checked; alerts are checked at all.
    """
    store, book = SeriesStore(), AlertBook(group.alerting)
    start = next(scrape.at for scrape in scrapes if scrape is not None)
    moments: list[Moment] = []
    for index, scrape in enumerate(scrapes):
        at = start + index * SCRAPE_INTERVAL
        if scrape is not None:
            store.append(scrape)
        evaluation = group.evaluate(store, at)
        book.update(at, evaluation.alerts)
        moments.append(Moment(tuple(book.active()), _records(group, evaluation) if index % every == 0 else ()))
    return Trial(name, tuple(scrapes), tuple(moments))


def _records(group: RuleGroup, evaluation: Evaluation) -> tuple[Record, ...]:
    pairs = zip(group.recording, evaluation.recorded, strict=True)
    return tuple(
        (rule.record, labels, value) for rule, (elements, column) in pairs for labels, value in zip(elements, column, strict=True)
    )


def trial_file(trials: Sequence[Trial], rule_file: str) -> str:
    """The test file (YAML) for trials of the rules in `rule_file`, a path relative to the test file's folder."""
    interval = window_text(SCRAPE_INTERVAL)
    document = {
        "rule_files": [rule_file],
        "evaluation_interval": interval,
        "tests": [_test(trial, interval) for trial in trials],
    }
    return json.dumps(document, indent=1) + "\n"


def _test(trial: Trial, interval: str) -> dict[str, object]:
    checks: list[dict[str, object]] = []
    for index, now in enumerate(trial.moments):
        time = f"{round(index * SCRAPE_INTERVAL)}s"
        alerts: list[dict[str, object]] = [{"labels": _alert_text(alert), "value": 1} for alert in now.alerts]
        checks.append({"expr": "ALERTS", "eval_time": time, "exp_samples": alerts})
        checks.extend(
            {"expr": _claim(*record), "eval_time": time, "exp_samples": [{"labels": "{}", "value": 1}]} for record in now.records
        )
    series = [{"series": str(one), "values": values} for one, values in sample_notation(trial.scrapes).items()]
    return {"name": trial.name, "interval": interval, "input_series": series, "promql_expr_test": checks}


def sample_notation(scrapes: Sequence[Scrape | None]) -> dict[Series, str]:
    """Each series in promtool's notation: `_` where nothing was scraped, `stale` where a series was missing first."""
    samples: dict[Series, list[str]] = {}
    alive: set[Series] = set()
    for index, scrape in enumerate(scrapes):
        if scrape is None:
            continue
        for series, value in zip(scrape.series, scrape.values.tolist(), strict=True):
            _put(samples.setdefault(series, []), index, repr(value))
        present = set(scrape.series)
        for series in alive - present:
            _put(samples[series], index, "stale")
        alive = present
    return {series: " ".join(values) for series, values in samples.items()}


def _put(values: list[str], index: int, text: str) -> None:
    values.extend("_" for _ in range(index - len(values)))
    values.append(text)


def _alert_text(alert: Alert) -> str:
    labels = dict(alert.labels) | {"alertname": alert.name, "alertstate": str(alert.state)}
    return f"ALERTS{_braces(sorted(labels.items()))}"


def _braces(labels: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{name}={quoted(value)}" for name, value in labels) + "}"


def _claim(record: str, labels: Labels, value: Value) -> str:
    """An expression that is 1 if Prometheus recorded this value."""
    metric = f"{record}{_braces(labels)}"
    if value is None:
        return f"sum(absent({metric}))"
    if math.isnan(value):
        return f"sum({metric} != bool {metric})"
    if math.isinf(value):
        return f"sum({metric} == bool {'+' if value > 0 else '-'}Inf)"
    return f"sum(abs({metric} - {value!r}) <= bool {TOLERANCE * abs(value) + 1e-12!r})"
