"""`drillbox attach`: back to a drill that goes on without a terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..model.events import Audience, Event, Injected, Observed
from ..model.units import format_clock
from ..reports.plain import fault_params_text
from .console import alerts, status
from .output import say
from .play import printer, show_result
from .playing import conclude
from .terminal import console_progress

if TYPE_CHECKING:
    from ..api.client import RemoteSession
    from .wiring import SessionMaker

RECENT = 60.0
"""Seconds of drill time whose events are shown first."""


@click.command("attach")
@click.argument("session", default="")
@click.option("--facilitator", is_flag=True, help="Show what the operator must not see: the injected faults.")
@click.pass_obj
def attach_command(wiring: SessionMaker, session: str, facilitator: bool) -> int:
    """Come back to a running drill. SESSION may be left out if there is only one; `drillbox status` lists them.

    Ctrl-C and `detach` leave it; it goes on.

    \b
    Examples:
      drillbox attach
      drillbox attach monday-rush-you-1
    """
    from ..api.client import RemoteSession
    from ..api.folders import find
    from .remote import LEAVE, stay, tell_how_to_come_back

    info = find(session)
    token = info.token() if facilitator else ""
    progress = console_progress()
    try:
        with closing(RemoteSession(info, token)) as remote:
            after = _catch_up(remote)
            show = _printer(remote, facilitator=facilitator)
        over = stay(info, show, progress, interrupt=LEAVE, after=after, token=token)
    except KeyboardInterrupt:  # before it was looked out for
        over = False
    if not over:
        return tell_how_to_come_back(info)
    result = conclude(wiring, Path(info.journal), progress, explain=True)
    progress.close()
    show_result(result)
    return int(result.exit_code)


def _catch_up(remote: RemoteSession) -> int:
    """Show where the drill stands; gives the number of the last event before what happened lately."""
    now = remote.snapshot()
    where = f"{format_clock(now.now)} of {format_clock(now.duration)}"
    say(f"{now.title} ({remote.info.name}), {where} at {now.speed:g}x, {now.phase.value}")
    for line in (*alerts(remote), *status(remote)):
        say(line)
    say("")
    before = [event.number for event in remote.events() if event.at < now.now - RECENT]
    return before[-1] if before else -1


def _printer(remote: RemoteSession, *, facilitator: bool) -> Callable[[Event], object]:
    show = printer(say, remote.snapshot().prices)
    if not facilitator:
        return show

    def show_all(event: Event) -> None:
        if event.audience is not Audience.ALL and not isinstance(event.body, Observed):
            say(f"[{format_clock(event.at)}] FAULT {_fault(event)}")
        show(event)

    return show_all


def _fault(event: Event) -> str:
    body = event.body
    if isinstance(body, Injected):
        return f"{body.fault} {fault_params_text(body.fault, body.params)} ({body.beat})"
    return f"over: {getattr(body, 'beat', '')}"
