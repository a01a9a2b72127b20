"""`drillbox attach`: back to a drill that goes on without a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import click

from ..model.errors import DrillboxError, UsageError
from ..model.events import Cleared, Event, Injected, Role
from ..model.units import format_clock
from ..paths import home
from ..reports.plain import fault_params_text
from ..session import Phase, Snapshot
from .completion import SESSIONS
from .console import alerts, status
from .output import has_screen, say
from .play import printer, show_end
from .reaching import CHOSEN
from .terminal import console_progress

if TYPE_CHECKING:
    from ..api.client import RemoteSession
    from ..api.folders import SessionInfo
    from .wiring import SessionMaker

RECENT = 60.0
"""Seconds of drill time whose events are shown first."""
JOURNALS = 3
"""Journals that are named where no drill runs."""
PATIENCE = 2.0
"""Wall seconds that a host has to say whether its drill is over, where there is a choice."""


@click.command("attach")
@click.argument("session", default="", shell_complete=SESSIONS)
@click.option("--plain", is_flag=True, help="Plain lines, no terminal UI.")
@click.option("--facilitator", is_flag=True, help="Show what the operator must not see: the injected faults.")
@click.pass_obj
def attach_command(wiring: SessionMaker, session: str, plain: bool, facilitator: bool) -> int:
    """Come back to a running drill. SESSION may be left out if there is only one; `drillbox status` lists them.

    In a terminal it opens the terminal UI. With --plain, for a facilitator, or without a terminal it shows in lines where the
    drill stands and what happened in the last minute, and goes on as `play` does. Ctrl-C and `detach` only leave: the drill
    goes on. Lines are also read from a pipe.

    \b
    Examples:
      drillbox attach
      drillbox attach monday-rush-you-1 --plain
      printf 'declare\\ndetach\\n' | drillbox attach
    """
    from ..api.client import RemoteSession
    from .remote import LEAVE, stay, tell_how_to_come_back, way_back

    info = _choose(session)
    if has_screen() and not (plain or facilitator):
        return wiring.cockpit(attach=info.name)
    token = info.token() if facilitator else ""
    progress = console_progress()
    screen = _Screen()
    try:
        with closing(RemoteSession(info, token)) as remote:
            now = remote.snapshot()
            try:
                after = _catch_up(remote, now, screen)
            except UsageError as error:  # of stdout
                error.add_note(way_back(info))
                raise
        show = printer(screen, now.prices)
        if facilitator:
            show = _with_faults(show, screen)
        over = stay(info, show, progress, on_interrupt=LEAVE, after=after, token=token, gone=lambda: screen.gone)
    except KeyboardInterrupt:
        say("")
        over = False
    return show_end(wiring, info, progress) if over else tell_how_to_come_back(info)


class _Screen:
    """Prints, and notes when nobody reads it any more, as behind `| head`."""

    def __init__(self) -> None:
        self.gone = False

    def __call__(self, text: str) -> None:
        """Print a line."""
        self.gone |= not say(text)


def _choose(name: str) -> SessionInfo:
    """The session of a name; without one the only one, the only one whose drill is not over, or the environment's choice.

    Raises:
        UsageError: there is none, or several.
    """
    from ..api.folders import find, sessions

    found = [] if name else [info for info in sessions() if not _is_over(info)]
    chosen = [info for info in found if info.name == os.environ.get(CHOSEN)]
    if len(found) == 1 or chosen:
        return (chosen or found)[0]
    try:
        return find(name)
    except UsageError as error:
        _name_journals(error)
        raise


def _is_over(info: SessionInfo) -> bool:
    from .remote import peek

    try:
        return peek(info, PATIENCE).phase is Phase.ENDED
    except DrillboxError:
        return False


def _name_journals(error: UsageError) -> None:
    """Where no drill runs, the last ones may be what is looked for."""
    from ..api.folders import sessions

    if sessions():
        return
    drills = [(path.stat().st_mtime, path) for path in (home() / "drills").glob("*.jsonl")]
    last = [path for _, path in sorted(drills, reverse=True)[:JOURNALS]]
    if last:
        error.add_note("the last drills are told by:")
    for path in last:
        error.add_note(f"  drillbox report {path}")


def _catch_up(remote: RemoteSession, now: Snapshot, echo: Callable[[str], object]) -> int:
    """Show where the drill stands; gives the number of the last event before what happened lately."""
    if now.phase is Phase.NEW:
        echo(f"{now.title} ({remote.info.name}) is being brought up")
        return -1
    where = f"{format_clock(now.now)} of {format_clock(now.duration)}"
    echo(f"{now.title} ({remote.info.name}): {where} at {now.speed:g}x, {now.phase.value}")
    firing = alerts(remote)
    for line in (*status(remote), "", *(["firing:", *firing] if firing else ["nothing is firing"]), ""):
        echo(line)
    before = [event for event in remote.events(role=Role.FACILITATOR) if event.at < now.now - RECENT]
    for line in filter(None, map(_fault_line, before)):  # none but for a facilitator
        echo(line)
    echo("the last minute:")
    return before[-1].number if before else -1


def _with_faults(show: Callable[[Event], None], echo: Callable[[str], object]) -> Callable[[Event], None]:
    """Print the injector's work, too."""

    def show_all(event: Event) -> None:
        text = _fault_line(event)
        if text:
            echo(text)
        show(event)

    return show_all


def _fault_line(event: Event) -> str:
    """A line for the injector's work; empty for anything else."""
    match event.body:
        case Injected(beat, fault, params):
            return f"[{format_clock(event.at)}] " + f"FAULT {fault} {fault_params_text(fault, params)}".rstrip() + f" ({beat})"
        case Cleared(beat):
            return f"[{format_clock(event.at)}] FAULT over ({beat})"
    return ""
