"""Windows: distinct flights, latest answers, mature cohorts, and the same figures as from the raw rows."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ks_2samp  # type: ignore[import-untyped]  # has no stubs
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score  # type: ignore[import-untyped]

from drillbox.sandbox.learning.drift import distribution
from drillbox.sandbox.learning.references import Reference
from drillbox.sandbox.learning.windows import HealthWindow, Maturity, Spans
from drillbox.sandbox.world.calendar import minutes_of
from drillbox.sandbox.world.data import CATEGORICAL, FEATURES, FlightData, Rows, departure_hour

EXACT = 1e-9
NOW = minutes_of(dt.datetime(2013, 7, 10, 12))
FIRST, LAST = NOW - 5 * 1440, NOW + 1440
V = "v1"
USUAL = (np.zeros(len(FEATURES)), np.full(len(FEATURES), 0.125))
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def data(flight_data: FlightData) -> FlightData:
    return flight_data


@pytest.fixture(scope="module")
def training_rows(data: FlightData) -> Rows:
    return data.learnable(NOW - 30 * 1440, NOW)


@pytest.fixture(scope="module")
def reference(data: FlightData, training_rows: Rows) -> Reference:
    matrix = features(data, training_rows)
    known = tuple(distribution(matrix[:, i], categorical=name in CATEGORICAL) for i, name in enumerate(FEATURES))
    return Reference(V, 0.3, known, distribution(scores(data, training_rows)), *USUAL)


def features(data: FlightData, rows: Rows) -> Floats:
    return data.features(rows, departure_hour(data, rows))


def scores(data: FlightData, rows: Rows) -> Floats:
    """A pretended model: later departures are later, with ties."""
    return data.hour[rows] / 24.0


def a_window(data: FlightData, spans: Spans | None = None) -> HealthWindow:
    first, last = np.searchsorted(data.departure, [FIRST, LAST])
    return HealthWindow(data, int(first), int(last), spans)


def answer(window: HealthWindow, data: FlightData, rows: Rows, times: Floats | None = None, version: str = V) -> None:
    """Each flight is asked about when it leaves, or now where it leaves later."""
    when = np.minimum(data.departure[rows], NOW).astype(np.float64) if times is None else times
    window.answered(version, when, rows, features(data, rows), scores(data, rows))


def label(window: HealthWindow, data: FlightData, rows: Rows, now: float, delay: float = 0.0) -> None:
    """The labels that have come by now."""
    come = rows[data.known_at[rows] + delay <= now]
    window.labelled(come, data.label[come])


def test_gauges_are_those_of_the_raw_rows(data: FlightData, training_rows: Rows, reference: Reference) -> None:
    window, asked = a_window(data), data.departing(FIRST, NOW + 360)
    answer(window, data, asked)
    label(window, data, asked, NOW)
    found = window.evaluate(V, NOW, reference)

    lately = asked[data.departure[asked] > NOW - 24 * 60]
    assert found.drift is not None
    assert found.drift.flights == len(lately)
    raw, known = features(data, lately), features(data, training_rows)
    for i, name in enumerate(FEATURES):
        reading, now, then = found.drift.features[name], raw[:, i], known[:, i]
        new = now[data.departure[lately] > NOW - 6 * 60]
        assert reading.null_excess == pytest.approx(np.mean(np.isnan(new)) - 0.125, abs=EXACT)
        assert reading.outside == pytest.approx(reference.feature(name).outside(new), abs=EXACT, nan_ok=True)
        assert reading.psi == pytest.approx(reference.feature(name).psi(now), abs=EXACT)
        if name not in CATEGORICAL:
            assert reading.ks == pytest.approx(
                ks_2samp(now[~np.isnan(now)], then[~np.isnan(then)], method="asymp").statistic, abs=EXACT
            )
    assert found.drift.prediction_psi == pytest.approx(reference.scores.psi(scores(data, lately)), abs=EXACT)

    mature = data.departing(NOW - 34 * 60, NOW - 10 * 60)
    mature = mature[data.known_at[mature] <= NOW]
    assert found.quality is not None
    assert found.quality.flights == len(mature) == found.maturity.matured
    truth, score = data.label[mature], scores(data, mature)
    assert found.quality.auc == pytest.approx(roc_auc_score(truth, score), abs=EXACT)
    assert found.quality.average_precision == pytest.approx(average_precision_score(truth, score), abs=EXACT)
    assert found.quality.brier == pytest.approx(brier_score_loss(truth, score), abs=EXACT)
    rows, judged, labels = window.judged(V, NOW)
    assert rows.tolist() == mature.tolist()
    assert np.array_equal(judged, score)
    assert np.array_equal(labels, truth)


def test_what_was_known_too_early_would_flatter_the_flights(data: FlightData, reference: Reference) -> None:
    """Late flights land late: of those that left lately, the known ones are more punctual than all of them."""
    window, asked = a_window(data, Spans(maturity_hours=10.0, quality_hours=24.0)), data.departing(FIRST, NOW)
    rates = []
    for hours in range(0, 48, 6):
        now = NOW - hours * 60
        left = data.departing(now - 8 * 60, now)
        rates.append((np.mean(data.label[left[data.known_at[left] <= now]]), np.mean(data.label[left])))
    known, all_of_them = np.mean(rates, axis=0)
    assert known < all_of_them - 0.02
    answer(window, data, asked)
    label(window, data, asked, NOW)
    found = window.evaluate(V, NOW, reference)
    whole = data.departing(NOW - 34 * 60, NOW - 10 * 60)
    assert found.quality is not None
    assert found.quality.late == pytest.approx(np.mean(data.label[whole]), abs=0.01)


def test_maturity_counts_every_flight_that_left_once(data: FlightData) -> None:
    window, asked = a_window(data), data.departing(FIRST, NOW + 360)
    answer(window, data, asked)
    label(window, data, asked, NOW)
    counts = window.evaluate(V, NOW, _no_reference()).maturity
    left = data.departing(NOW - 34 * 60, NOW)
    assert counts.matured + counts.pending == len(left)
    assert 0 <= counts.overdue <= 0.05 * len(left)
    assert counts.pending >= len(data.departing(NOW - 10 * 60, NOW))


def test_late_labels_are_overdue_and_their_hours_do_not_count(data: FlightData) -> None:
    window, asked = a_window(data), data.departing(FIRST, NOW + 360)
    answer(window, data, asked)
    label(window, data, asked, NOW, delay=24 * 60)
    found = window.evaluate(V, NOW, _no_reference())
    assert found.maturity.overdue > 500
    assert found.quality is None or found.quality.flights == found.maturity.matured
    rows, _, _ = window.judged(V, NOW)
    for hour in np.unique(data.departure[rows] // 60):
        cohort = data.departing(hour * 60, hour * 60 + 60)
        assert np.mean(data.known_at[cohort] + 24 * 60 <= NOW) >= 0.95


def test_no_labels_no_quality(data: FlightData) -> None:
    window, asked = a_window(data), data.departing(FIRST, NOW)
    answer(window, data, asked)
    found = window.evaluate(V, NOW, _no_reference())
    assert found.quality is None
    assert found.maturity == Maturity(0, len(data.departing(NOW - 34 * 60, NOW)), len(data.departing(NOW - 34 * 60, NOW - 600)))


def test_nothing_asked_nothing_known(data: FlightData) -> None:
    window = a_window(data)
    window.answered(V, np.empty(0), np.empty(0, dtype=np.int32), np.empty((0, len(FEATURES))), np.empty(0))
    found = window.evaluate(V, NOW, _no_reference())
    assert (found.drift, found.quality, found.maturity) == (None, None, Maturity(0, 0, 0))


def test_versions_are_judged_apart(data: FlightData) -> None:
    window, asked = a_window(data), data.departing(FIRST, NOW)
    answer(window, data, asked, version="champion")
    answer(window, data, asked[:1000], version="candidate")
    assert len(window.recent("champion", NOW)[0]) == len(data.departing(NOW - 1440 + 1, NOW))
    assert window.recent("candidate", NOW)[0].size == 0


def test_data_quality_sees_what_is_new_first(data: FlightData, reference: Reference) -> None:
    """Six hours after pressures began to come in another unit they are all out of range, and so are the missing values."""
    window, asked = a_window(data), data.departing(FIRST, NOW + 360)
    answer(window, data, asked)
    new = data.departing(NOW - 360, NOW + 360)
    matrix = features(data, new)
    matrix[:, FEATURES.index("pressure")] *= 0.02953
    matrix[:, FEATURES.index("temp")] = np.nan
    window.answered(V, np.full(len(new), NOW), new, matrix, scores(data, new))
    found = window.evaluate(V, NOW, reference).drift
    assert found is not None
    gaps = float(np.mean(np.isnan(matrix[:, FEATURES.index("pressure")])))
    assert found.features["pressure"].outside == pytest.approx(1.0 - gaps, abs=EXACT)
    assert found.features["pressure"].outside > 0.5
    assert found.features["temp"].null_excess == 1.0 - 0.125
    assert found.features["temp"].psi > 1.0
    assert math.isnan(found.features["temp"].outside)


def test_few_new_answers_say_nothing_of_the_data(data: FlightData, reference: Reference) -> None:
    window, asked = a_window(data), data.departing(FIRST, NOW - 8 * 60)
    answer(window, data, asked)
    found = window.evaluate(V, NOW, reference).drift
    assert found is not None
    assert found.features["temp"].psi > 0.0
    assert math.isnan(found.features["temp"].outside)
    assert math.isnan(found.features["temp"].null_excess)


def test_slices(data: FlightData) -> None:
    window, asked = a_window(data), data.departing(FIRST, NOW)
    answer(window, data, asked)
    label(window, data, asked, NOW)
    by_origin = window.quality_by(V, NOW, "origin")
    assert set(by_origin) == {"EWR", "JFK", "LGA"}
    whole = window.evaluate(V, NOW, _no_reference()).quality
    assert whole is not None
    assert sum(one.flights for one in by_origin.values() if one) == whole.flights
    assert any(one is None for one in window.quality_by(V, NOW, "carrier").values())
    with pytest.raises(KeyError):
        window.quality_by(V, NOW, "weather")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 50), st.integers(0, 3)), min_size=1, max_size=60))
def test_the_order_in_which_answers_come_does_not_matter(flight_data: FlightData, answers: list[tuple[int, int, int]]) -> None:
    """Fed one by one, in batches or all at once, each flight has its latest answer; of those at the same time the last to come."""
    data = _tiny(flight_data)
    asked = [(flight, NOW - 60 + minute) for flight, minute, _ in answers]
    flights, times = np.array([f for f, _ in asked], dtype=np.int32), np.array([t for _, t in asked])
    marks = np.arange(len(asked)) / 100.0
    matrix = np.repeat(marks[:, None], len(FEATURES), axis=1)
    whole, batches = HealthWindow(data, 0, len(data)), HealthWindow(data, 0, len(data))
    whole.answered(V, times, flights, matrix, marks)
    edges = sorted({0, len(asked), *(size for *_, size in answers)})
    for first, last in itertools.pairwise(edges):
        batches.answered(V, times[first:last], flights[first:last], matrix[first:last], marks[first:last])
    for left, right in zip(whole.recent(V, NOW), batches.recent(V, NOW), strict=True):
        assert np.array_equal(left, right)
    rows, kept, found = whole.recent(V, NOW)
    assert rows.tolist() == sorted(set(flights.tolist()))
    for row, score, values in zip(rows, found, kept, strict=True):
        own = np.flatnonzero(flights == row)
        last = own[times[own] == times[own].max()][-1]
        assert score == marks[last]
        assert np.all(values == marks[last])


def test_flights_out_of_reach_are_refused(data: FlightData) -> None:
    window, outside = a_window(data), data.departing(FIRST - 60, FIRST)
    with pytest.raises(ValueError, match="in reach"):
        answer(window, data, outside)
    with pytest.raises(ValueError, match="in reach"):
        window.labelled(outside, data.label[outside])
    with pytest.raises(ValueError, match="not among"):
        HealthWindow(data, 5, 5)


def test_a_corrected_label_counts(data: FlightData) -> None:
    window, asked = a_window(data), data.departing(FIRST, NOW)
    answer(window, data, asked)
    label(window, data, asked, NOW)
    before = window.judged(V, NOW)[2].sum()
    rows = window.judged(V, NOW)[0][:10]
    window.labelled(rows, 1 - data.label[rows])
    assert window.judged(V, NOW)[2].sum() == before + 10 - 2 * int(data.label[rows].sum())


def _no_reference() -> Reference:
    """Where drift is not looked at."""
    nothing = distribution(np.zeros(1))
    return Reference(V, math.nan, (nothing,) * len(FEATURES), nothing, *USUAL)


def _tiny(data: FlightData) -> FlightData:
    rows = data.departing(NOW - 60, NOW + 1440)[:40]
    columns = {
        column.name: getattr(data, column.name)[rows]
        for column in dataclasses.fields(data)
        if isinstance(getattr(data, column.name), np.ndarray) and len(getattr(data, column.name)) == len(data)
    }
    return dataclasses.replace(data, **columns)
