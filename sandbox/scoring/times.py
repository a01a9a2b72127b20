"""Times of a drill: when the incident was noticed, understood and over. All in seconds of drill time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model.scenario import Answer, Objective, Scenario
from .record import CommandRecord, Point, Record

SHARE_OF_WINDOW = 0.2
"""Length of the stretch over which an objective counts as met at a moment, as a share of the verdict window."""


@dataclass(frozen=True, slots=True)
class Times:
    """Drill seconds; None: never. `broken` is when an objective was first missed with the fault in force."""

    injected: float | None = None
    broken: float | None = None
    detected: float | None = None  # the incident was declared
    diagnosed: float | None = None  # the last diagnosis, if it names component and cause
    mitigated: float | None = None  # from here on every objective was met, up to the end


def times_of(record: Record, scenario: Scenario) -> Times:
    """The times of a drill, from its record."""
    injected = min((at for at, _ in record.faults), default=None)
    last = last_diagnosis(record)
    return Times(
        injected=injected,
        broken=next(iter(_missed(record.points, scenario, injected)), None),
        detected=record.first("declare"),
        diagnosed=last.at if last is not None and is_right(last, scenario.answer) else None,
        mitigated=_mitigated(record, scenario, injected),
    )


def last_diagnosis(record: Record) -> CommandRecord | None:
    """The last diagnosis that was accepted: the one that counts."""
    return next((one for one in reversed(record.commands) if one.action == "diagnose" and one.outcome != "rejected"), None)


def is_right(diagnosis: CommandRecord, answer: Answer) -> bool:
    """Whether a diagnosis names the component at fault and the cause."""
    return (diagnosis.params.get("component"), diagnosis.params.get("cause")) == (answer.component, answer.cause)


def _mitigated(record: Record, scenario: Scenario, injected: float | None) -> float | None:
    """The first observation after the last one at which an objective was missed; None if there is none, or nothing to mend."""
    missed = _missed(record.points, scenario, injected)
    if record.ended != "finished" or not missed:
        return None
    return next((point.at for point in record.points if point.at > missed[-1]), None)


def _missed(points: Sequence[Point], scenario: Scenario, injected: float | None) -> list[float]:
    """The observations, from the first fault on, at which some objective was missed over the stretch before."""
    if injected is None:
        return []
    length = SHARE_OF_WINDOW * scenario.verdict_window
    missed, first = [], 0
    for point in points:
        while points[first].at < point.at - length:
            first += 1
        if point.at > injected and any(_is_missed(goal, points[first], point) for goal in scenario.objectives):
            missed.append(point.at)
    return missed


def _is_missed(goal: Objective, first: Point, last: Point) -> bool:
    """Whether too few events were good between two observations; without events nothing was missed."""
    if goal.id not in first.counts or goal.id not in last.counts:
        return False
    good, total = (last.counts[goal.id][part] - first.counts[goal.id][part] for part in (0, 1))
    return total > 0 and good < goal.target * total
