"""The load generator's own log: one line of CSV for each logical request, in the order in which they were decided."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TextIO

from ....sandbox.model.errors import UsageError

COLUMNS = ("index", "example", "due", "send_error", "latency", "outcome", "attempts", "status", "score", "source", "version")
"""Times are seconds: `due` of drill time; `latency` runs from `due`; `send_error` is that of the first attempt. `status` is that
of the last attempt: 0 for a timeout, -1 for a broken connection. Without an answer score, source and version are empty."""


BATCH = 512
"""Lines that are written at once."""


class Records:
    """Writes lines; without a file it drops them."""

    def __init__(self, path: Path | None) -> None:
        """Open a new file, with the names of the columns.

        Raises:
            UsageError: it cannot be written.
        """
        self._path = path
        self._lines: list[str] = []
        self._file: TextIO | None = None
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("w", encoding="ascii")
            except OSError as error:
                raise UsageError(f"LOAD_LOG={str(path)!r} cannot be written: {error.strerror}") from error
            self._file.write(",".join(COLUMNS) + "\n")

    def add(self, line: str) -> None:
        """One line, without its end."""
        if self._file is not None:
            self._lines.append(line)
            if len(self._lines) >= BATCH:
                self.flush()

    def flush(self) -> str:
        """Write what has come together. What went wrong, if something did: then it writes no more."""
        if self._file is None:
            return ""
        lines, self._lines = self._lines, []
        try:
            self._file.writelines(f"{line}\n" for line in lines)
            self._file.flush()
        except OSError as error:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):
                file.close()
            return f"{self._path} cannot be written any more: {error.strerror}"
        return ""

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
