"""Compiled trees score as scikit-learn does, or do not score at all."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.learning import store, training
from drillbox.sandbox.learning.training import Classifier
from drillbox.sandbox.learning.version import ModelVersion
from drillbox.sandbox.world.data import CATEGORICAL, FEATURES, FlightData
from drillbox.stacks.services.model_server.trees import scorer_of

treelite = pytest.importorskip("treelite")
Floats = np.ndarray[Any, np.dtype[np.float64]]


@pytest.fixture(scope="module")
def classifier(version: ModelVersion) -> Classifier:
    return store.load(version)


@pytest.fixture(scope="module")
def flights(flight_data: FlightData) -> Floats:
    """Of the whole year, most of it after the training: with gaps, and destinations that were not flown to before."""
    return training.departure_features(flight_data, np.arange(0, len(flight_data.label), 97, dtype=np.int32))


def plainly(classifier: Classifier, matrix: Floats) -> Floats:
    return classifier.predict_proba(matrix)[:, 1]


def compiled(score: Callable[[Floats], Floats]) -> bool:
    return "_compiled" in score.__qualname__


def test_they_score_the_year_as_scikit_learn_does(classifier: Classifier, flights: Floats) -> None:
    score = scorer_of(classifier, flights[:100])
    assert compiled(score)
    assert np.isnan(flights).any()
    np.testing.assert_allclose(score(flights), plainly(classifier, flights), rtol=0.0, atol=1e-12)


def test_they_know_no_code_that_was_not_trained_on(classifier: Classifier, flights: Floats) -> None:
    odd = np.repeat(flights[:1], 3 * 300, axis=0)
    for column in range(len(CATEGORICAL)):
        odd[300 * column : 300 * (column + 1), column] = np.arange(300) - 10.0
    odd[::7, 2] = np.nan
    np.testing.assert_allclose(scorer_of(classifier, flights)(odd), plainly(classifier, odd), rtol=0.0, atol=1e-12)


@given(row=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=len(FEATURES), max_size=len(FEATURES)))
def test_they_agree_on_any_numbers(classifier: Classifier, flights: Floats, row: list[float]) -> None:
    one = np.array([row])
    kept = one.copy()
    np.testing.assert_allclose(scorer_of(classifier, flights[:5])(one), plainly(classifier, one), rtol=0.0, atol=1e-12)
    np.testing.assert_array_equal(one, kept)  # it is the request's, and is logged after


def test_without_the_package_scikit_learn_scores(
    classifier: Classifier, flights: Floats, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "treelite", None)
    score = scorer_of(classifier, flights[:5])
    assert not compiled(score)
    np.testing.assert_array_equal(score(flights), plainly(classifier, flights))
    assert not caplog.records


def test_what_cannot_be_compiled_is_scored_by_scikit_learn(flights: Floats, caplog: pytest.LogCaptureFixture) -> None:
    class Other(SimpleNamespace):
        def predict_proba(self, matrix: Floats) -> Floats:
            return np.tile([0.75, 0.25], (len(matrix), 1))

    score = scorer_of(Other(), flights[:5])
    np.testing.assert_array_equal(score(flights[:2]), [0.25, 0.25])
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "cannot be compiled, so scikit-learn scores" in caplog.text


def test_trees_that_do_not_agree_do_not_score(
    classifier: Classifier, flights: Floats, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    predict = treelite.gtil.predict
    monkeypatch.setattr(treelite.gtil, "predict", lambda *given, **named: predict(*given, **named) + 1e-6)
    score = scorer_of(classifier, flights[:5])
    np.testing.assert_array_equal(score(flights), plainly(classifier, flights))
    assert "differ by 1e-06, so scikit-learn scores" in caplog.text


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_scores_that_are_no_numbers_do_not_agree(
    classifier: Classifier, flights: Floats, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    monkeypatch.setattr(treelite.gtil, "predict", lambda _trees, matrix, **_named: np.full(len(matrix), wrong))
    assert not compiled(scorer_of(classifier, flights[:5]))
