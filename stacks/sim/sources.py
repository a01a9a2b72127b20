"""What the control plane sees of the simulated data plane: answers, replicas and versions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...sandbox.control.canary import Tally
from ...sandbox.learning.references import Reference
from ...sandbox.learning.snapshots import Snapshot
from ...sandbox.learning.version import ModelVersion
from ..control_plane.interfaces import Answered
from . import layout as lay
from .fleet import Fleet
from .plane import Plane
from .scoring import Scorer
from .service import Service


class PlaneAnswers:
    """Answers that the data plane has counted since the last time, with the features and scores that the scorer keeps.

    Args:
        service: models and data plane.
        scorer: what was served, and the scores of it.
    """

    def __init__(self, service: Service, scorer: Scorer) -> None:
        self._service = service
        self._scorer = scorer
        self._counted = np.zeros_like(service.plane.answers_by_example)

    def collect(self, now: float) -> Mapping[str, Answered]:
        """As `Answers`."""
        self._count_new_models()
        counts, examples = self._service.plane.answers_by_example, self._service.world.examples
        found = {}
        for name, model in self._service.models.items():
            ids = np.flatnonzero(counts[model] > self._counted[model])
            scored = self._scorer.models[model]
            skew = float(np.mean(np.abs(scored.current[ids] - scored.ideal[ids]))) if len(ids) else 0.0
            times = np.full(len(ids), now)
            found[name] = Answered(times, examples.rows[ids], self._scorer.served[ids], scored.current[ids], skew)
        self._counted[:] = counts
        return found

    def _count_new_models(self) -> None:
        """A model that was added counts from zero; the rules keep the last row."""
        new = len(self._service.plane.answers_by_example) - len(self._counted)
        if new:
            last = len(self._counted) - 1
            self._counted = np.insert(self._counted, [last] * new, 0, axis=0)


class PlaneReplicas:
    """Pods of the fleet, and what the data plane counts of them."""

    def __init__(self, plane: Plane, fleet: Fleet) -> None:
        self._plane = plane
        self._fleet = fleet

    def ready(self, pool: int) -> int:
        """As `Replicas`."""
        return len(self._fleet.ready(pool))

    def busy(self, pool: int) -> Mapping[str, float]:
        """As `Replicas`."""
        return {pod.name: self._plane.busy_seconds(pod.slot) for pod in self._fleet.ready(pool)}

    def tallies(self, pool: int) -> Mapping[str, Tally]:
        """As `Replicas`."""
        rows = self._plane.state.r
        return {pod.name: _counts(rows[pod.slot]) for pod in self._fleet.pods(pool)}


class PlaneVersions:
    """The models of the service; a new one is scored and priced as the store serves now."""

    def __init__(self, service: Service, scorer: Scorer) -> None:
        self._service = service
        self._scorer = scorer

    @property
    def names(self) -> tuple[str, ...]:
        """As `Versions`."""
        return tuple(self._service.models)

    def model(self, name: str) -> ModelVersion:
        """As `Versions`."""
        return self._service.model(name)

    def trees(self, name: str) -> int:
        """As `Versions`."""
        return self._service.sizes[name]

    def reference(self, name: str) -> Reference:
        """As `Versions`."""
        return self._service.reference(name)

    def add(self, model: ModelVersion, snapshot: Snapshot) -> str:
        """As `Versions`."""
        name = self._service.add(model, snapshot)
        self._scorer.add(*self._service.trained[-1])
        return name


def _counts(row: lay.Ints) -> Tally:
    failed = int(row[lay.R_REJECTED] + row[lay.R_BROKEN])
    return Tally(int(row[lay.R_SERVED]) + failed, failed, int(row[lay.R_SLOW]))
