"""`drillbox down`: end drills and clear up what they, or hosts that died, left on the machine."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from ..clock import Clock, WallClock
from ..model.errors import DrillboxError, Exit, UsageError, nearest
from .output import say, tell

if TYPE_CHECKING:
    from ..api.folders import SessionInfo
    from ..model.housekeeping import Housekeeping, Leftover
    from .wiring import SessionMaker

PATIENCE = 20.0
"""Wall seconds that a host has to end its drill and take its stack down."""
GOING = 10.0
"""Wall seconds that it has to go, once nothing of its stack is left."""
_ANSWER, _LOOK = 2.0, 0.02


@click.command("down")
@click.argument("sessions", nargs=-1)
@click.option("--stack", default="", help="Only what is of this stack; otherwise of all.")
@click.option("--force", is_flag=True, help="Kill a host that does not end its drill when it is asked.")
@click.pass_obj
def down_command(wiring: SessionMaker, sessions: tuple[str, ...], stack: str, force: bool) -> int:
    """End drills, and remove what they left behind.

    Without names it is for all sessions, drills as well as services that `drillbox up` brought up, and for all clusters, also
    those of `drillbox cluster up`. What a stack calls a session will do as a name, too: `drillbox status` shows both. Running
    drills are aborted first. Then, whatever became of their hosts: what faults changed is undone, and processes, cgroups and
    files of the session are removed. It looks whether anything is left, and can be repeated. Journals are never removed, and
    nothing is touched that is not the session's.

    \b
    Examples:
      drillbox down                          end everything
      drillbox down --stack local            only what runs as processes on this machine
      drillbox down flash-crowd-you-1        one session
      drillbox down --force                  even if a host hangs

    \b
    Exit codes: 0 nothing is left, 2 there is no such stack, or a name is misspelt, 3 something stays: it is named on stderr.
    """
    keepers = _keepers(wiring, stack)
    names = _names(sessions, stack, keepers)
    silent = _end_hosts(names, stack)
    left: list[Leftover] = []
    for keeper in keepers.values():
        left += keeper.down(names, _tell, force=force)
    for one in left:
        for thing in one.things if one.host is None else one.things[:1]:  # the rest goes with a host
            tell(f"drillbox: {one.session}: still there: {thing}")
    silent = _still_there(silent)  # one that was killed meanwhile does not live, one that took its time has
    for info in silent:
        tell(f"drillbox: {info.name}: its host did not end its drill within {PATIENCE:g} s")
    if left or silent:
        return int(Exit.STACK)
    say("Nothing is left.")
    return int(Exit.PASSED)


def _tell(text: str) -> None:
    """What was done is what the command was asked for: data, not a diagnostic."""
    say(text)


def _keepers(wiring: SessionMaker, stack: str) -> dict[str, Housekeeping]:
    """The housekeeping of a stack, or of all that have any."""
    known = wiring.housekeeping()
    if stack and stack not in known:  # else there is no need to know of others
        names = {*known, *wiring.stacks()}
        if stack not in names:
            raise UsageError(f"unknown stack {stack!r}; {nearest(stack, names)}")
    return {name: keeper for name, keeper in known.items() if stack in ("", name)}


def _names(sessions: Sequence[str], stack: str, keepers: dict[str, Housekeeping]) -> set[str]:
    """Those that are meant. One that is not there is down; but a slip of the pen is told.

    What a host calls its session and what the stack calls it are two names of one thing: either will do.
    """
    from ..api.folders import sessions as running

    hosts = {info.name: info.pid for info in running() if stack in ("", info.stack)}
    played = {one.session: one.host for keeper in keepers.values() for one in keeper.leftovers()}
    known = {*hosts, *played}
    for name in sessions:
        if name not in known and (close := difflib.get_close_matches(name, known, n=1, cutoff=0.8)):
            raise UsageError(f"there is no session {name!r}; did you mean {close[0]!r}?")
        if name not in known:
            tell(f"note: there is no session {name}")
    if not sessions:
        return known
    meant = {number for names in (hosts, played) for name, number in names.items() if name in sessions} - {None}
    return set(sessions) | {name for names in (hosts, played) for name, number in names.items() if number in meant}


def _end_hosts(names: set[str], stack: str) -> list[SessionInfo]:
    """End drills that run, all at once, and have their hosts go; those that stay."""
    from ..api.folders import sessions as running

    clock = WallClock()
    deadline = clock.now() + PATIENCE
    meant = [info for info in running() if info.name in names and stack in ("", info.stack)]
    asked = [(info, _ask(info, clock, deadline)) for info in meant]
    silent = []
    for info, heard in asked:
        while heard and info.folder.exists() and clock.now() < deadline:
            clock.sleep(_LOOK)
        if info.folder.exists():
            silent.append(info)
        else:
            say(f"{info.name}: {'ended' if info.incident else 'taken down'}; journal: {info.journal}")
    return silent


def _still_there(hosts: list[SessionInfo]) -> list[SessionInfo]:
    """Those that do not go, now that nothing is left to be taken down."""
    clock = WallClock()
    deadline = clock.now() + GOING
    while any(info.folder.exists() for info in hosts) and clock.now() < deadline:
        clock.sleep(_LOOK)
    return [info for info in hosts if info.folder.exists()]


def _ask(info: SessionInfo, clock: Clock, deadline: float) -> bool:
    """Ask a host to end its drill and to go; whether it has heard. One that is busy is asked again."""
    from ..api.client import RemoteSession

    trouble: DrillboxError | None = None
    while clock.now() < deadline:
        try:
            with closing(RemoteSession(info, timeout=_ANSWER)) as session:
                session.down()
        except DrillboxError as error:
            if not info.folder.exists():  # it went by itself
                return True
            trouble = error
        else:
            return True
        clock.sleep(_LOOK)
    tell(f"note: {info.name}: {trouble}")
    return False
