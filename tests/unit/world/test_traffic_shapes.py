"""Shapes as functions of drill time, the hours of the day from the schedule, and bursts from keyed luck."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.model.scenario import Prices, Traffic, WorldConfig
from drillbox.sandbox.model.traffic import Burst, Constant, Diurnal, Flow, PlainShape, Ramp, Replay, Shape, Spike, Step
from drillbox.sandbox.world.data import FlightData
from drillbox.sandbox.world.rates import BurstCourse, RateCurve, diurnal
from drillbox.sandbox.world.streams import Stream

MIDNIGHT = dt.datetime(2013, 7, 8)


def curve(data: FlightData, *shapes: Shape, seed: int = 1, begin: float = -1800.0, pace: float = 60.0) -> RateCurve:
    traffic = Traffic(100.0, (Flow(100.0, shapes),))
    config = WorldConfig("flights", MIDNIGHT, pace, traffic, Prices(0.1, 0.03, 0.05, 0.01, 0.6))
    return RateCurve(config, data, seed, begin)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        (Constant(0.5), {-10: 0.5, 1000: 0.5}),
        (Ramp(100, 50, 3), {0: 1, 100: 1, 125: 2, 150: 3, 900: 3}),
        (Ramp(100, 50, 0), {0: 1, 125: 0.5, 900: 0}),
        (Spike(100, 40, 5, 20), {99: 1, 110: 3, 120: 5, 140: 5, 150: 3, 160: 1, 999: 1}),
        (Spike(100, 40, 5), {99.9: 1, 100: 5, 139.9: 5, 140: 1}),
        (Spike(100, 10, 5, 20), {100: 1, 105: 2, 110: 3, 120: 3, 125: 2, 130: 1}),
        (Step(100, 2), {99.9: 1, 100: 2, 1e6: 2}),
        (Step(100, 2, 10), {99.9: 1, 100: 2, 109.9: 2, 110: 1}),
        (Replay((0, 10, 20), (1, 3, 2)), {-5: 1, 0: 1, 5: 2, 10: 3, 15: 2.5, 20: 2, 99: 2}),
        (Replay((0, 10, 20), (1, 3, 2), steps=True), {-5: 1, 5: 1, 10: 3, 19: 3, 20: 2, 99: 2}),
        (Replay((0, 10, 20), (1, 3, 2), repeat=True), {5: 2, 25: 2, 20: 1, 39.5: 2.05, -5: 2.5}),
        (Replay((5,), (2,), repeat=True), {0: 2, 9: 2}),
    ],
)
def test_plain_shapes(shape: PlainShape, wanted: dict[float, float]) -> None:
    assert {t: shape.at(t) for t in wanted} == pytest.approx(wanted)
    assert all(0 <= shape.at(t) <= shape.highest for t in wanted)


def test_a_rate_is_constant_within_a_second_and_has_the_value_of_its_middle(flight_data: FlightData) -> None:
    rate = curve(flight_data, Ramp(0, 100, 2))
    assert [rate(t) for t in (10.0, 10.3, 10.999, 11.0)] == pytest.approx([110.5, 110.5, 110.5, 111.5])
    assert rate(-0.2) == 100.0


def test_shapes_multiply_and_flows_add(flight_data: FlightData) -> None:
    one = curve(flight_data, Step(0, 2), Step(0, 3), Constant(0.5))
    assert one(5.0) == pytest.approx(300.0)
    flows = (Flow(100.0, (Step(0, 2),)), Flow(7.0))
    config = WorldConfig("flights", MIDNIGHT, 60.0, Traffic(107.0, flows), Prices(0.1, 0.03, 0.05, 0.01, 0.6))
    assert RateCurve(config, flight_data, 1, 0.0)(5.0) == pytest.approx(207.0)
    assert RateCurve(replace(config, traffic=Traffic(40.0)), flight_data, 1, 0.0)(5.0) == 40.0


def test_the_hours_of_the_day_are_those_of_the_schedule(flight_data: FlightData) -> None:
    """Counted again, flight by flight."""
    rate = curve(flight_data, Diurnal(3600.0, 0.0))
    day = (MIDNIGHT - dt.datetime(2013, 1, 1)).days * 1440
    mean = len(flight_data) / (365 * 24)
    for hour in (0, 3, 6, 12, 17, 23):
        middle = day + hour * 60 + 0.5
        leaving = np.sum((flight_data.departure >= middle) & (flight_data.departure < middle + 60))
        assert rate(hour * 60.0) == pytest.approx(100.0 * leaving / mean)
    assert rate(2 * 60.0) == 0.0, "no flight leaves between two and three in the morning"
    assert rate(7 * 60.0) > 150.0


def test_nobody_asks_at_night_but_the_few_that_the_floor_says(flight_data: FlightData) -> None:
    assert curve(flight_data, Diurnal(3600.0, 0.1))(2 * 60.0) == pytest.approx(10.0)


@pytest.mark.parametrize("ahead", [3600.0, 6 * 3600.0, 86400.0])
def test_over_a_year_the_hours_of_the_day_change_nothing(flight_data: FlightData, ahead: float) -> None:
    shape = Diurnal(ahead, 0.0)
    course = diurnal(shape, flight_data, 0.0, 60.0)
    factors = [course(float(t)) for t in range(0, 364 * 1440, 37)]
    assert np.mean(factors) == pytest.approx(1.0, abs=0.01)
    assert max(factors) <= shape.highest


BURST = Burst(3.0, calm=120.0, busy=30.0)


def test_bursts_have_the_mean_and_the_lengths_that_were_asked_for() -> None:
    course = BurstCourse(BURST, Stream(3, "b"), 0.0)
    factors = np.array([course(t + 0.5) for t in range(400_000)])
    assert set(factors) == {1.0, 3.0}
    assert factors.mean() == pytest.approx(BURST.mean, rel=0.02)
    ends = np.flatnonzero(np.diff(factors)) + 1
    lengths = np.diff(ends)
    busy = lengths[factors[ends[:-1]] == 3.0]
    calm = lengths[factors[ends[:-1]] == 1.0]
    for found, mean in ((busy, 30.0), (calm, 120.0)):
        # Seconds are whole: the shortest sojourns are not seen, and so join their neighbours.
        assert found.mean() == pytest.approx(mean, rel=0.08)
        assert found.std() == pytest.approx(found.mean(), rel=0.08), "exponential: the deviation is the mean"


def test_a_drill_begins_in_either_state_as_often_as_in_the_long_run() -> None:
    began_busy = [BurstCourse(BURST, Stream(seed, "b"), 0.0)(0.0) == 3.0 for seed in range(2000)]
    share = BURST.busy / (BURST.busy + BURST.calm)
    assert np.mean(began_busy) == pytest.approx(share, abs=3 * math.sqrt(share * (1 - share) / 2000))


@settings(derandomize=True, max_examples=50, deadline=None)
@given(st.lists(st.floats(-10.0, 50_000.0), min_size=1, max_size=12))
def test_bursts_do_not_depend_on_what_was_asked_for_before(times: list[float]) -> None:
    course = BurstCourse(BURST, Stream(3, "b"), 0.0)
    again = [BurstCourse(BURST, Stream(3, "b"), 0.0)(t) for t in times]
    assert [course(t) for t in times] == again


def test_seeds_and_places_have_luck_of_their_own(flight_data: FlightData) -> None:
    def course(rate: RateCurve) -> list[float]:
        return [rate(float(t)) for t in range(3600)]

    usual = course(curve(flight_data, BURST))
    assert course(curve(flight_data, BURST)) == usual
    assert course(curve(flight_data, BURST, seed=2)) != usual
    both = course(curve(flight_data, BURST, BURST))
    assert 900.0 in both, "two bursts at one time"
    assert 300.0 in both, "and one without the other"
