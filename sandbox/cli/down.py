"""`drillbox down`: end drills and clear up what they, or hosts that died, left on the machine."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from ..clock import WallClock
from ..model.errors import DrillboxError, Exit, UsageError, nearest
from .output import say, tell

if TYPE_CHECKING:
    from ..api.folders import SessionInfo
    from ..model.housekeeping import Housekeeping, Leftover
    from .wiring import SessionMaker

PATIENCE = 10.0
"""Wall seconds that a host has to end its drill and take its stack down."""
_ANSWER, _LOOK = 2.0, 0.05


@click.command("down")
@click.argument("sessions", nargs=-1)
@click.option("--stack", default="", help="Only what is of this stack; otherwise of all.")
@click.option("--force", is_flag=True, help="Kill a host that does not end its drill when it is asked.")
@click.pass_obj
def down_command(wiring: SessionMaker, sessions: tuple[str, ...], stack: str, force: bool) -> int:
    """End drills, and remove what they left behind.

    Without names it is for all sessions. Running drills are aborted first. Then, whatever became of their hosts: what faults
    changed is undone, and processes, cgroups and files of the session are removed. It looks whether anything is left, and can be
    repeated. Journals are never removed, and nothing is touched that is not the session's.

    \b
    Examples:
      drillbox down                          end everything
      drillbox down --stack local            only what runs as processes on this machine
      drillbox down flash-crowd-you-1        one session
      drillbox down --force                  even if a host hangs

    \b
    Exit codes: 0 nothing is left, 2 there is no such stack or session, 3 something stays: it is named on stderr.
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
    silent = _still_there(silent)
    for name in silent:
        tell(f"drillbox: {name}: its host did not end its drill within {PATIENCE:g} s")
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
    names = {*known, *wiring.stacks()}
    if stack and stack not in names:
        raise UsageError(f"unknown stack {stack!r}; {nearest(stack, names)}")
    return {name: keeper for name, keeper in known.items() if stack in ("", name)}


def _names(sessions: Sequence[str], stack: str, keepers: dict[str, Housekeeping]) -> set[str]:
    """Those that are meant. One that is not there is down; but a slip of the pen is told."""
    from ..api.folders import sessions as running

    known = {info.name for info in running() if stack in ("", info.stack)}
    known |= {one.session for keeper in keepers.values() for one in keeper.leftovers()}
    for name in sessions:
        if name not in known and (close := difflib.get_close_matches(name, known, n=1, cutoff=0.8)):
            raise UsageError(f"there is no session {name!r}; did you mean {close[0]!r}?")
        if name not in known:
            tell(f"note: there is no session {name}")
    return set(sessions) | _played(sessions, keepers) if sessions else known


def _played(sessions: Sequence[str], keepers: dict[str, Housekeeping]) -> set[str]:
    """What stacks call the sessions that living hosts of these names play."""
    from ..api.folders import sessions as running

    hosts = {info.pid for info in running() if info.name in sessions}
    return {one.session for keeper in keepers.values() for one in keeper.leftovers() if one.host in hosts}


def _end_hosts(names: set[str], stack: str) -> list[str]:
    """Abort the drills that run; the names of those that go on."""
    from ..api.folders import sessions as running

    silent = []
    for info in running():
        if info.name in names and stack in ("", info.stack):
            if _abort(info):
                say(f"{info.name}: aborted; journal: {info.journal}")
            else:
                silent.append(info.name)
    return silent


def _still_there(names: Sequence[str]) -> list[str]:
    """Those whose hosts live; one that was killed meanwhile does not."""
    from ..api.folders import sessions as running

    living = {info.name for info in running()}
    return [name for name in names if name in living]


def _abort(info: SessionInfo) -> bool:
    """Abort a drill; whether it has ended."""
    from ..api.client import RemoteSession
    from ..session import Phase

    clock = WallClock()
    deadline = clock.now() + PATIENCE
    try:
        with closing(RemoteSession(info, timeout=_ANSWER)) as session:
            if session.snapshot().phase is not Phase.ENDED:
                session.abort()
            while clock.now() < deadline:
                if session.snapshot().phase is Phase.ENDED:
                    return True
                clock.sleep(_LOOK)
    except DrillboxError as error:
        if not info.folder.exists():  # it went by itself
            return True
        tell(f"note: {info.name}: {error}")
    return False
