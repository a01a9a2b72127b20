"""Whatever a user gets wrong: a message that says what and where, the right code, no traceback, nothing half-written."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.loading import Library
from drillbox.sandbox.model.events import Ended

SHORT = ("--profile", "short")


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scenario_text() -> str:
    return Library.packaged().find("monday-rush").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("runn",), "no such command 'runn'; did you mean 'run'?"),
        (("play", "monday-rsh"), "did you mean 'monday-rush'?"),
        (
            ("run", "monday-rush", "--operator", "refrence"),
            "unknown operator 'refrence' of monday-rush; did you mean 'reference'?",
        ),
        (("run", "monday-rush", "--stack", "simm"), "unknown stack 'simm'; did you mean 'sim'?"),
        (("run", "monday-rush", "--profile", "shrt"), "did you mean 'short'?"),
        (("run", "monday-rush", "--sed", "3"), "--seed"),
        (("run", "monday-rush", "--seed", "-3"), "-3"),
        (("play", "monday-rush", "--speed", "fast"), "'fast' is not a speed"),
        (("play", "monday-rush", "--speed", "1000x"), "out of bounds"),
        (("run",), "name the scenarios to run, or give --all"),
        (("run", "/nowhere.yaml"), "/nowhere.yaml"),
        (("run", "/etc"), "/etc"),
        (("replay", "/nowhere.jsonl"), "cannot read the journal /nowhere.jsonl"),
        (("report", "/etc/hostname"), "is not a drillbox journal"),
        (("prove", "monday-rush", "--seed", "1", "--seeds", "2"), "either --seed or --seeds"),
    ],
)
def test_a_message_and_exit_code_2(command, args: tuple[str, ...], message: str) -> None:
    ran = command(*args)
    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("fault: traffic.spike", "fault: traffic.spke", "timeline[0].fault", "did you mean 'traffic.spike'?"),
        ("at: 3m", "at: 3", "timeline[0].at", "not a duration"),
        ("at: 3m", "at: 30m", "timeline[0].at", "after the end of the drill"),
        ("factor: 3.5", "factor: lots", "timeline[0].with.factor", "is not a number"),
        ("start: 2013-07-08T12:00", "start: 2015-07-08T12:00", "world.start", "the calendar leaves the data"),
        ("do: shed", "do: shedd", "operators.reference.steps[1].do", "did you mean 'shed'?"),
    ],
)
def test_a_bad_scenario_is_named_with_file_line_and_key(
    command, tmp_path: Path, old: str, new: str, key: str, message: str
) -> None:
    text = scenario_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    line = text[: text.index(old)].count("\n") + 1
    for args in (("validate", str(path)), ("run", str(path)), ("play", str(path))):
        ran = command(*args)
        assert ran.code == 2
        assert f"{path}:{line}:" in ran.err
        assert key in ran.err
        assert message in ran.err


def test_a_huge_file_is_refused_at_once(command, tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    ran = command("run", str(path))
    assert ran.code == 2
    assert "is 100.0 MB; a scenario has at most 1 MiB" in ran.err


def test_yaml_that_cannot_be_read(command, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("schema: 1\nid: [unclosed\n", encoding="utf-8")
    ran = command("validate", str(path))
    assert ran.code == 2
    assert f"{path}:" in ran.err


@pytest.mark.parametrize("option", ["--json", "--md", "--out"])
def test_output_that_cannot_be_written_is_found_before_the_drill(
    command, drillbox_home: Path, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").write_text("keep me", encoding="utf-8")
    ran = command("run", "monday-rush", *SHORT, option, str(tmp_path / "file" / "below"))
    assert ran.code == 2
    assert "cannot write" in ran.err
    assert not (drillbox_home / "drills").exists() or option == "--out"
    assert (tmp_path / "file").read_text(encoding="utf-8") == "keep me"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_no_output_file(command, tmp_path: Path) -> None:
    ran = command("run", "monday-rush", *SHORT, "--json", str(tmp_path))
    assert (ran.code, "is a folder, not a file" in ran.err) == (2, True)


def test_a_full_disk_on_stdout_is_a_message(start: Callable[..., subprocess.Popen[str]]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = start("list", stdout=full)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "No space left" in errors
    assert "Traceback" not in errors


def test_a_reader_that_goes_away_is_no_error(start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start("export", "metrics")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert errors == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_drill_and_leaves_a_readable_journal(
    start: Callable[..., subprocess.Popen[str]], drillbox_home: Path, number: signal.Signals
) -> None:
    """The journal's end is written, whatever moment the signal comes at, and no temporary file stays."""
    process = start("play", "monday-rush", "--metrics-port", str(free_port()), "--speed", "1x")
    assert process.stdout is not None
    for line in process.stdout:
        if "100%" in line:  # the first observation: the drill is under way
            break
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in out + errors
    (journal,) = (drillbox_home / "drills").iterdir()
    last = read_journal(journal).events[-1].body
    assert last == Ended("interrupted")
