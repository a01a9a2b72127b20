"""Where the command writes: streams that may be closed, full or left by their reader, and files of the user's choice."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import click

from ..model.errors import DrillboxError, UsageError
from ..paths import atomic_write, unwritable


def fill_missing_streams() -> None:
    """Give the process the standard streams that it was started without; else the next file opened would take their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # as long as the process


def has_screen() -> bool:
    """Whether a person sits at a terminal that can show more than lines."""
    able = os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    return able and sys.stdin.isatty() and sys.stdout.isatty()


def say(text: str = "", *, nl: bool = True) -> bool:
    """Print data on stdout. A reader that has gone away changes neither the drill nor its verdict: the rest is not printed.

    Returns:
        Whether there was somebody to read it.

    Raises:
        UsageError: stdout cannot be written, as on a full disk.
    """
    try:
        click.echo(text, nl=nl)
    except BrokenPipeError:
        mute()
        return False
    except OSError as error:
        mute()
        raise UsageError(f"cannot write to stdout: {error.strerror}") from None
    return True


def tell(text: str) -> None:
    """Print a diagnostic on stderr; whether anybody can read it must not matter."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def tell_error(error: BaseException) -> None:
    """Tell an error that is meant for the user, and what was noted about it, such as where the journal is."""
    tell(f"drillbox: {error}" if isinstance(error, DrillboxError) else "interrupted")
    for note in getattr(error, "__notes__", ()):
        tell(str(note))


def mute() -> None:
    """Send the rest of stdout nowhere, what is still buffered included: it must not fail again when the process ends."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def check_writable(target: Path) -> None:
    """Find out before the drill, not after it, and leave an old file as it is.

    Raises:
        UsageError: the file cannot be written.
    """
    if target.is_dir():
        raise UsageError(f"{target} is a folder, not a file")
    if _special(target):
        return  # to open a pipe would wait for its reader
    real = target.resolve()
    probe = real.with_name(f".{real.name}.probe")
    atomic_write(probe, b"")
    probe.unlink()


def write_file(target: Path, content: bytes) -> None:
    """Write a file atomically, the one a link points to; a device or a pipe is written to and never replaced.

    Raises:
        UsageError: it cannot be written, for example because the disk is full.
    """
    if target.is_dir():
        raise UsageError(f"{target} is a folder, not a file")
    if not _special(target):
        atomic_write(target.resolve(), content)
        return
    try:
        target.write_bytes(content)
    except OSError as error:
        raise unwritable(target, error) from None


def _special(target: Path) -> bool:
    return target.exists() and not target.is_file()
