"""Drills side by side: the same results as one after the other, told in the order of the names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.events import Ended

NAMES = ("slow-afternoon", "monday-rush")
SHORT = ("--profile", "short", "--operator", "idle", "--json", "-")


def results(out: str) -> list[dict[str, object]]:
    """What was told of each drill, but for the journal's path."""
    found = json.loads(out)
    for one in found:
        one.pop("journal", None)
    return list(found)


def test_workers_play_the_same_drills(command: Callable[..., object]) -> None:
    alone, together = command("run", *NAMES, *SHORT), command("run", *NAMES, *SHORT, "--jobs", "2")
    assert (together.code, alone.code) == (1, 1)
    assert [one["scenario"] for one in results(together.out)] == list(NAMES)
    assert results(together.out) == results(alone.out)


def test_one_that_is_invalid_does_not_end_the_others(command: Callable[..., object], tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("schema: 1\nid: bad\n", encoding="utf-8")
    ran = command("run", str(bad), NAMES[0], *SHORT, "--jobs", "2")
    told = results(ran.out)
    assert ran.code == 2
    assert [one["exit_code"] for one in told] == [2, 1]
    assert "title" in str(told[0]["error"])


@pytest.mark.parametrize("jobs", ["0", "65", "two"])
def test_a_wrong_number_of_workers_is_refused(command: Callable[..., object], jobs: str) -> None:
    ran = command("run", "--all", "--jobs", jobs)
    assert ran.code == 2
    assert "--jobs" in ran.err


def test_an_interruption_ends_all_of_them(drillbox_home: Path, tmp_path: Path) -> None:
    """As a terminal sends it: to the whole process group."""
    names = [name for _ in range(20) for name in NAMES]
    process = subprocess.Popen(
        [sys.executable, "-m", "drillbox", "run", *names, "--jobs", "2", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()  # one is over, others are being played
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert NAMES[0] in first
    assert process.returncode == 130
    assert len(out.splitlines()) < len(names) - 1
    journals = list(tmp_path.glob("*.jsonl"))
    assert journals
    played = [read_journal(path).events for path in journals]
    assert all(isinstance(events[-1].body, Ended) for events in played if events)  # some had not begun
    assert drillbox_home.is_dir()
