"""Progress on stderr: a bar in a terminal, plain lines for long steps otherwise."""

from __future__ import annotations

import contextlib
import sys
from typing import TextIO

import click

from ..clock import Clock, WallClock

LONG = 1.0
"""Seconds after which a step is worth a line where there is no terminal."""
_WIDTH = 24
_QUIET = "drillbox.quiet"


class ConsoleProgress:
    """Call it as `model.stack.Progress`; `close` clears the bar."""

    def __init__(self, stream: TextIO | None = None, clock: Clock | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock or WallClock()
        self._terminal = self._stream.isatty()
        self._quiet = quiet
        self._step = self._line = ""
        self._since = 0.0
        self._shown = False

    def __call__(self, step: str, done: float) -> None:
        """A step has come to `done`, from 0 to 1."""
        if self._quiet:
            return
        if step != self._step:
            self._step, self._since, self._shown = step, self._clock.now(), False
        if self._terminal:
            filled = round(_WIDTH * min(1.0, max(0.0, done)))
            line = f"{step} [{'#' * filled}{'.' * (_WIDTH - filled)}] {done:4.0%}"
            if line != self._line:
                self._line = line
                self._write(f"\r\x1b[K{line}")
        elif not self._shown and (done <= 0.0 or self._clock.now() - self._since > LONG):
            self._shown = True
            self._write(f"{step} ...\n")

    def close(self) -> None:
        """Clear the bar."""
        if self._terminal and self._step:
            self._write("\r\x1b[K")
        self._step = self._line = ""

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody has to be able to read it
            self._stream.write(text)
            self._stream.flush()


def hush(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Note that the command, or one below it, is to show no progress."""
    if wanted:
        context.meta[_QUIET] = True  # all contexts of one call share it


quiet_option = click.option("--quiet", "-q", is_flag=True, expose_value=False, callback=hush, help="No progress on stderr.")
"""For `drillbox` and for every command that may take long."""


def console_progress() -> ConsoleProgress:
    """Progress for the command that runs now; none with `--quiet`."""
    context = click.get_current_context(silent=True)
    return ConsoleProgress(quiet=context is not None and bool(context.meta.get(_QUIET)))
