"""What requests ask: the candidates by definition, uniformly, and with nothing from the future."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drillbox.sandbox.world.calendar import minutes_of
from drillbox.sandbox.world.data import FlightData
from drillbox.sandbox.world.draws import FEWEST, HORIZON, Draws

START = minutes_of(dt.datetime(2013, 3, 4, 6, 30))
FIRST, LAST = -300.0, 1200.0
quick = settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
times_of_drill = st.one_of(st.floats(FIRST, LAST), st.integers(int(FIRST), int(LAST)).map(float))


@pytest.fixture(scope="module")
def draws(flight_data: FlightData) -> Draws:
    """A day at one calendar minute a second, night included."""
    return Draws(flight_data, START, 60.0, FIRST, LAST)


def qualifying(data: FlightData, minute: float) -> np.ndarray:
    """The candidates, by their definition."""
    soon = np.flatnonzero((data.departure >= minute) & (data.departure < minute + HORIZON))
    return soon if len(soon) >= FEWEST else np.flatnonzero(data.departure >= minute)[:FEWEST]


@quick
@given(t=times_of_drill)
def test_candidates_and_weather_are_those_of_the_definition(draws: Draws, flight_data: FlightData, t: float) -> None:
    minute = START + t
    expected = qualifying(flight_data, minute)
    u = (np.arange(len(expected)) + 0.5) / len(expected)
    ids = draws.examples_for(np.full(len(u), t), u)
    assert np.array_equal(draws.examples.rows[ids], expected)
    assert set(draws.examples.weather_hours[ids]) == {int(minute // 60) - 1}


@quick
@given(t=times_of_drill, u=st.floats(0, 1, exclude_max=True))
def test_nothing_asked_comes_from_the_future(draws: Draws, flight_data: FlightData, t: float, u: float) -> None:
    """All weather recorded, all delays and all labels known after the request can be other ones: the features stay the same."""
    minute = START + t
    ids = draws.examples_for(np.array([t]), np.array([u]))
    weather = flight_data.weather.copy()
    weather[:, int(minute // 60) :] += 1000.0  # the hour that has begun is only known when it is over
    unknown = flight_data.known_at > minute
    other = dataclasses.replace(
        flight_data,
        weather=weather,
        label=np.where(unknown, 1 - flight_data.label, flight_data.label),
        known_at=np.where(unknown, flight_data.known_at + 60, flight_data.known_at),
    )
    elsewhere = Draws(other, START, 60.0, FIRST, LAST)
    assert np.array_equal(elsewhere.examples_for(np.array([t]), np.array([u])), ids)
    then = elsewhere.examples.data.features(elsewhere.examples.rows[ids], elsewhere.examples.weather_hours[ids])
    np.testing.assert_array_equal(then, draws.examples.features[ids])


def test_a_label_is_never_known_when_its_flight_is_asked_about(draws: Draws, flight_data: FlightData) -> None:
    t = np.linspace(FIRST, LAST, 20_000)
    ids = draws.examples_for(t, np.random.default_rng(1).random(len(t)))
    asked = START + t
    assert np.all(flight_data.departure[draws.examples.rows[ids]] >= asked)
    assert np.all(draws.examples.known_at[ids] > asked)
    # Not only here: a flight may leave ahead of its schedule, but none landed before its scheduled departure.
    assert np.all(flight_data.known_at > flight_data.departure)


def test_at_night_there_are_still_enough_flights(draws: Draws, flight_data: FlightData) -> None:
    late = minutes_of(dt.datetime(2013, 3, 4, 23, 30)) - START
    assert len(qualifying(flight_data, START + late)) == FEWEST
    ids = draws.examples_for(np.full(2000, late), np.linspace(0, 1, 2000, endpoint=False))
    assert len(np.unique(ids)) == FEWEST


def test_examples_are_unique_and_all_of_the_window(draws: Draws) -> None:
    examples = draws.examples
    pairs = examples.rows.astype(np.int64) * 10_000 + examples.weather_hours
    assert len(np.unique(pairs)) == len(examples)
    assert np.array_equal(examples.labels, examples.data.label[examples.rows])
    minutes = np.arange(FIRST - 30, LAST + 30)  # the window's hours are whole ones
    t = np.repeat(np.concatenate([minutes, minutes + 0.5]), 700)
    drawn = np.unique(draws.examples_for(t, np.tile(np.linspace(0, 1, 700, endpoint=False), 2 * len(minutes))))
    assert len(drawn) == len(examples)  # and none that no request can ask


def test_digest_tells_windows_data_and_code_apart(draws: Draws, flight_data: FlightData) -> None:
    digests = {
        draws.examples.digest,
        Draws(flight_data, START + 60, 60.0, FIRST, LAST).examples.digest,
        Draws(dataclasses.replace(flight_data, data_hash="other"), START, 60.0, FIRST, LAST).examples.digest,
        Draws(dataclasses.replace(flight_data, code_version="other"), START, 60.0, FIRST, LAST).examples.digest,
    }
    assert len(digests) == 4
    assert Draws(flight_data, START, 60.0, FIRST, LAST).examples.digest in digests


def test_no_request_no_example(draws: Draws) -> None:
    assert draws.examples_for(np.empty(0), np.empty(0)).shape == (0,)


@pytest.mark.parametrize("t", [FIRST - 3600, LAST + 3600])
def test_times_outside_the_window_are_refused(draws: Draws, t: float) -> None:
    with pytest.raises(IndexError, match="leave the window"):
        draws.examples_for(np.array([t]), np.array([0.5]))
