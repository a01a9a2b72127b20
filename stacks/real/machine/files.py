"""Files of a session: written whole or not at all, with a message when they cannot be."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from ....sandbox.model.errors import UsageError

_REASONS = {
    errno.EACCES: "it is not writable",
    errno.EPERM: "it is not writable",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.ENOTDIR: "part of the path is a file, not a folder",
}


def unwritable(path: Path, error: OSError) -> UsageError:
    """The message for a path of a session that cannot be written."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return UsageError(f"cannot write {path}: {reason}; or set DRILLBOX_HOME to a folder with room that you may write to")


def folder(path: Path) -> Path:
    """`path`, made with its parents, for nobody else to look into.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def put(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a file so that a reader sees the old content or the new one.

    Args:
        path: of the file; its folder is made.
        text: the content.
        durable: whether it outlives a power cut.

    Raises:
        UsageError: it cannot be written; an old content is as before.
    """
    beside = folder(path.parent) / f".{path.name}.new"
    try:
        with os.fdopen(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        beside.replace(path)
        if durable:
            sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise unwritable(path, error) from error


def sync(path: Path) -> None:
    """Have a folder's entries on the disk."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
