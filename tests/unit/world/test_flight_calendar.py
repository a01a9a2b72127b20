"""Calendar minutes, and calendars that leave the data."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.world.calendar import FIRST, LAST, minutes_of, moment_of, validate_calendar, validate_window
from drillbox.sandbox.world.data import FlightData
from drillbox.sandbox.world.draws import FEWEST, candidates

START = dt.datetime(2013, 3, 4, 6)


@settings(derandomize=True, max_examples=50)
@given(st.datetimes(min_value=FIRST, max_value=LAST))
def test_minutes_and_moments_are_inverse(moment: dt.datetime) -> None:
    assert abs(moment_of(minutes_of(moment)) - moment) <= dt.timedelta(microseconds=1)


def test_known_minutes() -> None:
    assert minutes_of(FIRST) == 0
    assert minutes_of(dt.datetime(2013, 3, 1, 12, 30)) == 59 * 1440 + 750


def test_calendar_up_to_the_very_limits_is_valid() -> None:
    validate_calendar(START, 60.0, 1200, 300)
    validate_calendar(FIRST, 1.0, (LAST - FIRST).total_seconds(), 0)
    validate_calendar(LAST, 1.0, 0, (LAST - FIRST).total_seconds())


@pytest.mark.parametrize(
    ("start", "pace", "duration", "warmup"),
    [
        (FIRST, 1.0, 600, 1),
        (LAST, 1.0, 1, 0),
        (START, 86400.0, 600, 0),
        (START, 1e300, 600, 0),
        (dt.datetime(2014, 3, 4), 1.0, 600, 0),
        (dt.datetime(2012, 3, 4), 1.0, 600, 0),
    ],
)
def test_calendar_that_leaves_the_data_names_the_range(start: dt.datetime, pace: float, duration: float, warmup: float) -> None:
    with pytest.raises(UsageError, match="leaves the data.*2013-01-01 00:00 to 2013-12-31 00:00"):
        validate_calendar(start, pace, duration, warmup)


@pytest.mark.parametrize("pace", [0.0, -1.0, float("nan")])
def test_pace_must_be_positive(pace: float) -> None:
    with pytest.raises(UsageError, match="pace must be positive"):
        validate_calendar(START, pace, 1, 0)


def test_time_zones_are_refused() -> None:
    aware = START.replace(tzinfo=dt.UTC)
    with pytest.raises(UsageError, match="time zone"):
        validate_calendar(aware, 1.0, 1, 0)
    with pytest.raises(UsageError, match="time zone"):
        validate_window(aware, aware)


def test_training_windows() -> None:
    validate_window(FIRST, START)
    with pytest.raises(UsageError, match="is empty"):
        validate_window(START, START)
    with pytest.raises(UsageError, match="leaves the data"):
        validate_window(dt.datetime(2012, 12, 1), START)


def test_even_the_last_moment_has_flights_to_ask_about(flight_data: FlightData) -> None:
    _, number = candidates(flight_data, np.array([int(minutes_of(LAST))]))
    assert number[0] >= FEWEST
