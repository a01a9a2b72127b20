"""What an on-call can look into on the simulation: features as they are served, rows, freshness, slices, lineage, replicas."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from ...sandbox.model.features import SOURCES
from ...sandbox.model.views import Cell, Table
from ...sandbox.world.calendar import moment_of
from ..control_plane.views import ModelViews, look
from . import layout as lay
from .feature_store import FeatureStore
from .fleet import Fleet
from .plane import Plane
from .platform import Platform


class Views:
    """Tables of the present state."""

    def __init__(self, model: ModelViews, plane: Plane, fleet: Fleet, platform: Platform) -> None:
        self._model = model
        self._plane = plane
        self._fleet = fleet
        self._platform = platform

    def look(self, view: str, subject: str = "") -> Table:
        """What a view shows now.

        Raises:
            UsageError: there is no such view, or not of that.
        """
        return look({**self._model.makers(), "replicas": self._replicas}, view, subject)

    def _replicas(self, _subject: str) -> Table:
        plane, platform = self._plane, self._platform
        rows = []
        for pod in self._fleet.pods():
            served = int(plane.state.r[pod.slot, lay.R_SERVED])
            work = None if not served else round(plane.busy_seconds(pod.slot) / served * 1000.0)
            memory = round(platform.containers.memory(pod))
            rows.append((pod.name, pod.node or None, pod.version, pod.state.value, pod.restarts, memory, served, work))
        columns = ("replica", "node", "version", "state", "restarts", "memory MiB", "answers", "ms of work per answer")
        down = [name for name, ready in platform.nodes.ready().items() if not ready]
        facts: dict[str, Cell] = {"replicas": len(rows), "nodes not ready": ", ".join(down) or None}
        return Table("Replicas", columns, tuple(rows), facts)


def freshness(store: FeatureStore, minute: float) -> Iterator[tuple[str, dt.datetime, float]]:
    """Source, hour of its values, and their age in calendar seconds at a calendar minute."""
    for source, age in store.ages(minute).items():
        yield source, moment_of(int(store.hours[SOURCES.index(source)]) * 60.0), age
