"""Lines that a person types while a drill goes on. No thread reads them: one that waits would be in the way of the exit."""

from __future__ import annotations

import os
import select

_CHUNK = 4096


class TypedLines:
    """Whole lines from a terminal or a pipe, as they come."""

    def __init__(self, file: int) -> None:
        """Read from a file descriptor."""
        self._file = file
        self._terminal = os.isatty(file)
        self._rest = b""
        self._lines: list[str] = []
        self.closed = False
        """Whether nothing more will come (Ctrl-D, or a terminal that is gone)."""
        self.lost = False
        """Whether that is because the terminal is gone."""

    def next(self, wait: float) -> str | None:
        """The next line; None if there is none within `wait` seconds of the wall clock.

        A closed input waits no less than an open one: who asks again and again does not spin.
        """
        if not self._lines:
            self._read(max(0.0, wait))
        return self._lines.pop(0) if self._lines else None

    def _read(self, wait: float) -> None:
        files = [] if self.closed else [self._file]
        if not select.select(files, [], [], wait)[0]:
            return
        try:
            data = os.read(self._file, _CHUNK)
        except OSError:  # a terminal that is just going
            data, self.lost = b"", self._terminal
        self.closed = not data
        self.lost |= self.closed and self._terminal and not os.isatty(self._file)
        *whole, self._rest = (self._rest + data).split(b"\n")
        if self.closed and self._rest:
            whole, self._rest = [*whole, self._rest], b""
        self._lines += [line.decode(errors="replace") for line in whole]
