"""`replay` and `report`: a journal is enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def journal(drillbox: Command, journals: Callable[[], list[Path]]) -> Path:
    """The journal of a drill that the reference won."""
    drillbox("run", "toy-rush", "--profile", "short", "--seed", "5")
    [path] = journals()
    return path


def test_a_replay_is_identical(drillbox: Command, journal: Path) -> None:
    ran = drillbox("replay", journal)
    events = len(journal.read_bytes().splitlines()) - 1
    assert (ran.code, ran.out) == (0, f"identical: {events} events\n")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_a_journal_that_breaks_off_is_compared_as_far_as_it_goes(drillbox: Command, journal: Path, share: float) -> None:
    raw = journal.read_bytes()
    journal.write_bytes(raw[: max(raw.index(b"\n") + 1, int(len(raw) * share))])
    ran = drillbox("replay", journal)
    assert ran.code == 0
    assert ran.out.startswith("identical: ")
    assert "breaks off" in ran.out


def test_the_first_event_that_differs_is_named(drillbox: Command, journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    place = next(index for index, line in enumerate(lines) if b'"request_rate":480.0' in line)
    lines[place] = lines[place].replace(b'"request_rate":480.0', b'"request_rate":481.0')
    journal.write_bytes(b"".join(lines))
    ran = drillbox("replay", journal)
    assert ran.code == 1
    first, then, now = ran.out.splitlines()
    assert first == f"event {place - 1} differs:"
    assert "481.0" in then
    assert "480.0" in now


def test_a_difference_may_come_from_another_machine(drillbox: Command, journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    header = json.loads(lines[0])
    header["header"]["versions"]["numpy"] = "1.0"
    header["header"]["machine"] = "an abacus"
    lines[0] = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    lines[1] = lines[1].replace(b"Toy rush", b"Toy rash")
    journal.write_bytes(b"".join(lines))
    ran = drillbox("replay", journal)
    assert ran.code == 1
    assert "numpy 1.0" in ran.err
    assert "an abacus" in ran.err


@pytest.mark.parametrize("trouble", ["interrupt 100", "break 100", "interrupt 60", "interrupt 61", "interrupt 65"])
def test_a_drill_that_was_stopped_replays(
    drillbox: Command, journals: Callable[[], list[Path]], monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Also one that was stopped between a step's commands or faults and what was observed after them: here at 60 s."""
    monkeypatch.setenv("FAKE_AT", trouble)
    drillbox("run", "toy-rush", "--operator", "idle")
    monkeypatch.delenv("FAKE_AT")
    [path] = journals()
    ran = drillbox("replay", path)
    assert (ran.code, ran.out.partition(":")[0]) == (0, "identical"), ran.out


def test_a_report_goes_to_stdout_or_a_file(drillbox: Command, journal: Path, tmp_path: Path) -> None:
    ran = drillbox("report", journal)
    assert ran.code == 0
    assert ran.out.startswith("# Toy rush")
    target = tmp_path / "debrief.md"
    assert drillbox("report", journal, "--md", target).code == 0
    assert target.read_text(encoding="utf-8").strip() == ran.out.strip()


def test_a_report_of_a_journal_that_breaks_off(drillbox: Command, journal: Path) -> None:
    raw = journal.read_bytes()
    journal.write_bytes(raw[: len(raw) // 2])
    ran = drillbox("report", journal)
    assert ran.code == 0
    assert "the journal breaks off" in ran.out


@pytest.mark.parametrize("command", ["replay", "report"])
def test_what_is_no_journal_is_told(drillbox: Command, command: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n", encoding="utf-8")
    for name, said in [("nowhere.jsonl", "No such file"), ("text", "is not a drillbox journal"), (".", "Is a directory")]:
        ran = drillbox(command, tmp_path / name)
        assert ran.code == 2
        assert said in ran.err
        assert "Traceback" not in ran.err


def test_a_report_that_cannot_be_written(drillbox: Command, journal: Path, tmp_path: Path) -> None:
    ran = drillbox("report", journal, "--md", tmp_path)
    assert ran.code == 2
    assert "folder" in ran.err
