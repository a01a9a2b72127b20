"""Starts a host in the background and waits until it can be talked to."""

from __future__ import annotations

import subprocess
import sys
import tempfile

from ..clock import Clock, WallClock
from ..model.errors import DrillboxError, Exit, StackError, UsageError
from .folders import SessionInfo, sessions

DEADLINE = 120.0
"""Wall seconds until a host must listen; the first time it may have to read the world's data."""
_LOOK = 0.05


def launch(request: str, clock: Clock | None = None) -> SessionInfo:
    """Start a host of its own process group, without a terminal: it outlives whoever started it.

    Args:
        request: as JSON, of `drillbox host`.
        clock: of the wall.

    Raises:
        UsageError: what the host says is wrong with the request.
        StackError: it did not come up.
    """
    clock = clock or WallClock()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "drillbox", "host", request],
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
        began = clock.now()
        while True:
            found = next((info for info in sessions() if info.pid == process.pid), None)
            if found is not None:
                return found
            code = process.poll()
            if code is not None:
                told.seek(0)
                raise _refused(code, told.read().decode(errors="replace"))
            if clock.now() - began > DEADLINE:
                process.kill()
                raise StackError(f"the session host did not come up within {DEADLINE:g} seconds")
            clock.sleep(_LOOK)


def _refused(code: int, told: str) -> DrillboxError:
    """The host's own message, as if it had been said here."""
    message = told.strip().removeprefix("drillbox: ") or f"the session host ended with code {code}"
    return UsageError(message) if code == Exit.USAGE else StackError(message)
