"""A person at a session in plain lines: what happens is printed as it comes, what is typed is done."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Protocol

import click

from ..model.errors import StackError, UsageError
from ..model.events import Alerted, Changed, Event, Observed
from ..model.units import format_clock
from ..model.views import Cell
from ..reports.plain import event_line, status_line
from ..session import Phase, Session, Snapshot
from .listing import table
from .loop import parse_speed
from .orders import Order, OrderError, parse_order
from .output import mute, say
from .terminal import ConsoleProgress
from .typed import TypedLines

WAIT = 0.05
"""Seconds of the wall clock that it waits at once for something to happen."""
LAST = 10
"""Lines of a log that are shown."""


class Frames(Protocol):
    """What happens in a session, as it comes."""

    closed: bool

    def next(self, wait: float) -> tuple[Snapshot, list[Event]] | None:
        """The next frame; None if there is none within `wait` wall seconds."""


class HangUp:
    """Whether the terminal is gone."""

    def __init__(self) -> None:
        self.came = False

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """A handler of SIGHUP: there is nobody to print for any more."""
        self.came = True
        mute()


class Console:
    """Follows a session until its drill is over, or until the person leaves.

    Args:
        session: that is followed.
        frames: of it.
        show: prints an event.
        typed: lines of the person.
        progress: told of the bring-up, and closed when that is over.
        gone: whether there is nobody any more who could see anything.
        alone: whether nobody else plays, so that nobody else can end a pause.
    """

    def __init__(
        self,
        session: Session,
        frames: Frames,
        show: Callable[[Event], object],
        typed: TypedLines,
        progress: ConsoleProgress,
        gone: Callable[[], bool] = lambda: False,
        *,
        alone: bool = True,
    ) -> None:
        self._session = session
        self._frames = frames
        self._show = show
        self._typed: TypedLines | None = typed
        self._progress = progress
        self._gone = gone
        self._alone = alone
        self._left = False
        self._phase = Phase.NEW

    def follow(self) -> bool:
        """Print and obey; whether the drill is over, and not only left.

        Raises:
            StackError: the stack could not be brought up, or broke, or the host is gone.
        """
        while not (self._left or self._gone() or self._frames.closed):
            self._take(self._frames.next(WAIT))
            line = self._typed.next(0.0) if self._typed is not None and self._phase is not Phase.NEW else None
            if line is not None:
                self._obey(line)
            elif self._typed is not None and self._typed.lost:
                self._left = True
            elif self._typed is not None and self._typed.closed and not self._gone():
                self._nobody_types()
        return self._frames.closed

    def _nobody_types(self) -> None:
        """Nobody can give up, or end a pause, any more: the drill takes its course to its end."""
        self._typed = None
        if not self._alone:
            return
        say("  nothing more can be typed; the drill goes on")
        if self._session.snapshot().phase is Phase.PAUSED:
            self._do(Order(word="resume"))

    def _take(self, frame: tuple[Snapshot, list[Event]] | None) -> None:
        if frame is None:
            return
        snapshot, events = frame
        self._phase = snapshot.phase
        if snapshot.phase is not Phase.NEW:
            self._progress.close()
        elif snapshot.bringing_up:
            self._progress(snapshot.bringing_up, snapshot.done)
        for event in events:
            self._show(event)
        if snapshot.error:
            raise StackError(snapshot.error)

    def _obey(self, line: str) -> None:
        try:
            order = parse_order(line, self._session.catalogue().actions)
            self._do(order)
        except (OrderError, UsageError) as error:
            say(f"  ? {error}")

    def _do(self, order: Order) -> None:
        session = self._session
        if order.action:
            session.submit(order.action, order.params)
        elif order.word in ("pause", "resume"):
            session.control(pause=order.word == "pause")
            say(f"  {order.word}d")
        elif order.word == "speed":
            try:
                speed = parse_speed(None, None, order.text)
            except click.BadParameter as error:
                raise UsageError(error.message) from None
            session.control(speed=speed)
            say(f"  {speed:g}x")
        elif order.word == "quit":
            session.abort()
        elif order.word == "detach":
            self._left = True
        elif order.word in VIEWS:
            for shown in VIEWS[order.word](session, order.text) or ["nothing yet"]:
                say(f"  {shown}")
        elif order.text:
            say(order.text)


@contextmanager
def noticing_hang_up() -> Iterator[HangUp]:
    """While it lasts, the loss of the terminal is noted, and ends nothing."""
    hang_up = HangUp()
    before = signal.signal(signal.SIGHUP, hang_up.note)
    try:
        yield hang_up
    finally:
        with suppress(ValueError, TypeError):
            signal.signal(signal.SIGHUP, before)


def status(session: Session, _text: str = "") -> list[str]:
    """The last observation."""
    prices = session.snapshot().prices
    return [status_line(event, prices) for event in session.events() if isinstance(event.body, Observed)][-1:]


def alerts(session: Session, _text: str = "") -> list[str]:
    """What is firing now, as it was told."""
    return [event_line(event) or f"{name} firing (silenced)" for name, event in _firing(session)]


def firing(session: Session) -> list[str]:
    """The names of what is firing now."""
    return [name for name, _ in _firing(session)]


def _firing(session: Session) -> list[tuple[str, Event]]:
    latest: dict[tuple[str, ...], tuple[str, Event]] = {}
    for event in session.events():
        if isinstance(event.body, Alerted):
            key = (event.body.name, *(f"{name}={value}" for name, value in sorted(event.body.labels.items())))
            latest.pop(key, None)
            if event.body.state == "firing":
                latest[key] = (event.body.name, event)
    return list(latest.values())


def _logs(session: Session, text: str) -> list[str]:
    """The last log lines that hold a text."""
    lines = session.logs(text=text)[-LAST:]
    return [f"[{format_clock(line.when)}] {line.component} {line.severity}: {line.text}" for line in lines]


def _changes(session: Session, text: str) -> list[str]:
    """The last changes, by the beginning of the field's name."""
    return [f"[{format_clock(entry.at)}] {_changed(entry.change)}" for entry in session.changes(field=text)[-LAST:]]


def _changed(change: Changed) -> str:
    by = f"{change.by}: {change.why}" if change.why else change.by
    return f"{change.field} {change.before} -> {change.after} ({by})"


def _look(session: Session, text: str) -> list[str]:
    """A view of what is behind the metrics, as a table."""
    view, _, subject = text.partition(" ")
    found = session.look(view, subject.strip())
    rows = [[_cell(cell) for cell in row] for row in found.rows]
    facts = [f"{name}: {_cell(value)}" for name, value in found.facts.items()]
    return [found.title, *table([list(found.columns), *rows]).splitlines(), "; ".join(facts)]


def _cell(value: Cell) -> str:
    return "-" if value is None else str(value)


VIEWS: Mapping[str, Callable[[Session, str], Sequence[str]]] = {
    "status": status,
    "logs": _logs,
    "changes": _changes,
    "look": _look,
    "alerts": alerts,
}
"""What a person can look at by typing a word."""
