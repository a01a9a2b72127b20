"""Counterfactuals: what each command of a drill cost or saved, found by playing the drill once more without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .model.events import Accepted, Changed, Completed, Event, Rejected
from .model.scenario import Scenario
from .model.stack import Progress
from .scoring.harm import harm_of
from .scoring.record import CommandRecord, Record, record_of
from .session import DrillSession

MOST = 8
"""Commands that are looked at."""

Make = Callable[[], DrillSession]
"""Makes a session of the same scenario and seed, not yet started."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """The marginal harm of one command, in dollars: what the drill costs without it less what it cost. Negative: it did harm."""

    command: CommandRecord
    saved: float


def counterfactuals(events: Sequence[Event], scenario: Scenario, make: Make, progress: Progress) -> tuple[Counterfactual, ...]:
    """Leave each of the costliest commands out, one at a time, and replay the others open-loop, at their times.

    A command that becomes inapplicable is rejected then, and costs nothing. Commands that changed nothing have no effect to find.
    """
    record = record_of(events)
    chosen = costliest(events, record, scenario)
    with_all = harm_of(record.ledger, scenario.world.prices).total
    found = []
    for number, command in enumerate(chosen):
        progress("replaying without each action", (number + 0.5) / len(chosen))
        found.append(Counterfactual(command, harm_without(command, record.commands, scenario, make()) - with_all))
    return tuple(found)


def harm_without(
    left_out: CommandRecord | None, commands: Iterable[CommandRecord], scenario: Scenario, session: DrillSession
) -> float:
    """Harm in dollars of a drill in which the commands are given at their times, but for one."""
    rest = [one for one in commands if one is not left_out]
    session.start(_silent)
    place = 0
    while not session.over:
        while place < len(rest) and rest[place].at <= session.now:
            session.submit(rest[place].action, rest[place].params, rest[place].actor)
            place += 1
        session.advance()
    return harm_of(record_of(session.events()).ledger, scenario.world.prices).total


def costliest(events: Iterable[Event], record: Record, scenario: Scenario) -> list[CommandRecord]:
    """The commands that changed the service, at most `MOST`: those followed by the most harm until the next of them."""
    effective = _effective(events)
    chosen = [one for one in record.commands if (one.actor, one.number) in effective]
    if len(chosen) <= MOST:
        return chosen
    ends = [one.at for one in chosen[1:]] + [record.until]
    followed = [
        _harm_at(record, scenario, end) - _harm_at(record, scenario, one.at) for one, end in zip(chosen, ends, strict=True)
    ]
    places = sorted(sorted(range(len(chosen)), key=lambda place: -followed[place])[:MOST])
    return [chosen[place] for place in places]


def _effective(events: Iterable[Event]) -> set[tuple[str, int]]:
    """Which commands changed the desired state: their changes come just before they complete."""
    found, changed_by = set(), set()
    for event in events:
        match event.body:
            case Changed(_, _, _, by):
                changed_by.add(by)
            case Completed(actor, number):
                if actor in changed_by:
                    found.add((actor, number))
                changed_by.clear()
            case Accepted() | Rejected():
                changed_by.clear()
    return found


def _harm_at(record: Record, scenario: Scenario, at: float) -> float:
    """Dollars up to the last observation at or before a time."""
    ledger = next((point.ledger for point in reversed(record.points) if point.at <= at), record.ledger)
    return harm_of(ledger, scenario.world.prices).total


def _silent(_step: str, _done: float) -> None:
    """Nobody looks at the progress of a replay's warm-up."""
