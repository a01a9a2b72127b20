"""Archives in a folder: each appears whole or not at all, and does not change any more."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ....sandbox.model.errors import UsageError
from ..common.artifacts import NAME, digest

SUFFIX = ".tar.gz"
_PART = ".part"


class FullError(Exception):
    """There is no room for a further archive."""


class OtherContentError(Exception):
    """There is an archive of that name with other content."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of an archive."""

    path: Path
    size: int  # bytes
    digest: str  # as in Content-Digest
    stored: dt.datetime


class Archives:
    """All archives in a folder; one process writes there.

    Args:
        folder: is made if it is not there. What is half-written in it, by a process that died, is removed.
        room: bytes of all archives together, at most.

    Raises:
        UsageError: the folder cannot be used.
    """

    def __init__(self, folder: Path, room: int) -> None:
        self._folder = folder
        self._room = room
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(f".*{_PART}"):
                left.unlink()
            found = {path.name.removesuffix(SUFFIX): path for path in sorted(folder.glob(f"*{SUFFIX}")) if path.is_file()}
            self._entries = {name: _entry(path, path.read_bytes()) for name, path in found.items() if NAME.fullmatch(name)}
        except OSError as error:
            raise UsageError(f"REGISTRY_FOLDER={str(folder)!r} cannot be used: {error}") from None

    def entries(self) -> Mapping[str, Entry]:
        """By id, in the order in which they came."""
        return dict(self._entries)

    def find(self, name: str) -> Entry | None:
        """An archive; None if there is none of that id."""
        return self._entries.get(name)

    @property
    def size(self) -> int:
        """Bytes of all archives."""
        return sum(entry.size for entry in self.entries().values())

    def add(self, name: str, content: bytes) -> bool:
        """Store an archive; whether there was none of that id.

        Raises:
            OtherContentError: there is one with other content.
            FullError: there is no room for it.
            OSError: it cannot be written.
        """
        with self._lock:
            known = self._entries.get(name)
            if known is not None:
                if known.digest != digest(content):
                    raise OtherContentError
                return False
            if self.size + len(content) > self._room:
                raise FullError
            target = self._folder / f"{name}{SUFFIX}"
            _write(target, content)
            self._entries[name] = _entry(target, content)
            return True


def _write(target: Path, content: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}{_PART}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _entry(path: Path, content: bytes) -> Entry:
    stored = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    return Entry(path, len(content), digest(content), stored)
