"""Training at a moment of the calendar never sees what becomes known later, and nothing is judged on what it was trained on."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from drillbox.sandbox.learning import snapshots
from drillbox.sandbox.learning.evaluation import HELD_OUT_HOURS, held_out
from drillbox.sandbox.learning.snapshots import Snapshot
from drillbox.sandbox.world.calendar import FIRST, minutes_of
from drillbox.sandbox.world.data import OBSERVED_AFTER, FlightData, departure_hour

HOUR = 60


@dataclass(frozen=True)
class Recipe:
    """How a snapshot is taken."""

    hour: int  # of the year, its end
    minute: int
    days: int
    before_hour: int
    as_on_time: bool

    @property
    def until(self) -> dt.datetime:
        return FIRST + dt.timedelta(hours=self.hour, minutes=self.minute)

    def take(self, data: FlightData) -> Snapshot:
        start = self.until - dt.timedelta(days=self.days)
        return snapshots.take(data, start, self.until, before_hour=self.before_hour, as_on_time=self.as_on_time)


RECIPES = st.builds(
    Recipe,
    hour=st.integers(24, 8700),
    minute=st.integers(0, 59),
    days=st.integers(1, 60),
    before_hour=st.sampled_from([12, 24]),
    as_on_time=st.booleans(),
)


def another_future(data: FlightData, now: float, seed: int) -> FlightData:
    """The same past, and everything that becomes known after minute `now` otherwise: labels, arrivals and the weather."""
    luck = np.random.default_rng(seed)
    later = data.known_at > now
    weather = data.weather.copy()
    unknown = np.arange(data.hours) * HOUR + OBSERVED_AFTER > now
    weather[:, unknown] = luck.normal(size=weather[:, unknown].shape)
    soonest = np.maximum(data.departure, int(now)) + 1
    return dataclasses.replace(
        data,
        label=np.where(later, luck.integers(0, 2, len(data)), data.label).astype(data.label.dtype),
        known_at=np.where(later, soonest + luck.integers(0, 2000, len(data)), data.known_at).astype(data.known_at.dtype),
        weather=weather,
    )


@given(RECIPES)
@settings(max_examples=40)
def test_a_snapshot_holds_nothing_that_is_known_later(flight_data: FlightData, recipe: Recipe) -> None:
    taken, now = recipe.take(flight_data), minutes_of(recipe.until)
    rows = taken.rows
    assert (departure_hour(flight_data, rows) * HOUR + OBSERVED_AFTER <= now).all(), "weather"
    assert (flight_data.departure[rows] < now).all()
    assert (flight_data.departure[rows] >= minutes_of(taken.start)).all()
    known = flight_data.known_at[rows] <= now
    assert known.all() or recipe.as_on_time
    assert_array_equal(taken.labels, np.where(known, flight_data.label[rows], 0))
    assert (flight_data.hour[rows] < recipe.before_hour).all()


@given(RECIPES, st.integers(0, 10))
@settings(max_examples=25)
def test_another_future_gives_the_same_snapshot(flight_data: FlightData, recipe: Recipe, seed: int) -> None:
    other = another_future(flight_data, minutes_of(recipe.until), seed)
    here, there = recipe.take(flight_data), recipe.take(other)
    assert_array_equal(here.rows, there.rows)
    assert_array_equal(here.labels, there.labels)
    assert_array_equal(here.features, there.features)
    assert here.digest == there.digest
    assert here.lineage(0.25) == there.lineage(0.25)


def test_another_past_gives_another_digest(flight_data: FlightData) -> None:
    """What the test above would say if the digest saw nothing."""
    recipe = Recipe(hour=4000, minute=0, days=10, before_hour=24, as_on_time=False)
    taken = recipe.take(flight_data)
    digests = {taken.digest}
    for column, place in (("label", taken.rows[7]), ("carrier", taken.rows[-1])):
        changed = getattr(flight_data, column).copy()
        changed[place] = 1 - min(1, changed[place])
        digests.add(recipe.take(dataclasses.replace(flight_data, **{column: changed})).digest)
    weather = flight_data.weather.copy()
    weather[flight_data.origin[taken.rows[0]], flight_data.departure[taken.rows[0]] // HOUR, 0] += 1.0
    digests.add(recipe.take(dataclasses.replace(flight_data, weather=weather)).digest)
    assert len(digests) == 4
    later = another_future(flight_data, minutes_of(recipe.until) - 600.0, 1)
    assert recipe.take(later).digest not in digests, "ten hours of it are another past"


@given(RECIPES, st.integers(1, 60), st.integers(0, 240))
@settings(max_examples=40)
def test_what_is_held_out_was_not_trained_on_by_either(
    flight_data: FlightData, recipe: Recipe, champion_days: int, younger: int
) -> None:
    """As the loop does it: the evaluation begins where both training windows have ended, however young the champion is."""
    candidate = recipe.take(flight_data)
    champion = dataclasses.replace(recipe, hour=max(24, recipe.hour - 120 + younger), days=champion_days).take(flight_data)
    end = minutes_of(recipe.until) + HELD_OUT_HOURS * HOUR
    now = end + 10 * HOUR
    start = max(end - HELD_OUT_HOURS * HOUR, *(minutes_of(one.until) for one in (candidate, champion)))
    rows = held_out(flight_data, start, end, now)
    for one in (candidate, champion):
        assert np.intersect1d(rows, one.rows).size == 0
    assert (flight_data.known_at[rows] <= now).all()
    assert (flight_data.departure[rows] < end).all()
    other = another_future(flight_data, now, 1)
    assert_array_equal(held_out(other, start, end, now), rows)


def test_a_window_that_is_over_before_it_begins_holds_nothing_out(flight_data: FlightData) -> None:
    assert held_out(flight_data, 5000.0, 4000.0, 9000.0).size == 0


def test_labels_that_have_not_come_count_as_on_time_only_if_asked(flight_data: FlightData) -> None:
    recipe = Recipe(hour=24 * 175, minute=0, days=2, before_hour=24, as_on_time=False)
    patient, hasty = recipe.take(flight_data), dataclasses.replace(recipe, as_on_time=True).take(flight_data)
    now = minutes_of(recipe.until)
    assert set(patient.rows) < set(hasty.rows)
    missing = ~np.isin(hasty.rows, patient.rows)
    assert (flight_data.known_at[hasty.rows[missing]] > now).all()
    assert not hasty.labels[missing].any()
    assert flight_data.label[hasty.rows[missing]].mean() > patient.late, "just the late ones are those that have not landed"
    assert hasty.late < patient.late


def test_a_window_begins_with_the_data_at_the_earliest(flight_data: FlightData) -> None:
    taken = Recipe(hour=72, minute=0, days=60, before_hour=24, as_on_time=False).take(flight_data)
    assert taken.start == FIRST
    assert taken.rows[0] == 0
    assert taken.late == pytest.approx(taken.labels.mean())
    nothing = snapshots.take(flight_data, FIRST - dt.timedelta(days=3), FIRST - dt.timedelta(days=2))
    assert len(nothing.rows) == 0
    assert np.isnan(nothing.late)
