"""The command in this process, with the real simulation and short drills."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: terminal_kit

from terminal_kit import Terminal

from drillbox.sandbox.api.client import RemoteSession
from drillbox.sandbox.api.folders import sessions
from drillbox.sandbox.cli.main import run
from drillbox.sandbox.model.errors import DrillboxError
from drillbox.wiring import Wiring


@dataclass(frozen=True)
class Ran:
    """What a command gave."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], drillbox_home: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`command("list", "--json")` runs it with a state folder of its own."""
    assert drillbox_home.is_dir()
    monkeypatch.setattr("signal.signal", lambda *_args: None)  # the test runner keeps its handlers

    def call(*args: str) -> Ran:
        code = run(args, Wiring())
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def hosts_end(drillbox_home: Path) -> Iterator[None]:
    """No host outlives the test."""
    assert drillbox_home.is_dir()
    yield
    for info in sessions():
        with suppress(DrillboxError), closing(RemoteSession(info)) as session:  # its drill may be over
            session.abort("interrupted")


@pytest.fixture
def terminal(drillbox_home: Path, hosts_end: None) -> Iterator[Callable[..., Terminal]]:
    """`terminal("play", "monday-rush", "--speed", "600x")` runs in one."""
    opened: list[Terminal] = []

    def call(*args: str) -> Terminal:
        opened.append(Terminal(drillbox_home, *args))
        return opened[-1]

    yield call
    for one in opened:
        one.close()


@pytest.fixture
def start(drillbox_home: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command as a process of its own."""

    def call(*args: str, **keywords: object) -> subprocess.Popen[str]:
        environment: Mapping[str, str] = {**os.environ, "DRILLBOX_HOME": str(drillbox_home)}
        options: dict[str, object] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **keywords,
        }
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]  # options vary
            [sys.executable, "-m", "drillbox", *args], text=True, env=environment, **options
        )

    return call
