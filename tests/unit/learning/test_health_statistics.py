"""Quality statistics agree with scikit-learn on the raw rows, and say nothing where there is nothing to say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve  # type: ignore[import-untyped]  # has no stubs
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score  # type: ignore[import-untyped]

from drillbox.sandbox.learning import health

EXACT = 1e-9
Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]

# Scores with many ties, with the bounds of bins among them, and arbitrary ones.
scores_of = st.one_of(st.integers(0, 20).map(lambda k: k / 20), st.floats(0.0, 1.0))
rows_of = st.lists(st.tuples(scores_of, st.integers(0, 1)), min_size=2, max_size=80)


def columns(rows: list[tuple[float, int]]) -> tuple[Floats, Labels]:
    return np.array([score for score, _ in rows]), np.array([label for _, label in rows], dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(rows_of.filter(lambda rows: len({label for _, label in rows}) == 2))
def test_statistics_agree_with_scikit_learn(rows: list[tuple[float, int]]) -> None:
    scores, labels = columns(rows)
    reading = health.quality(scores, labels, minimum=1)
    assert reading is not None
    assert reading.auc == pytest.approx(roc_auc_score(labels, scores), abs=EXACT)
    assert reading.average_precision == pytest.approx(average_precision_score(labels, scores), abs=EXACT)
    assert reading.brier == pytest.approx(brier_score_loss(labels, scores), abs=EXACT)
    assert reading.calibration_in_the_large == pytest.approx(float(np.mean(scores) - np.mean(labels)), abs=EXACT)
    assert reading.flights == len(rows)


@settings(max_examples=60, deadline=None)
@given(rows_of.filter(lambda rows: len({label for _, label in rows}) == 2))
def test_calibration_error_has_the_bins_of_scikit_learn(rows: list[tuple[float, int]]) -> None:
    scores, labels = columns(rows)
    late, mean = calibration_curve(labels, scores, n_bins=health.CALIBRATION_BINS)
    bins = np.searchsorted(np.linspace(0.0, 1.0, health.CALIBRATION_BINS + 1)[1:-1], scores)
    weights = np.unique(bins, return_counts=True)[1] / len(scores)
    assert health.calibration_error(scores, labels) == pytest.approx(float(np.sum(weights * np.abs(late - mean))), abs=EXACT)


def test_large_samples_agree_too() -> None:
    generator = np.random.default_rng(3)
    scores = np.round(generator.random(5000), 3)
    labels = (generator.random(5000) < scores).astype(np.uint8)
    assert health.auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=EXACT)
    assert health.average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=EXACT)


def test_known_cases() -> None:
    labels = np.array([0, 0, 1, 1], dtype=np.uint8)
    assert health.auc(np.array([0.1, 0.2, 0.8, 0.9]), labels) == 1.0
    assert health.auc(np.array([0.9, 0.8, 0.2, 0.1]), labels) == 0.0
    assert health.auc(np.full(4, 0.5), labels) == 0.5
    assert health.average_precision(np.full(4, 0.5), labels) == 0.5
    assert health.brier(np.array([0.0, 0.0, 1.0, 0.0]), labels) == 0.25
    # 0.1 and 0.2 are upper bounds: bins (.., 0.1], (0.1, 0.2], (0.7, 0.8], (0.8, 0.9], each with one flight
    assert health.calibration_error(np.array([0.1, 0.2, 0.8, 0.9]), labels) == pytest.approx((0.1 + 0.2 + 0.2 + 0.1) / 4)


@pytest.mark.parametrize("label", [0, 1])
def test_flights_that_all_ended_alike_have_no_ranking(label: int) -> None:
    reading = health.quality(np.linspace(0.1, 0.9, 60), np.full(60, label, dtype=np.uint8))
    assert reading is not None
    assert reading.auc is None
    assert reading.average_precision is None
    assert math.isfinite(reading.brier)


def test_few_flights_have_no_quality() -> None:
    scores, labels = np.linspace(0.0, 1.0, health.MIN_FLIGHTS), np.resize(np.array([0, 1], dtype=np.uint8), health.MIN_FLIGHTS)
    assert health.quality(scores, labels) is not None
    assert health.quality(scores[1:], labels[1:]) is None
    assert health.quality(np.empty(0), np.empty(0, dtype=np.uint8), minimum=0) is None
    assert math.isnan(health.brier(np.empty(0), np.empty(0, dtype=np.uint8)))
    assert math.isnan(health.calibration_error(np.empty(0), np.empty(0, dtype=np.uint8)))


def test_slices_are_judged_apart() -> None:
    generator = np.random.default_rng(5)
    scores, labels = generator.random(400), generator.integers(0, 2, 400).astype(np.uint8)
    codes = np.repeat(np.array([2, 0, 1], dtype=np.uint8), [300, 90, 10])
    found = health.quality_by_slice(scores, labels, codes, np.array(["EWR", "JFK", "LGA", "unused"]))
    assert set(found) == {"EWR", "JFK", "LGA"}
    assert found["JFK"] is None
    assert found["LGA"] == health.quality(scores[:300], labels[:300])
    assert found["EWR"] == health.quality(scores[300:390], labels[300:390])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), max_size=40))
def test_the_latest_answer_of_each_flight_counts(answers: list[tuple[int, int]]) -> None:
    flights = np.array([flight for flight, _ in answers], dtype=np.int64)
    times = np.array([time for _, time in answers], dtype=np.float64)
    wanted: dict[int, int] = {}
    for i, (flight, time) in enumerate(answers):
        if flight not in wanted or time >= answers[wanted[flight]][1]:
            wanted[flight] = i
    assert health.latest_per_flight(flights, times).tolist() == [wanted[flight] for flight in sorted(wanted)]
