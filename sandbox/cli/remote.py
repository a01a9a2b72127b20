"""A terminal at a hosted session: `play` starts one and stays with it, `attach` comes back to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from ..api.client import RemoteSession
from ..api.folders import SessionInfo
from ..clock import WallClock
from ..model.errors import DrillboxError, Exit, StackError
from ..model.events import Event
from .console import Console, noticing_hang_up
from .output import say, tell
from .terminal import ConsoleProgress
from .typed import TypedLines

if TYPE_CHECKING:
    from ..session import Snapshot

LEAVE, END = "leave", "end"
"""What Ctrl-C means: `attach` leaves, `play` ends the drill."""
PATIENCE = 5.0
"""Wall seconds that an ended drill's host has to tell of the end, and again to go."""
_LOOK = 0.05
_ALL = 2**53
"""More than the number of any event."""


def stay(
    info: SessionInfo,
    show: Callable[[Event], object],
    progress: ConsoleProgress,
    *,
    on_interrupt: str,
    after: int = -1,
    token: str = "",
    gone: Callable[[], bool] = lambda: False,
) -> bool:
    """Stay at a session; whether its drill is over, and not only left.

    Args:
        info: of the session.
        show: prints an event.
        progress: of the bring-up.
        on_interrupt: what Ctrl-C means.
        after: the number of the last event that need not be shown.
        token: of a facilitator.
        gone: whether there is nobody to print for any more.

    Raises:
        StackError: the host is gone, or the stack could not be brought up, or broke.
        UsageError: stdout cannot be written.
        KeyboardInterrupt: the person has ended the drill by Ctrl-C.
    """
    try:
        with noticing_hang_up() as hang_up, closing(RemoteSession(info, token)) as session, session.stream(after) as frames:
            console = Console(
                session,
                frames,
                show,
                TypedLines(sys.stdin.fileno()),
                progress,
                lambda: hang_up.came or gone(),
                alone=on_interrupt == END,
            )
            try:
                return console.follow()
            except DrillboxError as error:
                if hang_up.came or gone():
                    return False  # it may be that only the terminal could not be written
                error.add_note(f"journal: {info.journal}" if isinstance(error, StackError) else way_back(info))
                raise
    except KeyboardInterrupt as stop:
        progress.close()
        if on_interrupt == LEAVE:
            raise
        stop.add_note(f"journal: {info.journal}")
        tell("\nending the drill ...")  # beside a ^C
        interrupt(info)
        raise
    finally:
        progress.close()


def tell_how_to_come_back(info: SessionInfo) -> int:
    """The drill goes on without this terminal."""
    say(way_back(info))
    return int(Exit.PASSED)


def peek(info: SessionInfo, patience: float) -> Snapshot:
    """The present state of a session, from a host that need not be there, or answer.

    Raises:
        StackError: it is not, or does not within `patience` wall seconds.
    """
    with closing(RemoteSession(info, timeout=patience)) as session:
        return session.snapshot()


def way_back(info: SessionInfo) -> str:
    """What to tell who leaves."""
    return f"the drill goes on; come back with: drillbox attach {info.name}"


def interrupt(info: SessionInfo, patience: float = PATIENCE) -> None:
    """End the drill as interrupted; wait until that is written down and the host is gone, for `patience` wall seconds each."""
    clock = WallClock()
    with suppress(DrillboxError), closing(RemoteSession(info)) as session:  # it may have ended by itself a moment ago
        session.abort("interrupted")
        with session.stream(_ALL) as frames:
            began = clock.now()
            while not frames.closed and clock.now() - began < patience:
                frames.next(_LOOK)
    began = clock.now()
    while info.folder.exists() and clock.now() - began < patience:
        clock.sleep(_LOOK)
