"""For all tests of the terminal UI: flight data read once, and the journal of a drill."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: tui_kit

from tui_kit import played


@pytest.fixture(scope="session")
def journal(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the first incident, short, played as its reference would."""
    assert session_home.is_dir()
    return played(tmp_path_factory.mktemp("played"))


@pytest.fixture
def drill_of_mine(journal: Path, drillbox_home: Path) -> Path:
    """The same among the drills of this test's state folder."""
    there = drillbox_home / "drills" / "monday-rush-you-1.jsonl"
    there.parent.mkdir()
    there.write_bytes(journal.read_bytes())
    return there
