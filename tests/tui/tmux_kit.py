"""The command in a real terminal: tmux, its keys and its screen."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 150.0
"""Wall seconds for anything to happen."""
_LOOK = 0.05


class Tmux:
    """A command in a window of a tmux server of its own.

    Args:
        place: folder of the server's socket.
        home: `DRILLBOX_HOME`.
        args: of the command.
        size: columns and rows.
        environment: further variables.
    """

    def __init__(
        self, place: Path, home: Path, *args: str, size: tuple[int, int] = (120, 36), environment: Mapping[str, str] | None = None
    ) -> None:
        self._socket = place / "tmux"
        self._code = place / "code"
        given = {**os.environ, "DRILLBOX_HOME": str(home), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        given["DRILLBOX_TERMINAL"] = str(self._socket)  # by which its processes are known
        set_to = " ".join(
            f"{name}={shlex.quote(value)}" for name, value in {"DRILLBOX_HOME": str(home), **(environment or {})}.items()
        )
        command = shlex.join([sys.executable, "-m", "drillbox", *args])
        line = f"env {set_to} {command}; echo $? > {shlex.quote(str(self._code))}; exec cat"
        size_args = ["-x", str(size[0]), "-y", str(size[1])]
        self._tmux("-f", "/dev/null", "new-session", "-d", *size_args, line, environment=given)

    def press(self, *keys: str) -> None:
        """Press keys, by their names in tmux."""
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        """What is on it."""
        return self._tmux("capture-pane", "-p")

    def until(self, *texts: str, patience: float = PATIENCE) -> str:
        """Wait until all of them are on the screen, for `patience` wall seconds at most."""
        began = time.monotonic()
        while True:
            shown = self.screen()
            if all(text in shown for text in texts):
                return shown
            assert time.monotonic() - began < patience, f"waited for {texts}:\n{shown}"
            time.sleep(_LOOK)

    def resize(self, columns: int, rows: int) -> None:
        """Make the window larger or smaller."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def end(self) -> int:
        """Wait for the command's end; its exit code."""
        began = time.monotonic()
        while not self._code.exists() or not self._code.read_text().strip():
            assert time.monotonic() - began < PATIENCE, f"it does not end:\n{self.screen()}"
            time.sleep(_LOOK)
        return int(self._code.read_text())

    def running(self) -> list[str]:
        """The command lines of what it has started and runs still, but for the hosts of drills."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                given, command = ((path / name).read_bytes().split(b"\0") for name in ("environ", "cmdline"))
                if f"DRILLBOX_TERMINAL={self._socket}".encode() in given and b"drillbox" in command and b"host" not in command:
                    found.append(b" ".join(command).decode())
        return found

    def wait_gone(self) -> None:
        """Wait until nothing of that runs any more."""
        began = time.monotonic()
        while found := self.running():
            assert time.monotonic() - began < PATIENCE, f"still there: {found}"
            time.sleep(_LOOK)

    def kill(self) -> None:
        """Take the terminal away, with whatever runs in it."""
        self._tmux("kill-server", check=False)

    def _tmux(self, *args: str, environment: Mapping[str, str] | None = None, check: bool = True) -> str:
        command = ["tmux", "-S", str(self._socket), *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20.0, env=environment, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout
