"""Keeps what answers cost in step with what the feature store serves: scores follow from features, costs from scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...sandbox.learning import store, training
from ...sandbox.learning.training import Classifier
from ...sandbox.learning.version import ModelVersion
from ...sandbox.world.flights import World
from ...sandbox.world.prices import prediction_costs
from .feature_store import FeatureStore
from .plane import Plane

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Scored:
    """A model in the drill, and its scores of all examples as they are served: `ideal` if every look-up gave what is known."""

    version: ModelVersion
    ideal: Floats
    current: Floats
    model: Classifier | None = None  # loaded when the store first serves something else


class Scorer:
    """Scores the examples that can be asked for now, whenever the store's values change.

    Args:
        world: of the drill.
        plane: whose costs are kept in step.
        features: the feature store.
        models: version and ideal scores of each of the plane's models, in its order.
    """

    def __init__(self, world: World, plane: Plane, features: FeatureStore, models: Sequence[tuple[ModelVersion, Floats]]) -> None:
        self._world = world
        self._plane = plane
        self._features = features
        self.models = [Scored(version, ideal, ideal.copy()) for version, ideal in models]
        self.served = world.examples.features.copy()
        """Feature matrix of all examples as they were last served."""
        self._touched = slice(0, 0)  # examples whose present scores are not ideal
        self._threshold = 0.0

    def add(self, version: ModelVersion, ideal: Floats) -> None:
        """One more model, the plane's last; its present scores are those of what the store serves now."""
        self.models.append(Scored(version, ideal, ideal.copy()))
        ids, place = self._touched, len(self.models) - 1
        if ids.stop > ids.start:
            self._rescore(place, ids, faithful=False)
        if self._threshold:
            self._price(place, slice(0, len(ideal)))

    def set_threshold(self, threshold: float) -> None:
        """Flights are called late from this score on; 0: from that of each version."""
        self._threshold = threshold
        for place, one in enumerate(self.models):
            self._price(place, slice(0, len(one.current)))

    def hour_at(self, t: float) -> int:
        """The hour of the year at drill time `t` (seconds)."""
        return math.floor(self._world.draws.calendar(t) / 60.0 + 1e-9)

    def minute_at(self, t: float) -> float:
        """The calendar minute at drill time `t` (seconds)."""
        return self._world.draws.calendar(t)

    def time_of(self, minute: float) -> float:
        """Drill time in seconds of a calendar minute."""
        return self._world.draws.time_of(minute)

    def refresh(self, t: float) -> None:
        """Score what can be asked for at drill time `t` as the store serves it now."""
        ids = self._world.draws.of_hour(self.hour_at(t))
        if ids.stop == ids.start:
            return
        served = self._features.served(self._world.examples, ids)
        ideal = self._world.examples.features[ids]
        faithful = np.array_equal(served, ideal, equal_nan=True)
        if faithful and ids != self._touched:
            return
        self._touched = slice(0, 0) if faithful else ids
        self.served[ids] = served
        for place in range(len(self.models)):
            self._rescore(place, ids, faithful=faithful)

    def _rescore(self, place: int, ids: slice[int, int, None], *, faithful: bool) -> None:
        """Scores of some examples as they are served, and what they cost."""
        one = self.models[place]
        one.current[ids] = one.ideal[ids] if faithful else self._score(one, self.served[ids])
        self._price(place, ids)

    def _price(self, place: int, ids: slice[int, int, None]) -> None:
        """What the present scores of some examples cost."""
        one, labels = self.models[place], self._world.examples.labels[ids]
        threshold = self._threshold or one.version.threshold
        costs = prediction_costs(one.current[ids], labels, threshold, self._world.config.prices)
        self._plane.set_costs(place, ids, costs)

    @staticmethod
    def _score(one: Scored, features: Floats) -> Floats:
        if one.model is None:
            one.model = store.load(one.version)
        return training.score(one.model, features)
