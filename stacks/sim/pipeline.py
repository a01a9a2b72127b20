"""The feature pipeline as a process of the simulation: it feeds the store on the calendar; answers follow."""

from __future__ import annotations

from collections.abc import Generator

import simpy

from ...sandbox.learning.references import reference
from ...sandbox.model.params import Params
from ...sandbox.model.service import Change, Features
from ...sandbox.world.data import OBSERVED_AFTER
from ..control_plane.interfaces import Log
from .feature_store import FIRST, FeatureStore
from .plane import Plane
from .scoring import Scorer
from .service import Service

MINUTES = 60


class Pipeline:
    """Materialises features every calendar hour, and keeps scores, costs and look-up times of the data plane in step.

    Args:
        env: whose time is drill time.
        plane: the data plane.
        store: the feature store.
        scorer: of the drill's models.
    """

    def __init__(self, env: simpy.Environment, plane: Plane, store: FeatureStore, scorer: Scorer) -> None:
        self._env = env
        self._plane = plane
        self.store = store
        self.scorer = scorer
        self._delay = 0.0

    def run(self) -> Generator[simpy.Event, None, None]:
        """For ever: read each hour's records when they are known."""
        scorer, store = self.scorer, self.store
        while True:
            hour = scorer.hour_at(self._env.now)
            store.materialise(self.known_hour)
            self._refresh()
            yield self._env.timeout(scorer.time_of((hour + 1) * MINUTES) - self._env.now)

    @property
    def known_hour(self) -> int:
        """The latest hour whose record is known now."""
        return self.scorer.hour_at(self._env.now) - OBSERVED_AFTER // MINUTES

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault of store or pipeline begins."""
        self.store.begin(beat, fault, params)
        self._refresh()

    def end(self, beat: str) -> None:
        """It ends by itself: streams catch up, and values are read in the units that they have now."""
        self.store.end(beat)
        self.store.reload(self.known_hour)
        self._refresh()

    def change(self, change: Change, spec: Features) -> None:
        """Put a changed field of the desired state into force."""
        self.store.spec = spec
        if change.field == "features.restarted":
            self.store.restart(self.known_hour)
        elif change.field == "features.feed":
            self.store.reload(self.known_hour)
        self._refresh()

    def _refresh(self) -> None:
        self.scorer.refresh(self._env.now)
        if self.store.delay != self._delay:
            self._delay = self.store.delay
            self._plane.set_lookup(self._delay)


def open_pipeline(env: simpy.Environment, service: Service, seed: int, log: Log) -> Pipeline:
    """The pipeline of a service: it runs since long, so the store is filled."""
    world = service.world
    store = FeatureStore(world.data, seed, reference(service.trained[0][0], world.data).imputations[FIRST:], log)
    return Pipeline(env, service.plane, store, Scorer(world, service.plane, store, service.trained))
