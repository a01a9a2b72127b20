"""What is scraped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

TIMEOUT = 2.5
"""Seconds after which a scrape has failed."""
SAMPLE_LIMIT = 10_000
"""Samples of one target, of those that are read, beyond which all of its scrape is thrown away: the simulation's limit."""


@dataclass(frozen=True, slots=True)
class Target:
    """One producer of metrics.

    `name` is its `instance`: for a model server that of its pod. `labels` are for all of its series that do not have them
    themselves.
    """

    name: str
    job: str
    url: str  # such as http://127.0.0.1:9464/metrics
    labels: tuple[tuple[str, str], ...] = ()


Targets = Callable[[], Sequence[Target]]
"""The targets that there are now."""
