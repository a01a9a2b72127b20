"""The loop of an interactive drill: steps when they are due, typed lines as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import click

from ..clock import Pacer, WallClock
from ..engine import STEP
from ..model.events import Alerted, Observed
from ..model.units import format_clock
from ..reports.plain import event_line, status_line
from ..session import DrillSession
from .orders import Order, OrderError, parse_order
from .output import say
from .playing import Prepared
from .typed import TypedLines

LONGEST_WAIT = 0.1
"""Seconds of the wall clock that the loop waits at most for a typed line."""
FASTEST = 600.0
LAST = 10
"""Lines of a log that are shown."""


def parse_speed(_ctx: click.Context | None, _param: click.Parameter | None, raw: str) -> float:
    """`10x` or `10`, from 1x to 600x."""
    try:
        speed = float(raw.strip().lower().removesuffix("x"))
    except ValueError:
        raise click.BadParameter(f"{raw!r} is not a speed: write 1x to 600x") from None
    if not 1.0 <= speed <= FASTEST:
        raise click.BadParameter(f"{raw!r} is out of bounds: 1x to 600x")
    return speed


class Loop:
    """Plays steps when they are due and typed lines as they come."""

    def __init__(self, prepared: Prepared, speed: float, typed: TypedLines | None = None) -> None:
        """With `typed` a person plays, else the operator of the drill, if it has one."""
        self._session = prepared.session
        self._operator = prepared.operator
        self._clock = WallClock()
        self._typed = typed
        self._pacer = Pacer(self._clock, speed)
        self._pacer.delay(self._session.now)
        self._paused = False
        self._session.control(speed=speed)

    def run(self) -> None:
        """Until the drill is over."""
        while not self._session.over:
            delay = LONGEST_WAIT if self._paused else self._pacer.delay(self._session.now + STEP)
            line = self._next(min(delay, LONGEST_WAIT))
            if line is not None:
                self._obey(line)
            elif not self._paused and delay <= LONGEST_WAIT:
                self._session.advance(self._operator)

    def _next(self, wait: float) -> str | None:
        """The next typed line; None after `wait` seconds."""
        if self._typed is None:
            self._clock.sleep(wait)
            return None
        line = self._typed.next(wait)
        if line is None and self._typed.closed:
            self._nobody_types()
        return line

    def _nobody_types(self) -> None:
        """Nobody can give up, or end a pause, any more: the drill takes its course to its end."""
        self._typed = None
        say("  nothing more can be typed; the drill goes on")
        if self._paused:
            self._do(Order(word="resume"))

    def _obey(self, line: str) -> None:
        try:
            order = parse_order(line, self._session.catalogue().actions)
        except OrderError as error:
            say(f"  ? {error}")
            return
        self._do(order)

    def _do(self, order: Order) -> None:
        session = self._session
        if order.action:
            session.submit(order.action, order.params)
        elif order.word in ("pause", "resume"):
            self._paused = order.word == "pause"
            session.control(pause=self._paused)
            self._pacer.restart()
            say(f"  {order.word}d")
        elif order.word == "speed":
            try:
                speed = parse_speed(None, None, order.text)
            except click.BadParameter as error:
                say(f"  ? {error.message}")
                return
            self._pacer.set_speed(speed)
            session.control(speed=speed)
            say(f"  {speed:g}x")
        elif order.word == "quit":
            session.end("aborted")
        elif order.word in VIEWS:
            for shown in VIEWS[order.word](session, order.text) or ["nothing yet"]:
                say(f"  {shown}")
        elif order.text:
            say(order.text)


def _status(session: DrillSession, _text: str) -> list[str]:
    """The last observation."""
    prices = session.scenario.world.prices
    return [status_line(event, prices) for event in session.events() if isinstance(event.body, Observed)][-1:]


def _logs(session: DrillSession, text: str) -> list[str]:
    """The last log lines that hold a text."""
    lines = session.logs(text=text)[-LAST:]
    return [f"[{format_clock(line.when)}] {line.component} {line.severity}: {line.text}" for line in lines]


def _changes(session: DrillSession, text: str) -> list[str]:
    """The last changes, by the beginning of the field's name."""
    return [
        f"[{format_clock(entry.at)}] {entry.change.field} {entry.change.before} -> {entry.change.after} ({entry.change.by})"
        for entry in session.changes(field=text)[-LAST:]
    ]


def _alerts(session: DrillSession, _text: str) -> list[str]:
    """What is firing now."""
    latest: dict[tuple[str, ...], str] = {}
    for event in session.events():
        if isinstance(event.body, Alerted):
            key = (event.body.name, *(f"{name}={value}" for name, value in sorted(event.body.labels.items())))
            latest.pop(key, None)
            if event.body.state == "firing":
                latest[key] = event_line(event) or f"{event.body.name} firing (silenced)"
    return list(latest.values())


VIEWS: Mapping[str, Callable[[DrillSession, str], Sequence[str]]] = {
    "status": _status,
    "logs": _logs,
    "changes": _changes,
    "alerts": _alerts,
}
"""What a person can look at by typing a word."""
