"""Starts a host in the background and waits until it can be talked to."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading

from ..clock import Clock, WallClock
from ..model.errors import DrillboxError, Exit, StackError, UsageError
from .folders import SessionInfo, sessions

DEADLINE = 120.0
"""Wall seconds until a host must listen; the first time it may have to read the world's data."""
GRACE = 10.0
"""Wall seconds that a host has to go when nobody wants it any more."""
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
        try:
            info = _await(process, clock)
        except BaseException:  # whoever asked for it does not want it any more
            end(process)
            raise
        if info is None:
            told.seek(0)
            raise _refused(process.returncode, told.read().decode(errors="replace"))
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()  # or it would stay a zombie when it ends
    return info


def _await(process: subprocess.Popen[bytes], clock: Clock) -> SessionInfo | None:
    """What the host tells of itself; None if it has ended without telling anything.

    Raises:
        StackError: it takes too long.
    """
    began = clock.now()
    while True:
        found = next((info for info in sessions() if info.pid == process.pid), None)
        if found is not None:
            return found
        if process.poll() is not None:
            return None
        if clock.now() - began > DEADLINE:
            raise StackError(f"the session host did not come up within {DEADLINE:g} seconds")
        clock.sleep(_LOOK)


def end(process: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """Ask a process to end, and kill it if it has not within `grace` wall seconds."""
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _refused(code: int, told: str) -> DrillboxError:
    """The host's own message, as if it had been said here."""
    message = told.strip().removeprefix("drillbox: ") or f"the session host ended with code {code}"
    return UsageError(message) if code == Exit.USAGE else StackError(message)
