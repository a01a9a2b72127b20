"""Fixtures for pytest, found through the entry point `drillbox`: drills in a team's own tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from .sandbox.drill import Result


class PlayDrill(Protocol):
    """Plays a drill headless and judges it; see `drillbox.run_drill`."""

    def __call__(
        self, scenario: str | Path, operator: str = "reference", seed: int = 1, *, profile: str = "", stack: str = "sim"
    ) -> Result:
        """The drill's result; its journal is in the test's own temporary folder."""


@pytest.fixture
def play_drill(tmp_path: Path) -> PlayDrill:
    """Plays drills, with their journals in the test's own temporary folder.

    Example::

        def test_our_runbook_saves_the_day(play_drill):
            result = play_drill("monday-rush", operator="runbooks/overload.yaml", profile="short")
            assert result.passed, result.judgement.reasons
            assert result.impact > 70
    """
    from .wiring import run_drill

    play: Callable[..., Result] = partial(run_drill, out=tmp_path / "drills")
    return play
