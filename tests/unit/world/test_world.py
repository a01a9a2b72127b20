"""The world of a drill as a whole, and its price list."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.scenario import Prices, Traffic, WorldConfig
from drillbox.sandbox.world import prices as priced
from drillbox.sandbox.world.flights import World, open_world
from drillbox.sandbox.world.rules import EVENING

PRICES = Prices(failed=0.05, slow=0.01, missed=0.03, false_alarm=0.01, replica_hour=1.0)
CONFIG = WorldConfig("flights", dt.datetime(2013, 3, 15, 8), 60.0, Traffic(50.0), PRICES)


@pytest.fixture
def world(warm_home: Path) -> World:
    return open_world(CONFIG, 600, 60, 7)


def test_rows_do_not_depend_on_how_requests_come_in_steps(world: World) -> None:
    arrivals, ids, all_times = world.arrivals(), [], []
    for second in range(-60, 600):
        first, times = arrivals.step(second, second + 1, 40.0)
        ids.append(world.examples_for(first, times))
        all_times.append(times)
    again = world.examples_for(0, np.concatenate(all_times))
    assert len(again) > 20_000
    assert np.array_equal(np.concatenate(ids), again)
    assert again.min() >= 0
    assert again.max() < len(world.examples)


def test_seeds_give_other_rows_of_the_same_examples(world: World) -> None:
    other = open_world(CONFIG, 600, 60, 8)
    times = np.linspace(0, 599, 5000)
    assert other.examples.digest == world.examples.digest
    assert np.mean(other.examples_for(0, times) == world.examples_for(0, times)) < 0.05


def test_labels_become_known_in_drill_time(world: World) -> None:
    ids = world.examples_for(0, np.linspace(0, 599, 1000))
    seconds = world.known_at[ids]
    arrival = np.array([world.calendar(t) for t in seconds])
    expected = dt.datetime(2013, 1, 1) + np.array([dt.timedelta(minutes=int(m)) for m in world.examples.known_at[ids]])
    assert np.abs(arrival - expected).max() < dt.timedelta(seconds=1)


def test_rules_call_evening_flights_late(world: World) -> None:
    hours = world.data.hour[world.examples.rows]
    assert np.array_equal(world.rule_scores == 1.0, hours >= EVENING)
    assert set(np.unique(world.rule_scores)) == {0.0, 1.0}
    late, called = world.examples.labels == 1, hours >= EVENING
    expected = PRICES.missed * np.sum(late & ~called) + PRICES.false_alarm * np.sum(~late & called)
    assert world.rule_costs().sum() == pytest.approx(expected)


def test_prices_of_this_world(world: World) -> None:
    world.validate_prices()
    cheap = dataclasses.replace(world, config=dataclasses.replace(CONFIG, prices=dataclasses.replace(PRICES, failed=0.001)))
    with pytest.raises(UsageError, match=r"a failed request costs 0.001, but the best constant .* 0\.00\d+ \(.*% of the flights"):
        cheap.validate_prices()


def test_unknown_world_and_calendar_are_refused_before_any_data_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRILLBOX_HOME", str(tmp_path / "home"))
    with pytest.raises(UsageError, match="unknown world 'flight'; did you mean 'flights'"):
        open_world(dataclasses.replace(CONFIG, name="flight"), 600, 60, 7)
    with pytest.raises(UsageError, match="leaves the data"):
        open_world(dataclasses.replace(CONFIG, start=dt.datetime(2015, 1, 1)), 600, 60, 7)
    assert not (tmp_path / "home").exists()


def test_costs_of_the_four_outcomes() -> None:
    scores, labels = np.array([0.9, 0.1, 0.9, 0.1, 0.25]), np.array([1, 1, 0, 0, 0], dtype=np.uint8)
    assert priced.prediction_costs(scores, labels, 0.25, PRICES).tolist() == [0.0, 0.03, 0.01, 0.0, 0.01]


@settings(derandomize=True, max_examples=60)
@given(st.floats(0.01, 10), st.floats(0.01, 10), st.floats(0, 1))
def test_threshold_is_where_both_predictions_cost_the_same(missed: float, false_alarm: float, p: float) -> None:
    prices = dataclasses.replace(PRICES, missed=missed, false_alarm=false_alarm)
    cheaper_to_say_late = (1 - p) * false_alarm < p * missed
    threshold = priced.decision_threshold(prices)
    if abs(p - threshold) > 1e-9:
        assert (p > threshold) == cheaper_to_say_late


def test_best_constant() -> None:
    labels = np.array([1, 0, 0, 0], dtype=np.uint8)
    assert priced.best_constant_cost(labels, PRICES) == pytest.approx(0.0075)
    assert priced.best_constant_cost(1 - labels, PRICES) == pytest.approx(0.0025)
    assert priced.decision_threshold(dataclasses.replace(PRICES, missed=0.0, false_alarm=0.0)) == 0.5
