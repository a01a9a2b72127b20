"""`drillbox.run_drill` and the fixture `play_drill`, as somebody uses them who has only installed the package."""

from __future__ import annotations

from pathlib import Path

import pytest

import drillbox
from drillbox.sandbox.drill import Result
from drillbox.sandbox.model.errors import UsageError

RUNBOOK = """\
id: ours
steps:
  - {at: 40s, do: set-autoscaler, with: {minimum: 8, maximum: 10}}
"""


def test_the_fixture_needs_no_import_and_writes_nowhere_else(play_drill, tmp_path: Path, drillbox_home: Path) -> None:
    result = play_drill("monday-rush", profile="short")
    assert result.passed, result.judgement.reasons
    assert result.impact == pytest.approx(100.0)
    assert result.journal is not None
    assert result.journal.parent == tmp_path / "drills"
    assert not (drillbox_home / "drills").exists()


def test_a_teams_own_runbook_is_judged(play_drill, tmp_path: Path) -> None:
    ours = tmp_path / "ours.yaml"
    ours.write_text(RUNBOOK, encoding="utf-8")
    result = play_drill("monday-rush", operator=str(ours), profile="short")
    assert isinstance(result, Result)
    assert result.operator == "ours"
    assert result.impact is not None
    assert result.impact > 100, "sooner than the reference"
    assert result.times.detected is None


def test_run_drill_of_nothing_says_what_there_is() -> None:
    with pytest.raises(UsageError, match="unknown scenario 'monday-rash'; did you mean 'monday-rush'?"):
        drillbox.run_drill("monday-rash")
