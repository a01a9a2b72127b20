"""The registry of one drill: its versions, what became of them, and the aliases that follow what is deployed."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path

from ...sandbox.learning.entries import Alias, Stage
from ...sandbox.learning.registry import Registry
from ...sandbox.learning.version import ModelVersion
from ...sandbox.model.events import Registered
from ...sandbox.model.scenario import Scenario
from .interfaces import Versions

PIPELINE = "release-pipeline"
Note = Callable[[Registry], object]
"""Enters one fact into the registry."""


class ModelBook:
    """Knows what was registered and deployed. Its registry is a file that is made when somebody first looks.

    Args:
        versions: that there are at the start.
        scenario: for what was deployed then.
        now: gives the calendar time.
        folder: of the registry; a temporary one if not given.
    """

    def __init__(
        self, versions: Versions, scenario: Scenario, now: Callable[[], dt.datetime], folder: Path | None = None
    ) -> None:
        self._versions = versions
        self._kept = folder
        self._now = now
        self._notes: list[Note] = []
        self._entered = 0
        self._told: list[Registered] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        for name in versions.names:
            self._register(name, self.model(name).train_until, PIPELINE, "there before the drill")
        champion = scenario.service.champion
        for name in (champion.previous, champion.version):
            if name:
                self._alias(Alias.CHAMPION, name, self.model(name).train_until, PIPELINE, "deployed before the drill")

    def model(self, version: str) -> ModelVersion:
        """The model behind a version of the drill."""
        return self._versions.model(version)

    def told(self) -> tuple[Registered, ...]:
        """The versions that were registered since the last call."""
        found, self._told = tuple(self._told), []
        return found

    def registered(self, name: str, by: str, reason: str) -> None:
        """A version was trained."""
        self._register(name, self._now(), by, reason)

    def became(self, name: str, stage: Stage, by: str, reason: str) -> None:
        """Something became of a version; the alias of the candidate follows its canary."""
        at, model = self._now(), self.model(name).id
        self._notes.append(lambda registry: registry.stage(model, stage, at, by, reason))
        if stage is Stage.CANARY:
            self._alias(Alias.CANDIDATE, name, at, by, reason)
        elif stage in {Stage.ABORTED, Stage.PROMOTED}:
            self._alias(Alias.CANDIDATE, "", at, by, reason)

    def deployed(self, version: str, by: str, reason: str) -> None:
        """The champion's rollout is complete: the alias follows, and what it pointed at before is the previous version."""
        self._alias(Alias.CHAMPION, version, self._now(), by, reason)

    def registry(self) -> Registry:
        """The registry as it is now.

        Raises:
            UsageError: it cannot be written.
        """
        if self._kept is None and self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="drillbox-registry-")
        found = Registry(self._kept or Path(self._folder.name if self._folder else ""))
        for note in self._notes[self._entered :]:
            note(found)
            self._entered += 1
        return found

    def enter(self) -> None:
        """Write to the registry what has not been written yet.

        Raises:
            UsageError: it cannot be written.
        """
        if self._entered < len(self._notes):
            self.registry()

    def close(self) -> None:
        """Remove what was made; more than once does no harm."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
            self._entered = 0

    def _register(self, name: str, at: dt.datetime, by: str, reason: str) -> None:
        model, trees = self.model(name), self._versions.trees(name)
        self._notes.append(lambda registry: registry.register(model, trees, at, by, f"{reason} as {name}"))
        window = (model.train_from.isoformat(), model.train_until.isoformat())
        quality = model.quality
        self._told.append(
            Registered(name, model.id, *window, quality.flights, model.data_hash, quality.auc, quality.brier, reason)
        )

    def _alias(self, alias: Alias, name: str, at: dt.datetime, by: str, reason: str) -> None:
        target = self.model(name).id if name else None
        self._notes.append(lambda registry: registry.alias(alias, target, at, by, reason))
