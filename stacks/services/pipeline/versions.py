"""The versions of a drill on real services: models of the store, and those that are trained in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from ....sandbox.learning.models import ensure_model, score_examples
from ....sandbox.learning.references import Reference, TrainingRows, reference
from ....sandbox.learning.snapshots import Snapshot
from ....sandbox.learning.version import TREES, ModelVersion, lineage
from ....sandbox.model.scenario import Scenario, WorldConfig
from ....sandbox.world.flights import World
from ...control_plane.catalogue import config_of, next_name
from ...control_plane.interfaces import Floats
from .remote import Remote


class StoredVersions:
    """Those that the scenario names, found in the store or trained; others come by `add`.

    Args:
        world: of the drill.
        scenario: that names the first ones.
        aside: entered around work that takes real time.
        remote: the registry service, if there is one: models come from there, and it gets those that it has not.

    Raises:
        UsageError: a model cannot be trained, or the store is damaged.
    """

    def __init__(
        self,
        world: World,
        scenario: Scenario,
        aside: Callable[[], AbstractContextManager[object]],
        remote: Remote | None = None,
    ) -> None:
        self._world = world
        self._aside = aside
        self._remote = remote
        self._rows: dict[str, TrainingRows] = {}
        self._models: dict[str, ModelVersion] = {}
        self._trees: dict[str, int] = {}
        self._offline: dict[str, Floats] = {}
        for name in scenario.deployable:
            version = scenario.version(name)
            self._models[name] = self._first(config_of(world.config, version), version.trees)
            self._trees[name] = version.trees

    @property
    def names(self) -> tuple[str, ...]:
        """As `Versions`."""
        return tuple(self._models)

    def model(self, name: str) -> ModelVersion:
        """As `Versions`."""
        return self._models[name]

    def trees(self, name: str) -> int:
        """As `Versions`."""
        return self._trees[name]

    def reference(self, name: str) -> Reference:
        """As `Versions`."""
        return reference(self._models[name], self._world.data, self._rows.get(name))

    def offline(self, name: str) -> Floats:
        """What a version says of every example when each look-up gives what is known.

        Raises:
            KeyError: there is none of that name.
            UsageError: the stored model is damaged, or the cache cannot be written.
        """
        if name not in self._offline:
            self._offline[name] = score_examples(self._models[name], self._world.examples)
        return self._offline[name]

    def add(self, model: ModelVersion, snapshot: Snapshot) -> str:
        """As `Versions`."""
        rows = TrainingRows(snapshot.rows, snapshot.labels)
        with self._aside():
            reference(model, self._world.data, rows)  # both are read from the cache from now on
            scores = score_examples(model, self._world.examples)
            if self._remote:
                self._remote.offer(model.id)
        name = next_name(self._models)
        self._models[name], self._rows[name], self._trees[name], self._offline[name] = model, rows, TREES, scores
        return name

    def _first(self, config: WorldConfig, trees: int) -> ModelVersion:
        """A model of the beginning: from the registry, from the store, or trained."""
        if self._remote is None:
            return ensure_model(config, self._world.data, None, trees)
        known = self._remote.look_for(lineage(config, self._world.data, trees).id)
        model = ensure_model(config, self._world.data, None, trees)
        if not known:
            self._remote.offer(model.id)
        return model
