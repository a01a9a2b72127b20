"""Replay: a journal's commands once more, at the same drill times, and the first event that differs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from .engine import TOO_LATE
from .journal import Journal, encode
from .model.errors import StackError
from .model.events import Accepted, Body, Cleared, Completed, Ended, Event, Failed, Injected, Rejected, Role
from .model.stack import Progress
from .session import DrillSession


def replay(session: DrillSession, events: Sequence[Event], progress: Progress) -> Sequence[Event]:
    """Play the commands of `events` on a new session of the same scenario and seed, as far as the events go.

    Returns:
        All events of the new drill.
    """
    commands = [(event.at, event.body) for event in events if isinstance(event.body, Accepted | Rejected)]
    reason = events[-1].body.reason if events and isinstance(events[-1].body, Ended) else ""
    last = events[-1].at if events else 0.0
    session.start(progress)
    place = 0
    # A journal that breaks off may hold a part of what happened at its last moment: that moment is played in full.
    while not session.over and (reason == "finished" or session.now < last or (not reason and session.now == last)):
        while place < len(commands) and commands[place][0] <= session.now:
            body = commands[place][1]
            session.submit(body.action, body.params, body.actor)
            place += 1
        session.advance()
        progress(f"replaying {session.scenario.id}", min(1.0, session.now / last) if last > 0 else 1.0)
    if not session.over:
        rest = [body for _, body in commands[place:]]
        if session.now == last and any(_is_of_a_step(event) for event in events if event.at == last):
            # An interruption, or a broken stack, ended the drill within this step: its first half was played.
            _submit(session, [body for body in rest if not _is_too_late(body)])
            with suppress(StackError):  # what broke the drill may do so again; its events are out by then
                session.take_step()
            rest = [body for body in rest if _is_too_late(body)]
        _submit(session, rest)  # asked for after the last step that was played
        session.end(reason or "interrupted")
    return session.events(role=Role.FACILITATOR)


def _submit(session: DrillSession, commands: Sequence[Accepted | Rejected]) -> None:
    for command in commands:
        session.submit(command.action, command.params, command.actor)


def _is_of_a_step(event: Event) -> bool:
    """Whether only the first half of a step can have brought this about: neither an observation nor the drill's end."""
    return isinstance(event.body, Injected | Cleared | Accepted | Completed | Rejected | Failed) and not _is_too_late(event.body)


def _is_too_late(body: Body) -> bool:
    return isinstance(body, Rejected | Failed) and body.reason == TOO_LATE


def first_difference(old: Journal, new: Sequence[Event]) -> tuple[int, Event | None, Event | None] | None:
    """The first event that differs, as (number, in the journal, in the replay); None if all are equal.

    A journal that breaks off is compared as far as it goes.
    """
    for number, then in enumerate(old.events):
        now = new[number] if number < len(new) else None
        if now is None or encode(then) != encode(now):
            return number, then, now
    if old.complete and len(new) > len(old.events):
        return len(old.events), None, new[len(old.events)]
    return None
