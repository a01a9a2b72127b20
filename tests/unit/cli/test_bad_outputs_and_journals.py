"""Outputs that would take each other's place, and journals that are none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
SHORT = ("run", "monday-rush", "--profile", "short", "--operator", "idle")


def test_two_outputs_cannot_be_one_file(command: Command, tmp_path: Path) -> None:
    """By whatever path."""
    ran = command(*SHORT, "--json", str(tmp_path / "x"), "--md", str(tmp_path / "folder" / ".." / "x"))
    assert (ran.code, ran.out) == (2, "")
    assert "--json and --md name the same file" in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def journal(command: Command, tmp_path: Path) -> Path:
    """A good one."""
    assert command(*SHORT, "--out", str(tmp_path / "out")).code == 1
    return next((tmp_path / "out").iterdir())


def test_a_report_on_stdout_is_the_file_byte_for_byte(command: Command, journal: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    shown, written = command("report", str(journal)), command("report", str(journal), "--md", str(target))
    assert (shown.code, written.code, written.out) == (0, 0, "")
    assert shown.out == target.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["monday-rush-idle-1", "monday-rush-idle-1.jsonl"])
def test_a_journal_of_the_state_folder_is_found_by_its_name(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert command(*SHORT).code == 1
    assert command("replay", name).out.startswith("identical: ")
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("no journal", encoding="utf-8")
    assert "is not a drillbox journal" in command("replay", name).err, "what is here goes first"


def test_a_journal_that_is_nowhere_is_named_as_it_was_given(command: Command) -> None:
    ran = command("report", "nothing-you-1")
    assert (ran.code, ran.err) == (2, "drillbox: cannot read the journal nothing-you-1: No such file or directory\n")


@pytest.mark.parametrize("name", ["replay", "report"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [*lines[:9], *lines[10:]], ":10: the journal is damaged here: event 9 where 8 should be"),
        (lambda lines: [*lines[:9], "{nonsense", *lines[10:]], ":10: the journal is damaged here"),
        (lambda lines: [lines[0].replace('"schema":1', '"schema":99'), *lines[1:]], "has journal schema 99"),
        (lambda lines: lines[1:], "is not a drillbox journal: its first line is no header"),
        (lambda lines: ["x" for _ in lines], "is not a drillbox journal"),
    ],
)
def test_a_damaged_journal_is_named_with_its_line(
    command: Command, journal: Path, name: str, damage: Callable[[list[str]], list[str]], message: str
) -> None:
    lines = journal.read_text(encoding="utf-8").splitlines()
    journal.write_text("\n".join(damage(lines)) + "\n", encoding="utf-8")
    ran = command(name, str(journal))
    assert (ran.code, ran.out) == (2, "")
    assert f"{journal}" in ran.err
    assert message in ran.err


@pytest.mark.parametrize("name", ["replay", "report"])
def test_what_may_never_end_is_not_read(command: Command, tmp_path: Path, name: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ran = command(name, str(pipe))
    assert (ran.code, ran.err) == (2, f"drillbox: cannot read the journal {pipe}: it is not a regular file\n")


def test_a_hundred_megabytes_of_nothing_are_no_journal(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    ran = command("report", str(path))
    assert ran.code == 2
    assert "is not a drillbox journal" in ran.err


def test_a_changed_event_is_named_with_its_number(command: Command, journal: Path) -> None:
    """One digit of one number of one event."""
    lines = journal.read_text(encoding="utf-8").splitlines()
    number = next(place for place in range(len(lines) // 2, len(lines)) if '"is":"Observed"' in lines[place + 1])
    event = json.loads(lines[number + 1])
    event["slis"]["request_rate"] += 1.0
    lines[number + 1] = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    journal.write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = command("replay", str(journal))
    assert ran.code == 1
    assert ran.out.startswith(f"event {number} differs:\n  journal: ")
