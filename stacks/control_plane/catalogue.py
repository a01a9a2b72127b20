"""The versions of a drill: what each is trained on, and what a new one is called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from ...sandbox.model.scenario import Version, WorldConfig


def config_of(config: WorldConfig, version: Version) -> WorldConfig:
    """The world as a version's training sees it: with a window of its own if it has one."""
    if version.train_from is None and version.train_until is None:
        return config
    return replace(config, train_from=version.train_from, train_until=version.train_until)


def next_name(names: Iterable[str]) -> str:
    """What a version is called that is trained now: `v7` after `v6`."""
    numbers = [int(name[1:]) for name in names if re.fullmatch(r"v\d+", name)]
    return f"v{max(numbers, default=0) + 1}"
