"""The record of a drill: the journal's events folded into what scoring and reports read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..model.events import (
    Accepted,
    Alerted,
    Changed,
    Cleared,
    Completed,
    Ended,
    Event,
    Failed,
    Hinted,
    Injected,
    Logged,
    Observed,
    Registered,
    Rejected,
    Settled,
)


@dataclass(frozen=True, slots=True)
class Point:
    """One observation."""

    at: float
    slis: Mapping[str, float]
    counts: Mapping[str, tuple[float, float]]
    ledger: Mapping[str, float]


@dataclass(slots=True)
class CommandRecord:
    """What became of one command. `outcome`: accepted (still under way), completed, rejected or failed."""

    at: float
    actor: str
    number: int
    action: str
    params: Mapping[str, object]
    outcome: str = "accepted"
    reason: str = ""


@dataclass(slots=True)
class Record:
    """A drill as it went, up to the journal's last event."""

    points: list[Point] = field(default_factory=list)
    commands: list[CommandRecord] = field(default_factory=list)
    changes: list[tuple[float, Changed]] = field(default_factory=list)
    versions: list[tuple[float, Registered]] = field(default_factory=list)
    faults: list[tuple[float, Injected]] = field(default_factory=list)
    cleared: list[tuple[float, str]] = field(default_factory=list)
    alerts: list[tuple[float, Alerted]] = field(default_factory=list)
    hints: list[tuple[float, Hinted]] = field(default_factory=list)
    logs: list[Logged] = field(default_factory=list)
    ledger: Mapping[str, float] = field(default_factory=dict)
    ended: str = ""
    until: float = 0.0

    def first(self, action: str) -> float | None:
        """When an action was first accepted, in drill seconds."""
        return next((command.at for command in self.commands if command.action == action and command.outcome != "rejected"), None)


def record_of(events: Iterable[Event]) -> Record:
    """Fold events into a record."""
    record = Record()
    under_way: dict[tuple[str, int], CommandRecord] = {}
    for event in events:
        record.until = event.at
        if isinstance(event.body, Hinted):
            record.hints.append((event.at, event.body))
        elif not _fold_command(record, event, under_way):
            _fold_fact(record, event)
    return record


def _fold_command(record: Record, event: Event, under_way: dict[tuple[str, int], CommandRecord]) -> bool:
    """Take in what became of a command; whether the event was about one."""
    match event.body:
        case Accepted(actor, number, action, params):
            under_way[actor, number] = CommandRecord(event.at, actor, number, action, params)
            record.commands.append(under_way[actor, number])
        case Rejected(actor, number, action, params, reason):
            record.commands.append(CommandRecord(event.at, actor, number, action, params, "rejected", reason))
        case Completed(actor, number):
            under_way.pop((actor, number)).outcome = "completed"
        case Failed(actor, number, _, reason):
            command = under_way.pop((actor, number))
            command.outcome, command.reason = "failed", reason
        case _:
            return False
    return True


def _fold_fact(record: Record, event: Event) -> None:
    """Take in what happened to the service, and what was seen of it."""
    match event.body:
        case Observed(slis, counts, ledger):
            record.points.append(Point(event.at, slis, counts, ledger))
            record.ledger = ledger
        case Settled(ledger):
            record.ledger = ledger
        case Changed():
            record.changes.append((event.at, event.body))
        case Registered():
            record.versions.append((event.at, event.body))
        case Injected():
            record.faults.append((event.at, event.body))
        case Cleared(beat):
            record.cleared.append((event.at, beat))
        case Alerted():
            record.alerts.append((event.at, event.body))
        case Logged():
            record.logs.append(event.body)
        case Ended(reason):
            record.ended = reason
