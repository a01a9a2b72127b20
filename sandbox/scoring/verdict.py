"""The verdict: each objective met over the verdict window at the drill's end. "No data" is a failure of its own, never a pass."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..model.scenario import Objective, Scenario
from .impact import PASSING, PASSING_CONTROL
from .record import Point, Record
from .times import is_right, last_diagnosis

MIN_EVENTS = 200
"""Fewest requests in the verdict window that can carry a verdict."""
MIN_FLIGHTS = 50
"""The same for quality, in distinct flights: below it there is no evaluation, and nothing is counted."""


class Verdict(StrEnum):
    """How a drill ended."""

    PASSED = "passed"
    FAILED = "failed"
    NO_DATA = "no data"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class ObjectiveResult:
    """One objective over the verdict window. `value` is the share of good events; None without enough data."""

    objective: Objective
    value: float | None
    events: float

    @property
    def met(self) -> bool:
        """Whether there is enough data and the target was reached."""
        return self.value is not None and self.value >= self.objective.target


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict with its reasons."""

    verdict: Verdict
    objectives: tuple[ObjectiveResult, ...]
    reasons: tuple[str, ...]


def judge(record: Record, scenario: Scenario, impact: float | None = None) -> Judgement:
    """Judge a drill by its record.

    Passed means: each objective met over the verdict window, no page firing at the end, where the impact is known, enough of it,
    and, where the scenario requires it, component and cause named. An unfinished drill is aborted.
    """
    results = tuple(_result(goal, record, scenario) for goal in scenario.objectives)
    reasons = tuple(reason for result in results if (reason := _reason(result)))
    if record.ended != "finished":
        reason = f"the drill did not reach its end ({record.ended or 'the journal breaks off'})"
        return Judgement(Verdict.ABORTED, results, (reason, *reasons))
    if any(result.value is None for result in results):
        return Judgement(Verdict.NO_DATA, results, reasons)
    reasons += tuple(f"{name} is still firing" for name in pages_firing(record))
    diagnosis = last_diagnosis(record)
    if scenario.answer.required and (diagnosis is None or not is_right(diagnosis, scenario.answer)):
        reasons += ("component and cause were not named" if diagnosis is None else "the diagnosis is not right",)
    least = PASSING_CONTROL if scenario.control else PASSING
    if impact is not None and impact < least:
        reasons += (f"impact {impact:.0f}, at least {least:.0f} is needed",)
    return Judgement(Verdict.FAILED if reasons else Verdict.PASSED, results, reasons)


def pages_firing(record: Record) -> tuple[str, ...]:
    """Names of the pages that fire at the end of the record."""
    firing: dict[tuple[str, ...], str] = {}
    for _, alert in record.alerts:
        key = (alert.name, *sorted(f"{name}={value}" for name, value in alert.labels.items()))
        if alert.state == "firing" and alert.labels.get("severity") == "page":
            firing[key] = alert.name
        else:
            firing.pop(key, None)
    return tuple(dict.fromkeys(firing.values()))


def _result(goal: Objective, record: Record, scenario: Scenario) -> ObjectiveResult:
    end = scenario.duration
    first, last = _at(record, end - scenario.verdict_window), _at(record, end)
    if first is None or last is None or goal.id not in first.counts or goal.id not in last.counts:
        return ObjectiveResult(goal, None, 0.0)
    good = last.counts[goal.id][0] - first.counts[goal.id][0]
    total = last.counts[goal.id][1] - first.counts[goal.id][1]
    return ObjectiveResult(goal, good / total if total >= _fewest(goal) else None, total)


def _at(record: Record, t: float) -> Point | None:
    """The last observation at or before `t`."""
    return next((point for point in reversed(record.points) if point.at <= t), None)


def _reason(result: ObjectiveResult) -> str:
    goal = result.objective
    what = "flights" if goal.sli == "quality" else "requests"
    if result.value is None:
        return f"{goal.id}: no data ({result.events:.0f} {what} in the verdict window, {_fewest(goal)} are needed)"
    return "" if result.met else f"{goal.id}: {result.value:.2%}, the target is {goal.target:.2%}"


def _fewest(goal: Objective) -> int:
    return MIN_FLIGHTS if goal.sli == "quality" else MIN_EVENTS
