"""The reference passes, doing nothing and every tempting move fails, and the alerts come as the scenario says: for five seeds each."""

from __future__ import annotations

import pytest

from drillbox.sandbox.scoring.expectations import first_firings, unmet
from drillbox.sandbox.scoring.verdict import Verdict, judge


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize(
    ("name", "profile"),
    [
        *((name, profile) for name in ("monday-rush", "after-the-burst", "slow-afternoon") for profile in ("", "short")),
        *((name, "") for name in ("stormy-sunday", "quiet-night", "quiet-decay", "after-the-holiday")),
    ],
)
def test_only_the_right_moves_win(scenario_named, playing, name: str, profile: str, seed: int) -> None:
    scenario = scenario_named(name, profile)
    assert len(scenario.tempting) >= 2
    for operator in ("idle", *scenario.runbooks):
        record = playing(scenario, operator, seed).record
        judgement = judge(record, scenario)
        expected = Verdict.PASSED if operator == "reference" else Verdict.FAILED
        assert judgement.verdict is expected, (operator, judgement.reasons)
        assert all(command.outcome == "completed" for command in record.commands), operator
        if operator in ("idle", "reference"):
            assert unmet(record, scenario) == (), operator
        if operator == "idle":
            # An order of alerts says nothing unless the first of them fires.
            fired = first_firings(record)
            assert {earlier for earlier, _ in scenario.alerts.order} <= fired.keys()
            assert scenario.alerts.order
            assert scenario.alerts.forbidden
