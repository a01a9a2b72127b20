"""Where state lives on this machine, and how files are written so that nothing is ever left half-written."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .model.errors import UsageError

HOME_VARIABLE = "DRILLBOX_HOME"
"""Environment variable that overrides the platform's user data folder."""
PREBUILT_VARIABLE = "DRILLBOX_PREBUILT"
"""Environment variable that names a second state folder, which is only read: what an image of a container brings along."""

_REASONS = {
    errno.EACCES: "it is not writable",
    errno.EPERM: "it is not writable",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.ENOTDIR: "part of the path is a file, not a folder",
    errno.EEXIST: "a file is in the way of the folder",
    errno.EISDIR: "a folder is in the way of the file",
}


def home() -> Path:
    """The folder of all state: `DRILLBOX_HOME`, else the platform's user data folder. It may not exist yet."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return Path(override).expanduser().absolute()
    import platformdirs  # lazily: most commands with an override never need it

    return Path(platformdirs.user_data_dir("drillbox", appauthor=False))


def cache_dir() -> Path:
    """The folder of what can be made again, created on demand.

    Raises:
        UsageError: it cannot be created.
    """
    return folder(home() / "cache")


def cached(*parts: str) -> Path:
    """Where something is, or would be, in the cache; nothing is created."""
    return home().joinpath("cache", *parts)


def found(path: Path) -> Path:
    """Where to read what belongs at a path below `home()`: there, or else in the prebuilt state folder if that has it."""
    prebuilt = os.environ.get(PREBUILT_VARIABLE)
    if not prebuilt or path.exists():
        return path
    other = Path(prebuilt) / path.relative_to(home())
    return other if other.exists() else path


def folder(path: Path) -> Path:
    """`path`, created with its parents if it is not there.

    Raises:
        UsageError: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def unwritable(path: Path, error: OSError) -> UsageError:
    """The user's message for a path that could not be written: what, why, and what to do."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    hint = f"; set {HOME_VARIABLE} to a folder with room that you may write to" if path.is_relative_to(home()) else ""
    return UsageError(f"cannot write {path}: {reason}{hint}")


def atomic_write(path: Path, content: bytes | Callable[[BinaryIO], None]) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part of it.

    The content (bytes, or a function that writes them) goes to a temporary file in the same folder, which then takes the place
    of `path`; on any failure, Ctrl-C included, the temporary file is removed and `path` is as before.

    Raises:
        UsageError: the file cannot be written, for example because the disk is full.
    """
    if path.is_symlink():
        path = path.resolve()  # the file behind a link is written, the link stays
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UsageError(f"cannot write {path}: it is not a regular file")
    temporary = folder(path.parent) / f".{path.name}.{uuid.uuid4().hex[:12]}.part"
    try:
        with temporary.open("xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
        raise
