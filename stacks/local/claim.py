"""Who has a session's folder: the host holds a lock on it for as long as it lives, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path

from ...sandbox.model.errors import StackError
from .files import folder, put, unwritable
from .records import PROCESSES, Identity

LOCK, HOST = "lock", "host.json"


class Claim:
    """This process has a session's folder, until it lets go."""

    def __init__(self, session: Path, label: str) -> None:
        """The folder is made.

        Raises:
            StackError: another host has it, or a dead one left something that has to be cleared first.
            UsageError: it cannot be written.
        """
        self._lock = -1
        while self._lock < 0:
            folder(session)
            taken = take(session)
            if taken is None:
                raise StackError(f"the session {label} runs already: another process has {session}")
            self._lock = taken
        try:
            _check_empty(session, label)
            own = Identity.of(os.getpid())
            put(session / HOST, json.dumps({"label": label, "host": own and asdict(own)}), durable=False)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go of the folder."""
        with contextlib.suppress(OSError):
            os.close(self._lock)


def _check_empty(session: Path, label: str) -> None:
    if any((session / PROCESSES).glob("*.json")):
        raise StackError(f"an earlier session {label} left something behind: drillbox down --stack local {session.name}")


def take(session: Path) -> int | None:
    """The lock of a session's folder; None if a living host has it, -1 if the folder was removed meanwhile.

    Raises:
        UsageError: the folder cannot be written.
    """
    path = session / LOCK
    try:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return -1
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(opened), path.stat()):
            return opened
    os.close(opened)
    return -1
