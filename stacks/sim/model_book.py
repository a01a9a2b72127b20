"""The registry of one simulated drill: its versions, and the aliases that follow what is deployed."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...sandbox.learning.entries import Alias
from ...sandbox.learning.registry import Registry
from ...sandbox.learning.version import ModelVersion
from ...sandbox.model.scenario import Scenario
from .service import Service

PIPELINE = "release-pipeline"


@dataclass(frozen=True, slots=True)
class Deployed:
    """A rollout of the champion that was complete."""

    version: str
    at: dt.datetime
    by: str
    reason: str


class ModelBook:
    """Knows what was deployed. Its registry is a file in a temporary folder, made when somebody first looks into it.

    Args:
        service: versions and their models.
        scenario: for the sizes of the versions.
        now: gives the calendar time.
    """

    def __init__(self, service: Service, scenario: Scenario, now: Callable[[], dt.datetime]) -> None:
        self._service = service
        self._scenario = scenario
        self._now = now
        champion = scenario.service.champion
        before = [name for name in (champion.previous, champion.version) if name]
        self._deployed = [Deployed(name, self.model(name).train_until, PIPELINE, "deployed before the drill") for name in before]
        self._entered = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def model(self, version: str) -> ModelVersion:
        """The model behind a version of the drill."""
        return self._service.trained[self._service.models[version]][0]

    def deployed(self, version: str, by: str, reason: str) -> None:
        """The champion's rollout is complete: the alias follows, and what it pointed at before is the previous version."""
        self._deployed.append(Deployed(version, self._now(), by, reason))

    def registry(self) -> Registry:
        """The registry as it is now.

        Raises:
            UsageError: it cannot be written.
        """
        fresh = self._folder is None
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="drillbox-registry-")
        found = Registry(Path(self._folder.name))
        if fresh:
            for name in self._service.models:
                model = self.model(name)
                found.register(model, self._scenario.version(name).trees, model.train_until, PIPELINE, f"trained as {name}")
        for one in self._deployed[self._entered :]:
            found.alias(Alias.CHAMPION, self.model(one.version).id, one.at, one.by, one.reason)
        self._entered = len(self._deployed)
        return found

    def close(self) -> None:
        """Remove what was made; more than once does no harm."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
            self._entered = 0
