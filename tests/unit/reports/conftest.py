"""Real drills, compared and explained, for what is told of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.cli.playing import Request, play_headless
from drillbox.sandbox.drill import Result
from drillbox.wiring import Wiring


@pytest.fixture(scope="session")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, str], Result]:
    """`explained("monday-rush", "reference", "short")`: a drill's result with baselines and counterfactuals."""
    results: dict[tuple[str, str, str], Result] = {}
    out: Path = tmp_path_factory.mktemp("drills")

    def play(scenario: str, operator: str, profile: str) -> Result:
        key = (scenario, operator, profile)
        if key not in results:
            results[key] = play_headless(Wiring(), Request(scenario, operator, 1, profile, "sim", out), explain=True)
        return results[key]

    return play
