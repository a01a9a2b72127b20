"""The log of one service: a file that its processes append to, read by the host as it grows, limited in size.

The processes write to the file itself, not to a pipe: a host that is busy, stopped or dead never holds them up, and what they
wrote last is there after it died. Rotation moves the head of the file into `NAME.log.1` and cuts it off in place (fallocate(2):
the range is collapsed, or, where the file system cannot, made a hole), so that no line that is written meanwhile is lost, as it
would be between a copy and a truncation.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from .files import folder, unwritable

LIMIT = 8 * 2**20
"""Bytes from which a log is rotated. With what was moved away, a service has at most about twice as much."""
CHUNK = 2**20
"""Bytes that are read at once; a line without an end is given up in pieces of this size."""
_KEEP_SIZE, _PUNCH_HOLE, _COLLAPSE_RANGE = 0x01, 0x02, 0x08  # linux/falloc.h


class ServiceLog:
    """A log file. Positions count all bytes since this object was made, and the file's at that moment; they never fall."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        """The file is made on demand.

        Raises:
            UsageError: it cannot be made.
        """
        folder(path.parent)
        self.path, self._limit = path, limit
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unwritable(path, error) from error
        self._cut = 0  # bytes that were collapsed: positions less offsets
        self._hole = 0  # offset at which the content begins

    @property
    def end(self) -> int:
        """The position behind the last byte."""
        return self._cut + os.fstat(self._file).st_size

    def writer(self) -> int:
        """A descriptor for a process to append to. The caller closes it.

        Raises:
            UsageError: the file cannot be opened.
        """
        try:
            return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def read(self, position: int) -> tuple[bytes, int]:
        """What follows a position, at most a chunk of it, and the position behind that; nothing once it is closed."""
        if self._file < 0:
            return b"", position
        offset = max(position - self._cut, self._hole)
        content = os.pread(self._file, CHUNK, offset)
        return content, self._cut + offset + len(content)

    def rotate(self, before: int) -> None:
        """Move what is before a position away if the file is too large. On a full disk it is dropped: the newest stays."""
        if self._file < 0:
            return
        size = os.fstat(self._file).st_size
        block = max(1, os.fstatvfs(self._file).f_bsize)
        end = min(before - self._cut, size - 1) // block * block  # never all: a range that ends a file cannot be collapsed
        if size - self._hole <= self._limit or end <= self._hole:
            return
        self._move_away(end)
        if self._hole == 0 and _allocate(self._file, _COLLAPSE_RANGE, 0, end):
            self._cut += end
        elif _allocate(self._file, _PUNCH_HOLE | _KEEP_SIZE, 0, end):
            self._hole = end
        else:  # neither, as on NFS: a line that is written at this very moment may be lost
            self._cut += os.fstat(self._file).st_size
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Read no more."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _move_away(self, end: int) -> None:
        """Copy the head of the file, in place of what was moved away before."""
        old, beside = self.path.with_name(f"{self.path.name}.1"), self.path.with_name(f".{self.path.name}.1.new")
        try:
            with beside.open("wb") as copy:
                at = self._hole
                while at < end and (content := os.pread(self._file, min(CHUNK, end - at), at)):
                    copy.write(content)
                    at += len(content)
            beside.replace(old)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise unwritable(old, error) from error
            beside.unlink(missing_ok=True)
            old.unlink(missing_ok=True)


class Lines:
    """Reads a log line by line, from a position on."""

    def __init__(self, log: ServiceLog, position: int) -> None:
        self._log, self._position, self.path = log, position, log.path
        self._rest = b""

    def new(self, *, ended: bool) -> list[str]:
        """The lines that were completed since the last call; of an ended process the last one, too."""
        content, self._position = self._log.read(self._position)
        *complete, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) >= CHUNK or (ended and self._rest and not content):
            complete.append(self._rest)
            self._rest = b""
        self._log.rotate(self._position)
        return [line.decode("utf-8", "replace") for line in complete]


def _allocate(file: int, mode: int, offset: int, length: int) -> bool:
    """fallocate(2); whether the file system can."""
    done: int = ctypes.CDLL(None).fallocate(file, mode, ctypes.c_int64(offset), ctypes.c_int64(length))
    return done == 0
