"""What the rest of drillbox asks of learning: the model that serves at the start, and its scores."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..model.scenario import WorldConfig
from ..paths import atomic_write, cached, found
from ..world.calendar import minutes_of
from ..world.data import DAMAGED, FlightData
from ..world.draws import Examples
from ..world.source import Progress
from . import store, training
from .version import TREES, Lineage, ModelVersion, Quality, lineage

Floats = NDArray[np.float64]


def ensure_model(config: WorldConfig, data: FlightData, progress: Progress | None = None, trees: int = TREES) -> ModelVersion:
    """The model that serves at the start of a drill, or a larger one: from the store, or trained (about a second) and stored.

    Raises:
        UsageError: the training window cannot be used, the stored version is damaged, or the store cannot be written.
    """
    wanted = lineage(config, data, trees)
    return store.find(wanted.id) or train(data, wanted, progress)


def train(data: FlightData, wanted: Lineage, progress: Progress | None = None) -> ModelVersion:
    """Train a model on a window and store it.

    Raises:
        UsageError: the window has too few flights, or the store cannot be written.
    """
    if progress:
        progress("training the model", 0.0)
    model, quality, predictions = training.fit(data, wanted)
    version = store.save(model, wanted, quality, predictions)
    if progress:
        progress("training the model", 1.0)
    return version


def score_examples(version: ModelVersion, examples: Examples, progress: Progress | None = None) -> Floats:
    """The model's probability of late for each example, [n]; computed once, then read from the cache without the model.

    Raises:
        UsageError: the stored model is damaged, or the cache cannot be written.
    """
    key = hashlib.sha256(f"{version.sha256}/{examples.digest}".encode()).hexdigest()[:32]
    path = cached("scores", f"{key}.npy")
    known = _read_scores(found(path), len(examples))
    if known is not None:
        return known
    if progress:
        progress("scoring the flights", 0.0)
    scores = training.score(store.load(version), examples.features)
    atomic_write(path, functools.partial(np.save, arr=scores, allow_pickle=False))
    if progress:
        progress("scoring the flights", 1.0)
    return scores


def quality_on(version: ModelVersion, data: FlightData, start: dt.datetime, end: dt.datetime) -> Quality:
    """Quality on all flights that leave in [start, end), each with the weather of its hour of departure.

    Raises:
        UsageError: the stored model is damaged.
    """
    rows = data.departing(minutes_of(start), minutes_of(end))
    scores = training.score(store.load(version), training.departure_features(data, rows))
    return training.evaluate(scores, data.label[rows])


def _read_scores(path: Path, n: int) -> Floats | None:
    """Cached scores; None if there are none or they are damaged."""
    try:
        scores = np.load(path, allow_pickle=False)
    except DAMAGED:
        return None
    usable = scores.dtype == np.float64 and scores.shape == (n,) and bool(np.all((scores >= 0.0) & (scores <= 1.0)))
    return scores if usable else None
