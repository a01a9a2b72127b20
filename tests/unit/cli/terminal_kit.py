"""The command in a real pseudo-terminal, its controlling one: Ctrl-C is typed, and a terminal that goes hangs up."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path

TIMEOUT = 30.0
"""Seconds without any output after which a test gives up."""


class Terminal:
    """A command in a pseudo-terminal."""

    def __init__(self, home: Path, *args: str) -> None:
        self._own, other = pty.openpty()
        environment = {**os.environ, "DRILLBOX_HOME": str(home), "COLUMNS": "100"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drillbox", *args],
            stdin=other,
            stdout=other,
            stderr=other,
            env=environment,
            start_new_session=True,
            preexec_fn=_take_control,  # noqa: PLW1509  # no thread of this process holds a lock that it needs
        )
        os.close(other)
        self.text = ""
        self._seen = 0
        self._open = True

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._own, f"{line}\n".encode())

    def control_c(self) -> None:
        """Interrupt it."""
        os.write(self._own, b"\x03")

    def insist(self) -> int:
        """Interrupt it until it ends, as a person does; the exit code.

        Python may miss one: that which comes just before it waits for a line.
        """
        ready: list[int] = []
        while not ready:
            self.control_c()
            os.read(self._own, 2)  # its echo
            ready, _, _ = select.select([self._own], [], [], 1.0)
        return self.end()

    def control_d(self) -> None:
        """End the input."""
        os.write(self._own, b"\x04")

    def hang_up(self) -> int:
        """Take the terminal away; the exit code."""
        os.close(self._own)
        self._open = False
        return self.process.wait(timeout=TIMEOUT)

    def expect(self, *texts: str) -> str:
        """Read until every text has come since the last call; all from there to the last of them."""
        start = self._seen
        while any(text not in self.text[start:] for text in texts):
            assert self._read(), f"the output ended before {texts}:\n{self.text}"
        self._seen = max(self.text.index(text, start) + len(text) for text in texts)
        return self.text[start : self._seen]

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(timeout=TIMEOUT)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._own], [], [], TIMEOUT)
        assert ready, f"no output for {TIMEOUT:.0f} s:\n{self.text}"
        try:
            data = os.read(self._own, 1 << 16)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.text += data.decode().replace("\r\n", "\n")
        return bool(data)

    def close(self) -> None:
        """End whatever is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=TIMEOUT)
        if self._open:
            os.close(self._own)


def _take_control() -> None:
    """Make standard input the controlling terminal of the new session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
