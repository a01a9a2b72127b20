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

INFO, LOCK, TOKEN, SOCKET = "session.json", "lock", "facilitator.token", "socket"
ELSEWHERE = "elsewhere"
"""File that names the private folder of a socket whose path would be too long; written before that folder is made."""
GUARD = ".guard"
"""Locked for a moment by whoever makes or removes the folder of a session, so that nobody takes one being made for a dead one."""
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
    incident: bool = True  # without one it is a service that stands, for `down` to end

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
        name: of the session; with a number behind it if there is one of that name.

    Raises:
        UsageError: it cannot be made.
    """

    def __init__(self, name: str) -> None:
        base = folder(sessions_dir())
        try:
            with _guarded(base):
                self.path = _free(base, name)
                self.path.mkdir(mode=0o700)
                self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                _take(self._lock)
        except OSError as error:
            raise unwritable(base / name, error) from None
        self.name = self.path.name
        self.token = secrets.token_urlsafe(24)
        try:
            _write_private(self.path / TOKEN, self.token)
            self.socket = self._place_socket()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise unwritable(self.path, error) from None
            raise

    def tell(self, info: SessionInfo) -> None:
        """Let others find the session."""
        atomic_write(self.path / INFO, info.model_dump_json(indent=2).encode())

    def close(self) -> None:
        """Remove folder and socket, and let go of the lock."""
        with contextlib.suppress(OSError), _guarded(self.path.parent):
            _remove(self.path)
        os.close(self._lock)

    def _place_socket(self) -> Path:
        """Where the socket is: in the folder, or, if that path is too long for one, in a private folder of the system's."""
        socket = self.path / SOCKET
        if len(os.fsencode(socket)) <= LONGEST_SOCKET:
            return socket
        socket = Path(tempfile.gettempdir()) / f"{STEM}{secrets.token_hex(8)}" / SOCKET
        if len(os.fsencode(socket)) > LONGEST_SOCKET:
            raise UsageError(f"the paths {self.path} and {socket.parent} are too long for a socket; set TMPDIR to a shorter one")
        atomic_write(self.path / ELSEWHERE, os.fsencode(socket.parent))
        socket.parent.mkdir(mode=0o700)
        return socket


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


@contextlib.contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """While it lasts, no other process of this state folder does the same; it waits for one that does.

    Raises:
        UsageError: the state folder cannot be written.
    """
    base = folder(sessions_dir())
    try:
        lock = os.open(base / f".{what}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unwritable(base, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def sweep() -> list[str]:
    """Remove what dead hosts left: folders and sockets. Their journals stay.

    Returns:
        The names of the sessions that were found dead.
    """
    base = sessions_dir()
    if not base.is_dir():
        return []
    try:
        with _guarded(base):
            return [path.name for path in _folders() if _remove_if_dead(path)]
    except OSError as error:
        raise unwritable(base, error) from None


def _living() -> Iterator[SessionInfo]:
    for path in _folders():
        with contextlib.suppress(OSError, ValidationError):  # it is coming up, or going away, at this moment
            yield SessionInfo.model_validate_json((path / INFO).read_bytes())


def _folders() -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in sessions_dir().iterdir() if path.is_dir() and not path.is_symlink())
    return []


def _free(base: Path, name: str) -> Path:
    """The first name that no living host has."""
    path, number = base / name, 1
    while path.exists() and not _remove_if_dead(path):
        number += 1
        path = base / f"{name}-{number}"
    return path


def _remove_if_dead(path: Path) -> bool:
    """Whether a folder's host is dead; if so, its folder is removed. Only for who has the guard."""
    try:
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # its host died before it had one, or is removing the folder
        _remove(path)
        return True
    try:
        if not _take(lock):
            return False
        _remove(path)
        return True
    finally:
        os.close(lock)


def _remove(path: Path) -> None:
    """A session's folder, and that of its socket."""
    with contextlib.suppress(OSError):
        elsewhere = Path(os.fsdecode((path / ELSEWHERE).read_bytes()))
        if elsewhere.name.startswith(STEM):
            shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _guarded(base: Path) -> Iterator[None]:
    guard = os.open(base / GUARD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
    finally:
        os.close(guard)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write_private(path: Path, text: str) -> None:
    """A file that nobody else can ever read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
