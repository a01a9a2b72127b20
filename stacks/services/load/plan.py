"""Which requests come when: the arrivals and rows of the simulation, made a moment before they are due."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....sandbox.world.flights import World
from ...deploy.envoy.names import WHOLE
from ...sim.traffic import Rate
from .luck import Luck

SLICE = 0.02
"""Seconds of drill time that are planned at once: a change of the rate takes effect within so much."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests one after the other, the first with the index `first`."""

    first: int
    times: NDArray[np.float64]  # seconds of drill time
    examples: NDArray[np.int32]
    routes: NDArray[np.int64]  # the number that chooses between champion and candidate


class Plan:
    """The requests of one drill, from the beginning of its warm-up to its end."""

    def __init__(self, world: World, luck: Luck, warmup: float, duration: float) -> None:
        """`warmup` and `duration` in seconds of drill time."""
        self._world, self._luck = world, luck
        self._arrivals = world.arrivals()
        self.rate = Rate(world.config.traffic, world.rate_curve(-warmup))
        self.now, self.end = -warmup, duration
        self.current = 0.0

    @property
    def finished(self) -> bool:
        """Whether all is planned."""
        return self.now >= self.end

    def next(self) -> Batch:
        """The requests of the next slice."""
        until = min(self.end, self.now + SLICE)
        first, parts = -1, []
        for start, end, rate in self.rate.pieces(self.now, until):
            index, times = self._arrivals.step(start, end, rate)
            first = index if first < 0 else first
            self.current = rate
            parts.append(times)
        self.now = until
        times = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return Batch(first, times, self._world.examples_for(first, times), self._luck.routes(first, len(times), WHOLE))
