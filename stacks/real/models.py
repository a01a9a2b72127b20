"""The models that a drill begins with, and its name."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace

from ...sandbox.learning.models import ensure_model
from ...sandbox.learning.version import ModelVersion
from ...sandbox.model.scenario import Scenario, Version, WorldConfig
from ...sandbox.model.stack import Progress
from ...sandbox.world.cache import load_data


def models_of(scenario: Scenario, progress: Progress) -> dict[str, ModelVersion]:
    """The models of all versions by their names, found or trained.

    Raises:
        UsageError: data or models cannot be used, or the state folder not written.
    """
    data = load_data(progress)
    return {
        name: ensure_model(_window(scenario.world, version), data, progress, version.trees)
        for name in scenario.deployable
        for version in (scenario.version(name),)
    }


LONGEST = 57
"""Characters of a drill's name: with `drill-` before it, it is that of a namespace (63, RFC 1123)."""


def label_of(scenario: str, seed: int) -> str:
    """A name that no other drill has, fit for files, cgroups and Kubernetes objects: at most `LONGEST` characters."""
    own, room = secrets.token_hex(3), LONGEST - 7
    told = re.sub(r"[^a-z0-9]+", "-", scenario.lower()).strip("-")[: max(8, min(40, room - 1 - len(str(seed))))]
    return f"{f'{told}-{seed}'[:room]}-{own}"


def _window(world: WorldConfig, version: Version) -> WorldConfig:
    """The world with the training window of a version, if it has its own."""
    if version.train_from is None and version.train_until is None:
        return world
    return replace(world, train_from=version.train_from, train_until=version.train_until)
