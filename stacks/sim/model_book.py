"""The registry of one simulated drill: its versions, and the aliases that follow what is deployed."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path

from ...sandbox.learning.entries import Alias
from ...sandbox.learning.registry import Registry
from ...sandbox.model.scenario import Scenario
from .service import Service

PIPELINE = "release-pipeline"


class ModelBook:
    """A registry in a temporary folder, for as long as the drill is up.

    Args:
        service: versions and their models.
        scenario: for the sizes of the versions.
        now: gives the calendar time.
    """

    def __init__(self, service: Service, scenario: Scenario, now: Callable[[], dt.datetime]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="drillbox-registry-")
        self._service = service
        self._now = now
        self.registry = Registry(Path(self._folder.name))
        for name, place in service.models.items():
            model, _ = service.trained[place]
            self.registry.register(model, scenario.version(name).trees, model.train_until, PIPELINE, f"trained as {name}")
        champion = scenario.service.champion
        for name in (champion.previous, champion.version):
            if name:
                self.deployed(name, PIPELINE, "deployed before the drill")

    def deployed(self, version: str, by: str, reason: str) -> None:
        """The champion's rollout is complete: the alias follows, and what it pointed at before is the previous version."""
        model, _ = self._service.trained[self._service.models[version]]
        self.registry.alias(Alias.CHAMPION, model.id, self._now(), by, reason)

    def close(self) -> None:
        """Remove it; more than once does no harm."""
        self._folder.cleanup()
