"""The loaded model: scores, the medians of quarantined features, and what flights it knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....sandbox.learning import store
from ....sandbox.learning.references import imputations_of
from ....sandbox.learning.training import Classifier, departure_features
from ....sandbox.learning.version import ModelVersion
from ....sandbox.model.errors import UsageError, nearest
from ....sandbox.model.features import ONLINE, names_in
from ....sandbox.world.cache import load_data
from ....sandbox.world.data import CATEGORICAL, FEATURES, FLIGHT_FEATURES, FlightData
from .questions import limits
from .tensors import Floats
from .trees import Scorer, scorer_of

FIRST = len(FLIGHT_FEATURES)
"""The first column of the online features."""
_SAMPLE = 512


@dataclass(frozen=True, slots=True)
class Model:
    """A version that can score."""

    version: ModelVersion
    scores: Scorer
    medians: Floats  # [len(ONLINE)] what a quarantined feature is served as
    origins: tuple[str, ...]  # names by code
    most: NDArray[np.float64]  # [6] the largest value of each flight feature

    def impute(self, matrix: Floats, quarantined: str) -> None:
        """Put the medians in place of quarantined features."""
        for name in names_in(quarantined):
            matrix[:, FEATURES.index(name)] = self.medians[ONLINE.index(name)]


def open_model(artifact: str, medians_of: str) -> Model:
    """Load a version from the store, and warm it up.

    Args:
        artifact: its id.
        medians_of: id of the version whose training rows give the medians; empty: the same.

    Raises:
        UsageError: there is no such version, it is damaged or hostile, or the data cannot be read.
    """
    version = _find(artifact)
    classifier = store.load(version)
    data = load_data()
    medians = imputations_of(_find(medians_of) if medians_of else version, data)[FIRST:]
    origins = tuple(str(name) for name in data.origins)
    most = limits(len(data.carriers), len(origins), len(data.dests))
    sample = _sample(data, most)
    _try_out(version, classifier, sample[:2])
    return Model(version, scorer_of(classifier, sample), medians, origins, most)


def _try_out(version: ModelVersion, classifier: Classifier, matrix: Floats) -> None:
    """Score once, so that the first client does not wait, and a model that cannot score is never ready.

    Raises:
        UsageError: it cannot score flights.
    """
    try:
        scores = classifier.predict_proba(matrix)[:, 1]
    except Exception as error:
        raise UsageError(f"model {version.id} cannot score flights: {error}") from error
    if scores.shape != (len(matrix),) or not bool(np.all((scores >= 0.0) & (scores <= 1.0))):
        raise UsageError(f"model {version.id} cannot score flights: its scores are no probabilities")


def _sample(data: FlightData, most: NDArray[np.float64]) -> Floats:
    """[`_SAMPLE`, len(FEATURES)] features of flights of the whole year; every code that a request may give is among them."""
    rows = np.linspace(0, len(data.label) - 1, _SAMPLE).astype(np.int32)
    matrix = departure_features(data, rows)
    for column in range(len(CATEGORICAL)):
        matrix[:, column] = np.arange(_SAMPLE) % (most[column] + 1.0)
    return matrix


def _find(artifact: str) -> ModelVersion:
    found = store.find(artifact)
    if found is None:
        folder = store.models_dir()
        known = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        raise UsageError(f"there is no model {artifact} in {folder}: {nearest(artifact, known)}")
    return found
