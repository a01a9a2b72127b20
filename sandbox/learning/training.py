"""Training and evaluation with scikit-learn. Only this module and the store load a learning library, and only when called."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..model.errors import UsageError
from ..world.calendar import minutes_of
from ..world.data import CATEGORICAL, FEATURES, FlightData, Rows, departure_hour
from .version import Lineage, Quality

FEWEST = 1000
"""Flights below which a window is too small to train on."""

_SEED = 2013
Floats = NDArray[np.float64]


class Classifier(Protocol):
    """What this project needs of a scikit-learn classifier."""

    def fit(self, features: Floats, labels: NDArray[np.uint8]) -> object:
        """Learn from a feature matrix and labels."""

    def predict_proba(self, features: Floats) -> Floats:
        """Probabilities [n, 2] of on time and late."""


def new_model(trees: int) -> Classifier:
    """An untrained pipeline. Boosted trees take missing weather and category codes as they are.

    Early stopping is off: the number of trees is fixed and no random split is made. The log-loss makes scores calibrated
    probabilities in sample, which is what the decision threshold assumes; drift breaks that, as it does in production.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # type: ignore[import-untyped]  # has no stubs
    from sklearn.pipeline import Pipeline  # type: ignore[import-untyped]  # has no stubs

    boosted = HistGradientBoostingClassifier(
        max_iter=trees,
        early_stopping=False,
        categorical_features=[FEATURES.index(name) for name in CATEGORICAL],
        random_state=_SEED,
    )
    model: Classifier = Pipeline([("trees", boosted)])
    return model


def fit(data: FlightData, lineage: Lineage) -> tuple[Classifier, Quality, str]:
    """Train on the flights of the window whose labels were known at its end; as `fit_rows`.

    Raises:
        UsageError: the window has too few flights, or all of one kind.
    """
    rows = data.learnable(minutes_of(lineage.train_from), minutes_of(lineage.train_until))
    return fit_rows(departure_features(data, rows), data.label[rows], lineage)


def fit_rows(features: Floats, labels: NDArray[np.uint8], lineage: Lineage) -> tuple[Classifier, Quality, str]:
    """Train on rows: the model, its quality on them, and the SHA-256 of its scores of them.

    Raises:
        UsageError: there are too few flights, or all are of one kind.
    """
    if len(labels) < FEWEST or labels.min() == labels.max():
        raise UsageError(
            f"the training window {lineage.train_from:%Y-%m-%d %H:%M} to {lineage.train_until:%Y-%m-%d %H:%M} has "
            f"{len(labels)} flights with known labels; it needs at least {FEWEST}, late ones and others"
        )
    model = new_model(lineage.trees)
    with _one_thread():
        model.fit(features, labels)
    scores = score(model, features)
    return model, evaluate(scores, labels), hashlib.sha256(scores.astype("<f8").tobytes()).hexdigest()


def _one_thread() -> AbstractContextManager[object]:
    """The order of sums, and so the model, must not depend on the machine; a fit takes half a second all the same."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no stubs

    limits: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limits


def departure_features(data: FlightData, rows: Rows) -> Floats:
    """Features of flights with the weather of the hour in which they were scheduled to leave."""
    return data.features(rows, departure_hour(data, rows))


def score(model: Classifier, features: Floats) -> Floats:
    """Probability of being late, [n]."""
    if not len(features):
        return np.empty(0)
    with _one_thread():
        return np.ascontiguousarray(model.predict_proba(features)[:, 1], dtype=np.float64)


def evaluate(scores: Floats, labels: NDArray[np.uint8]) -> Quality:
    """Quality of scores under the true labels; the AUC is NaN where all labels are the same."""
    from sklearn.metrics import brier_score_loss, roc_auc_score  # type: ignore[import-untyped]  # has no stubs

    late = float(np.mean(labels))
    auc = float(roc_auc_score(labels, scores)) if 0.0 < late < 1.0 else float("nan")
    return Quality(len(labels), late, float(np.mean(scores)), auc, float(brier_score_loss(labels, scores)))
