"""The versions of the model in a drill: what they were trained on, when they served everybody, and how good they were then."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..drill import Result
from ..model.events import Registered
from ..model.units import format_clock
from ..scoring.record import Record

_CHAMPION = "champion.version"


@dataclass(frozen=True, slots=True)
class Service:
    """A version was the champion from `start` to `end`, in drill seconds."""

    version: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version as a table shows it. `brier` is the mean of its Brier score while it served; empty where there was none."""

    version: str
    window: str
    flights: str
    auc: str
    trained_brier: str
    served: str
    brier: str
    data: str
    why: str


HEAD = ("version", "trained on", "flights", "AUC there", "Brier there", "served", "Brier then", "data", "why")
"""What the fields of a `VersionRow` are called."""


def services(result: Result) -> tuple[Service, ...]:
    """Which version was the champion when, in order."""
    record, duration = result.record, result.scenario.duration
    found: list[Service] = []
    version, since = result.scenario.service.champion.version, 0.0
    for at, change in record.changes:
        if change.field == _CHAMPION and at <= duration:
            found.append(Service(version, since, at))
            version, since = str(change.after), at
    found.append(Service(version, since, max(since, min(record.until, duration) if record.ended else record.until)))
    return tuple(one for one in found if one.end > one.start)


def version_rows(result: Result) -> tuple[VersionRow, ...]:
    """A row for each version that there was, in the order of registration."""
    spans = services(result)
    facts = [fact for _, fact in result.record.versions]
    return tuple(_row(fact, [one for one in spans if one.version == fact.version], result.record) for fact in facts)


def _row(fact: Registered, spans: list[Service], record: Record) -> VersionRow:
    within = [
        point.slis["quality_brier"]
        for point in record.points
        for span in spans
        if span.start <= point.at < span.end and math.isfinite(point.slis.get("quality_brier", math.nan))
    ]
    return VersionRow(
        version=fact.version,
        window=f"{fact.train_from[:10]} to {fact.train_until[:10]}",
        flights=f"{fact.flights:,}",
        auc=f"{fact.auc:.3f}",
        trained_brier=f"{fact.brier:.3f}",
        served=", ".join(f"{format_clock(one.start)} to {format_clock(one.end)}" for one in spans),
        brier=f"{math.fsum(within) / len(within):.3f}" if within else "",
        data=fact.data_hash[:12],
        why=fact.why,
    )
