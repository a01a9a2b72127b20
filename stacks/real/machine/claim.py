"""Who has a session's folder: the host holds a lock on it for as long as it lives, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ....sandbox.model.errors import StackError
from .files import folder, put, unwritable
from .records import PROCESSES, Identity

LOCK, HOST = "lock", "host.json"
_PATIENCE = 0.3


@dataclass(frozen=True, slots=True)
class Host:
    """Whose a session's folder is, or was: the label of its processes, and the process that plays it, if that is known."""

    label: str
    identity: Identity | None


class Claim:
    """This process has a session's folder, until it lets go."""

    def __init__(self, session: Path, label: str) -> None:
        """The folder is made.

        Raises:
            StackError: another host has it, or a dead one left something that has to be cleared first.
            UsageError: it cannot be written.
        """
        self._lock = _wait_for(session, label)
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


def _wait_for(session: Path, label: str) -> int:
    """The lock. Whoever looks whether a host lives has it for a moment."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        folder(session)
        taken = take(session)
        if taken is not None and taken >= 0:
            return taken
        if taken is None and time.monotonic() > deadline:
            raise StackError(f"the session {label} runs already: another process has {session}")
        time.sleep(0.01)


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


def held(session: Path) -> bool:
    """Whether a living process has a session's folder. Nothing is written."""
    try:
        opened = os.open(session / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(opened)
    return False


def read_host(session: Path) -> Host:
    """Of a session's folder. A host that died before it said so had started nothing; its label is the folder's name."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads((session / HOST).read_text(encoding="utf-8"))
        return Host(data["label"], data["host"] and Identity(**data["host"]))
    return Host(session.name, None)
