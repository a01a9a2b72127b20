"""`run`: headless drills, their exit codes, and where results go."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_drillbox import SCENARIO, FakeWiring

from drillbox.sandbox.journal import read_journal

Command = Callable[..., Any]
Journals = Callable[[], list[Path]]

RUNBOOK = """\
id: slow-hand
steps:
  - {at: 5m, do: scale, with: {replicas: 8}}
"""


def test_the_reference_passes(drillbox: Command, journals: Journals, wiring: FakeWiring) -> None:
    ran = drillbox("run", "toy-rush", "--operator", "reference")
    assert ran.code == 0
    assert ran.out.startswith("PASSED   toy-rush reference seed 1  harm $")
    [path] = journals()
    assert read_journal(path).complete
    assert {(stack.ups, stack.downs) for stack in wiring.stacks_made} == {(1, 1)}, "those of idle and reference, too"


def test_idling_fails_with_reasons(drillbox: Command) -> None:
    ran = drillbox("run", "toy-rush", "--operator", "idle")
    assert ran.code == 1
    assert ran.out.startswith("FAILED   toy-rush idle seed 1")
    assert "available: 49.9" in ran.out
    assert "the target is 99.00%" in ran.out


def test_a_drill_of_a_script_says_nothing_but_its_line(drillbox: Command) -> None:
    ran = drillbox("run", "toy-rush")
    assert len(ran.out.splitlines()) == 1
    assert ran.err == ""


def test_a_runbook_file_plays(drillbox: Command, tmp_path: Path) -> None:
    book = tmp_path / "slow-hand.yaml"
    book.write_text(RUNBOOK, encoding="utf-8")
    ran = drillbox("run", "toy-rush", "--operator", book)
    assert (ran.code, ran.err) == (0, "")
    assert "toy-rush" in ran.out


def test_an_invalid_runbook_file_is_named_with_its_line(drillbox: Command, tmp_path: Path, journals: Journals) -> None:
    book = tmp_path / "slow-hand.yaml"
    book.write_text(RUNBOOK.replace("do: scale", "do: scael"), encoding="utf-8")
    ran = drillbox("run", "toy-rush", "--operator", book)
    assert ran.code == 2
    assert "slow-hand.yaml:3" in ran.err
    assert "did you mean 'scale'?" in ran.err
    assert journals() == []


def test_all_and_names_exclude_each_other(drillbox: Command) -> None:
    assert drillbox("run").code == 2
    assert drillbox("run", "toy-rush", "--all").code == 2
    assert drillbox("run", "--all", "--profile", "short").code == 0


def test_json_on_stdout_is_alone_there(drillbox: Command) -> None:
    ran = drillbox("run", "toy-rush", "--json", "-", "--seed", "7")
    [result] = json.loads(ran.out)
    assert (result["scenario"], result["operator"], result["seed"], result["verdict"]) == ("toy-rush", "reference", 7, "passed")
    assert result["exit_code"] == 0
    assert result["harm"]["total"] == pytest.approx(sum(value for part, value in result["harm"].items() if part != "total"))
    assert [goal["id"] for goal in result["objectives"]] == ["available", "fast"]
    assert Path(result["journal"]).is_file()


def test_the_gravest_code_wins_and_the_others_are_played(drillbox: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(SCENARIO.replace("fault: traffic.spike", "fault: traffic.spik"), encoding="utf-8")
    ran = drillbox("run", tmp_path / "bad.yaml", "toy-rush", "--operator", "idle", "--json", "-")
    assert ran.code == 2
    assert "did you mean 'traffic.spike'?" in ran.err
    broken, failed = json.loads(ran.out)
    assert (broken["verdict"], broken["exit_code"]) == ("not played", 2)
    assert "bad.yaml" in broken["error"]
    assert (failed["verdict"], failed["exit_code"]) == ("failed", 1)


def test_results_go_to_files(drillbox: Command, tmp_path: Path) -> None:
    data, text = tmp_path / "new" / "result.json", tmp_path / "debrief.md"
    ran = drillbox("run", "toy-rush", "--json", data, "--md", text, "--out", tmp_path / "here")
    assert ran.code == 0
    [result] = json.loads(data.read_text(encoding="utf-8"))
    assert Path(result["journal"]).parent == tmp_path / "here"
    assert text.read_text(encoding="utf-8").startswith("# Toy rush")
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob(".*"))


def test_a_journal_is_never_overwritten(drillbox: Command, journals: Journals) -> None:
    drillbox("run", "toy-rush")
    [first] = journals()
    before = first.read_bytes()
    drillbox("run", "toy-rush")
    assert len(journals()) == 2
    assert first.read_bytes() == before
    assert len({path.read_bytes() for path in journals()}) == 1, "the same seed gives the same bytes"


@pytest.mark.parametrize("option", ["--json", "--md"])
def test_an_unwritable_output_is_found_before_the_drill(
    drillbox: Command, option: str, tmp_path: Path, journals: Journals
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for target, what in [(tmp_path / "file" / "x", "file"), (tmp_path, "folder")]:
        ran = drillbox("run", "toy-rush", option, target)
        assert ran.code == 2
        assert str(tmp_path) in ran.err
        assert what in ran.err
    assert journals() == []


def test_an_unwritable_folder_for_journals_is_found_before_the_drill(
    drillbox: Command, tmp_path: Path, wiring: FakeWiring
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    ran = drillbox("run", "toy-rush", "--out", tmp_path / "file")
    assert ran.code == 2
    assert "file is in the way" in ran.err
    assert [stack.ups for stack in wiring.stacks_made] == [0]


def test_what_is_no_regular_file_is_written_to_and_not_replaced(drillbox: Command, tmp_path: Path) -> None:
    """A device must stay a device: here a pipe, for a test that failed would take a device away from the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        ran = drillbox("run", "toy-rush", "--json", pipe)
        received = os.read(reader, 1 << 16)
    finally:
        os.close(reader)
    assert ran.code == 0
    assert json.loads(received)[0]["verdict"] == "passed"
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_full_disk_is_told_after_the_drill(
    drillbox: Command, journals: Journals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "result.json"
    target.write_text("old", encoding="utf-8")
    monkeypatch.setattr("os.fsync", lambda file: full(file) if journals() else None)  # room until the drill has been played
    ran = drillbox("run", "toy-rush", "--json", target)
    assert ran.code == 2
    assert f"cannot write {target}: the disk is full" in ran.err
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert len(journals()) == 1, "the drill itself is safe"


def test_a_link_stays_a_link(drillbox: Command, tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old", encoding="utf-8")
    link.symlink_to(real)
    assert drillbox("run", "toy-rush", "--json", link).code == 0
    assert link.is_symlink()
    assert json.loads(real.read_text(encoding="utf-8"))[0]["verdict"] == "passed"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(drillbox: Command, tmp_path: Path, journals: Journals) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    ran = drillbox("run", "toy-rush", "--json", locked / "x.json")
    assert ran.code == 2
    assert "it is not writable" in ran.err
    assert journals() == []
