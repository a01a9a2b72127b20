"""The folders of running sessions: what a host tells of itself, and how others know whether it lives.

A host holds a lock on its folder for as long as it lives; the system lets go of it when the process ends, however it ends.
So whoever can take the lock knows that the host is dead, and clears up. No process is ever signalled or believed by its number.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ..model.errors import UsageError, nearest
from ..paths import atomic_write, folder, home, unwritable

INFO, LOCK, TOKEN, SOCKET, LOG = "session.json", "lock", "facilitator.token", "socket", "host.log"
LONGEST_SOCKET = 100
"""Bytes of a socket's path; the system allows some 108."""
STEM = "drillbox-"


class SessionInfo(BaseModel):
    """What a host tells of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    scenario: str
    title: str
    seed: int
    profile: str
    stack: str
    operator: str
    speed: float
    journal: str
    socket: str
    pid: int

    @property
    def folder(self) -> Path:
        """Its folder."""
        return sessions_dir() / self.name

    def token(self) -> str:
        """The facilitator's token.

        Raises:
            UsageError: it cannot be read.
        """
        path = self.folder / TOKEN
        try:
            return path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise UsageError(f"cannot read the facilitator's token {path}: {error.strerror}") from None


class OwnFolder:
    """The folder of this process's session, locked. Close it to remove it.

    Args:
        name: of the session, unique among those that live.

    Raises:
        UsageError: it cannot be made, or a living host has it.
    """

    def __init__(self, name: str) -> None:
        self.path = folder(sessions_dir()) / name
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unwritable(self.path, error) from None
        if not _take(self._lock):
            os.close(self._lock)
            raise UsageError(f"a session {name} is running already; come back to it with: drillbox attach {name}")
        self.socket, self._elsewhere = _socket_path(self.path)
        self.socket.unlink(missing_ok=True)
        self.token = secrets.token_urlsafe(24)
        atomic_write(self.path / TOKEN, self.token.encode())
        (self.path / TOKEN).chmod(0o600)

    def tell(self, info: SessionInfo) -> None:
        """Let others find the session."""
        atomic_write(self.path / INFO, info.model_dump_json(indent=2).encode())

    def close(self) -> None:
        """Remove folder and socket, and let go of the lock."""
        self.socket.unlink(missing_ok=True)
        if self._elsewhere is not None:
            shutil.rmtree(self._elsewhere, ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def sessions_dir() -> Path:
    """The folder of all sessions. It may not exist yet."""
    return home() / "sessions"


def sessions() -> list[SessionInfo]:
    """The sessions whose hosts live and can be talked to, by name; what dead hosts left is removed."""
    sweep()
    return list(_living())


def find(name: str = "") -> SessionInfo:
    """A living session by its name, or the only one.

    Raises:
        UsageError: there is none of that name, or several to choose from.
    """
    known = {info.name: info for info in sessions()}
    if name in known:
        return known[name]
    if not known:
        raise UsageError(
            f"no session {name!r} is running; none is" if name else "no session is running; start one with: drillbox play"
        )
    if name:
        raise UsageError(f"no session {name!r} is running; {nearest(name, known)}")
    if len(known) > 1:
        raise UsageError(f"{len(known)} sessions are running: choose one of {', '.join(known)}")
    return next(iter(known.values()))


def sweep() -> list[str]:
    """Remove what dead hosts left: folders and sockets. Their journals stay.

    Returns:
        The names of the sessions that were found dead.
    """
    return [path.name for path in _folders() if _remove_if_dead(path)]


def _living() -> Iterator[SessionInfo]:
    for path in _folders():
        with contextlib.suppress(OSError, ValidationError):  # it is coming up, or going away, at this moment
            yield SessionInfo.model_validate_json((path / INFO).read_bytes())


def _folders() -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in sessions_dir().iterdir() if path.is_dir())
    return []


def _remove_if_dead(path: Path) -> bool:
    """Whether a folder's host is dead; if so, its folder is removed. One without a lock is just being made, or removed."""
    try:
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not _take(lock):
            return False
        with contextlib.suppress(OSError, ValidationError):
            socket = Path(SessionInfo.model_validate_json((path / INFO).read_bytes()).socket)
            socket.unlink(missing_ok=True)
            if socket.parent != path and socket.parent.name.startswith(STEM):
                socket.parent.rmdir()
        shutil.rmtree(path, ignore_errors=True)
        return True
    finally:
        os.close(lock)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _socket_path(path: Path) -> tuple[Path, Path | None]:
    """Where the socket is: in the folder, or, if that path is too long for one, in a private folder of the system's."""
    socket = path / SOCKET
    if len(os.fsencode(socket)) <= LONGEST_SOCKET:
        return socket, None
    elsewhere = Path(tempfile.mkdtemp(prefix=STEM))
    return elsewhere / SOCKET, elsewhere
