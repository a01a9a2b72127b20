"""Burn rates and budgets of the cockpit are those of the monitor, though it knows only the counts of events."""

from __future__ import annotations

import pytest

from drillbox.sandbox.model.events import Alerted, Observed
from drillbox.sandbox.model.scenario import Objective
from drillbox.sandbox.monitor.objectives import BUDGET_PERIOD, BURN_WINDOWS, budget_remaining
from drillbox.sandbox.session import DrillSession
from drillbox.tui.cockpit import budgets, money
from drillbox.tui.cockpit.budgets import Sample, share_bad, standing
from drillbox.tui.cockpit.picture import Picture, fold

GOAL = Objective("availability", "availability", 0.99)


def samples(*counts: tuple[float, float]) -> list[Sample]:
    """One every 5 s."""
    return [Sample(5.0 * number, Observed({"availability": 0.5}, {"availability": one}, {})) for number, one in enumerate(counts)]


def test_the_windows_are_those_of_the_monitor() -> None:
    assert set(budgets.WINDOWS.values()) == {(one.long, one.short, one.burn) for one in BURN_WINDOWS}
    assert budgets.BUDGET_PERIOD == BUDGET_PERIOD


def test_burn_rates_are_those_at_which_the_alerts_fired(rush: DrillSession) -> None:
    """An alert's value is the burn rate over its long window at the evaluation at which it changed."""
    seen = fold(Picture(), rush.snapshot(), rush.events())
    checked = 0
    for event in rush.events():
        body = event.body
        if not isinstance(body, Alerted) or "window" not in body.labels or body.state != "firing":
            continue
        goal = next(one for one in rush.scenario.objectives if one.id == body.labels["objective"])
        counts = [(one.at, one.body.counts[goal.id]) for one in seen.samples if one.at <= event.at]
        bad = share_bad(counts, budgets.WINDOWS[body.labels["window"]][0])
        assert bad is not None
        assert bad / (1 - goal.target) == pytest.approx(body.value, rel=0.05)
        checked += 1
    assert checked >= 4


def test_the_budget_is_what_the_monitor_says_of_the_drill(rush: DrillSession) -> None:
    seen = fold(Picture(), rush.snapshot(), rush.events())
    for goal in rush.scenario.objectives:
        (good0, total0), (good, total) = (seen.samples[index].body.counts[goal.id] for index in (0, -1))
        expected = budget_remaining(goal, good - good0, total - total0, seen.samples[-1].at)
        assert standing(goal, seen.samples).budget == pytest.approx(expected)


def test_nothing_bad_burns_nothing_and_nothing_at_all_is_no_data() -> None:
    fine = standing(GOAL, samples((0, 0), (100, 100), (200, 200)))
    assert (fine.burn_short, fine.burn_long, fine.budget) == (0.0, 0.0, 1.0)
    silent = standing(GOAL, samples((50, 50), (50, 50)))
    assert (silent.burn_short, silent.burn_long, silent.budget) == (None, None, 1.0)
    assert standing(GOAL, []).now is None


def test_all_bad_burns_a_hundredfold_of_a_percent() -> None:
    counts = [(1000.0 + min(0, number), 1000.0 + 50.0 * number) for number in range(100)]
    stands = standing(GOAL, samples(*counts))
    assert stands.burn_short == pytest.approx(100.0)
    assert stands.burn_long == pytest.approx(100.0, rel=0.01)
    assert stands.budget == pytest.approx(1.0 - 100.0 * 495.0 / BUDGET_PERIOD)
    assert stands.paging


def test_money_is_what_scoring_says(rush: DrillSession) -> None:
    from drillbox.sandbox.scoring.harm import harm_of

    seen = fold(Picture(), rush.snapshot(), rush.events())
    prices = rush.scenario.world.prices
    ledger = seen.samples[-1].body.ledger
    assert money.harm_of(ledger, prices) == pytest.approx(harm_of(ledger, prices).total)
    assert money.parts_of(ledger, prices) == pytest.approx(harm_of(ledger, prices).parts())
    rates = money.rate_history(seen.samples, prices)
    assert rates[0][1] is None
    assert rates[-1][1] == pytest.approx(
        (money.harm_of(ledger, prices) - money.harm_of(seen.samples[-7].body.ledger, prices)) * 2
    )
