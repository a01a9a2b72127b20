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
_PATIENCE, _LOOK = 0.3, 0.01


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
        # Whoever looks whether a host lives has the lock for a moment.
        self._lock = wait_for(session, _PATIENCE, f"the session {label} runs already: another process has {session}")
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


def wait_for(session: Path, patience: float, busy: str) -> int:
    """The lock of a session's folder, which is made.

    Raises:
        StackError: another process still has it after `patience` seconds: `busy` says what that means.
        UsageError: the folder cannot be written.
    """
    deadline = time.monotonic() + patience
    while True:
        folder(session)
        taken = take(session)
        if taken is not None and taken >= 0:
            return taken
        if taken is None and time.monotonic() > deadline:
            raise StackError(busy)
        time.sleep(_LOOK)


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


def living(session: Path) -> Identity | None:
    """The process that plays a session; None if it is dead, or nobody knows of one."""
    host = read_host(session).identity
    return host if host is not None and held(session) and host.alive() else None


def session_folders(base: Path) -> list[Path]:
    """Those in a folder that are sessions', by name, and not something that somebody else put there."""
    with contextlib.suppress(OSError):
        return sorted(path for path in base.iterdir() if _is_session(path))
    return []


def _is_session(path: Path) -> bool:
    """It has a lock, or not even that yet."""
    return path.is_dir() and not path.is_symlink() and ((path / LOCK).exists() or not any(path.iterdir()))
