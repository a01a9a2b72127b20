"""A terminal at a hosted session: `play` starts one and stays with it, `attach` comes back to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from ..model.errors import DrillboxError, Exit
from ..model.events import Event
from .console import Console, HangUpError, noticing_hang_up
from .output import mute, say, tell
from .terminal import ConsoleProgress
from .typed import TypedLines

if TYPE_CHECKING:
    from ..api.client import RemoteSession
    from ..api.folders import SessionInfo

LEAVE, END = "leave", "end"
"""What Ctrl-C means: `attach` leaves, `play` ends the drill."""


def stay(
    info: SessionInfo,
    show: Callable[[Event], object],
    progress: ConsoleProgress,
    *,
    interrupt: str,
    after: int = -1,
    token: str = "",
) -> bool:
    """Stay at a session; whether its drill is over.

    Raises:
        StackError: the host is gone, or the stack could not be brought up, or broke.
        KeyboardInterrupt: the person has ended the drill by Ctrl-C.
    """
    from ..api.client import RemoteSession

    with closing(RemoteSession(info, token)) as session, session.stream(after) as frames:
        console = Console(session, frames, show, TypedLines(sys.stdin.fileno()), progress)
        try:
            with noticing_hang_up():
                over = console.follow()
        except HangUpError:
            mute()  # there is nobody to print for; the drill goes on
            return False
        except KeyboardInterrupt as stop:
            if interrupt == LEAVE:
                say("")
                return False
            _end(session, console)
            stop.add_note(f"journal: {info.journal}")
            raise
        except DrillboxError as error:
            error.add_note(f"journal: {info.journal}")
            raise
        finally:
            progress.close()
        return over


def tell_how_to_come_back(info: SessionInfo) -> int:
    """The drill goes on without this terminal."""
    say(f"the drill goes on; come back with: drillbox attach {info.name}")
    return int(Exit.PASSED)


def _end(session: RemoteSession, console: Console) -> None:
    """End the drill, and wait until that is written down."""
    tell("ending the drill ...")
    with suppress(DrillboxError):  # it may have ended by itself a moment ago
        session.abort("interrupted")
        console.await_end()
