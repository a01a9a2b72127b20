"""Interruptions, broken stacks, bugs and streams that go away: the right code, the stack down, a readable journal, no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fake_drillbox
import pytest
from fake_drillbox import FakeWiring

from drillbox.sandbox.cli.main import run
from drillbox.sandbox.journal import Journal, read_journal
from drillbox.sandbox.model.events import Ended

Command = Callable[..., Any]
Journals = Callable[[], list[Path]]

COMMANDS = [["run", "toy-rush", "--operator", "idle"], ["play", "toy-rush"]]


def reason(journal: Journal) -> str:
    """Why the drill ended."""
    body = journal.events[-1].body
    assert isinstance(body, Ended)
    return body.reason


def all_down(wiring: FakeWiring) -> bool:
    """Whether every stack that came up went down."""
    return all(stack.downs >= stack.ups for stack in wiring.stacks_made)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("trouble", "code", "ended", "said"),
    [
        ("interrupt 100", 130, "interrupted", "interrupted"),
        ("break 100", 3, "broken", "the toy broke"),
    ],
)
def test_a_drill_that_stops_leaves_a_readable_journal(
    drillbox: Command,
    wiring: FakeWiring,
    journals: Journals,
    monkeypatch: pytest.MonkeyPatch,
    command: Sequence[str],
    trouble: str,
    code: int,
    ended: str,
    said: str,
) -> None:
    monkeypatch.setenv("FAKE_AT", trouble)
    ran = drillbox(*command)
    assert ran.code == code
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert all_down(wiring)
    [path] = journals()
    assert str(path) in ran.err, "it says where the journal is"
    journal = read_journal(path)
    assert reason(journal) == ended
    assert 95.0 <= journal.events[-1].at <= 100.0


def test_an_interruption_while_the_stack_comes_up(
    drillbox: Command, wiring: FakeWiring, journals: Journals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_AT", "interrupt -100")
    assert drillbox("run", "toy-rush").code == 130
    assert all_down(wiring)
    [path] = journals()
    assert not read_journal(path).complete


def test_results_so_far_are_written_when_it_is_interrupted(
    drillbox: Command, monkeypatch: pytest.MonkeyPatch, wiring: FakeWiring, tmp_path: Path
) -> None:
    """Of a run of two drills the first is over: its result is not lost."""
    assert drillbox("run", "toy-rush").code == 0  # the baselines are in the cache from now on: every session is one of the drills
    wiring.stacks_made.clear()
    first = wiring.session

    def second_is_interrupted(*args: object, **more: object) -> object:
        session = first(*args, **more)  # type: ignore[arg-type]
        monkeypatch.setenv("FAKE_AT", "interrupt 100")
        return session

    monkeypatch.setattr(wiring, "session", second_is_interrupted)
    target = tmp_path / "result.json"
    ran = drillbox("run", "toy-rush", "toy-rush", "toy-rush", "--json", target)
    assert ran.code == 130
    assert len(wiring.stacks_made) == 2, "nothing is played after it"
    played, stopped = json.loads(target.read_text(encoding="utf-8"))
    assert (played["verdict"], played["exit_code"]) == ("passed", 0)
    assert (stopped["verdict"], stopped["exit_code"]) == ("not played", 130)


def test_a_stack_that_does_not_come_up(drillbox: Command, wiring: FakeWiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_AT", "no-up")
    ran = drillbox("run", "toy-rush")
    assert ran.code == 3
    assert "the toy does not start" in ran.err
    assert all_down(wiring)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bug_is_told_as_one(
    drillbox: Command, wiring: FakeWiring, monkeypatch: pytest.MonkeyPatch, drillbox_home: Path, command: Sequence[str]
) -> None:
    monkeypatch.setenv("FAKE_AT", "bug 100")
    ran = drillbox(*command)
    assert ran.code == 3
    assert "this is a bug in drillbox" in ran.err
    assert "Traceback" not in ran.err
    assert all_down(wiring)
    crash = drillbox_home / "crash.log"
    assert str(crash) in ran.err
    assert "a toy's bug" in crash.read_text(encoding="utf-8")


def test_the_handlers_of_signals_are_put_back(wiring: FakeWiring, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert run(["list"], wiring) == 0
    assert capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == before


def start(pack: Path, *argv: str, **environment: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, fake_drillbox.__file__, str(pack), *argv],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_drill_cleanly(pack: Path, tmp_path: Path, journals: Journals, number: signal.Signals) -> None:
    mark = tmp_path / "up"
    process = start(pack, "run", "toy-rush", FAKE_AT="hang 100", FAKE_MARK=str(mark))
    assert process.stdout is not None
    assert process.stdout.readline() == "hanging\n", "the drill has come to its hundredth second"
    assert mark.exists()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not mark.exists(), "the stack was taken down"
    [path] = journals()
    assert reason(read_journal(path)) == "interrupted"


def test_a_reader_that_goes_away_changes_no_verdict(pack: Path, journals: Journals) -> None:
    process = start(pack, "play", "toy-rush")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "Exception" not in err
    [path] = journals()
    assert reason(read_journal(path)) == "finished"


def through_shell(pack: Path, words: str) -> subprocess.CompletedProcess[str]:
    """The command with its streams as a shell sets them."""
    program = f'exec "{sys.executable}" "{fake_drillbox.__file__}" "{pack}" {words}'
    return subprocess.run(["/bin/sh", "-c", program], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("words", ["list >&-", "list 2>&-", "run toy-rush >&-", "play toy-rush <&-", "run toy-rush <&- >&- 2>&-"])
def test_closed_streams_do_no_harm(pack: Path, words: str, drillbox_home: Path) -> None:
    done = through_shell(pack, words)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (drillbox_home / "crash.log").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, of Linux")
def test_a_full_disk_behind_stdout_is_told(pack: Path, drillbox_home: Path) -> None:
    for words in ("list --json > /dev/full", "run toy-rush --json - > /dev/full"):
        done = through_shell(pack, words)
        assert done.returncode == 2
        assert done.stderr == "drillbox: cannot write to stdout: No space left on device\n"


def test_a_full_disk_during_the_drill_takes_the_stack_down(
    drillbox: Command, wiring: FakeWiring, monkeypatch: pytest.MonkeyPatch, journals: Journals
) -> None:
    """The journal has room for its beginning only."""
    from drillbox.sandbox import journal

    written = [0]
    whole = journal._write

    def cramped(file: object, data: bytes) -> None:
        written[0] += len(data)
        if written[0] > 20_000:
            raise OSError(28, "No space left on device")
        whole(file, data)  # type: ignore[arg-type]

    monkeypatch.setattr(journal, "_write", cramped)
    ran = drillbox("run", "toy-rush")
    assert ran.code == 2
    assert "the disk is full" in ran.err
    assert all_down(wiring)
    [path] = journals()
    assert len(read_journal(path).events) > 10
