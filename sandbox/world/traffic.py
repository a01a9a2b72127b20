"""Open-loop arrivals: a Poisson process whose rate the caller sets for each step, the same for any cut of time into steps.

The process is a time change of one with rate 1 (Çinlar, "Introduction to Stochastic Processes", 1975, section 4.7): request i
comes when the integral of the rate has grown by the i-th unit exponential since request i - 1, and that exponential is keyed
by i. So a spike moves requests in time, but never changes which luck belongs to which request.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .streams import CHUNK, Stream

Floats = NDArray[np.float64]


class Arrivals:
    """The arrival times of one drill. Steps must follow each other without gaps; the first one may begin anywhere."""

    def __init__(self, seed: int) -> None:
        self._stream = Stream(seed, "arrivals")
        self._index = 0  # of the next request
        self._now = math.nan
        self._rate = 0.0
        self._anchor = 0.0  # when the present rate came into force
        # Of the requests of the present chunk: hazard from the anchor, and the time that follows from it. While the rate stays,
        # times never depend on where steps were cut, not even in the last bit.
        self._hazard = np.cumsum(self._stream.exponential(0, CHUNK))
        self._times = np.full(CHUNK, np.inf)

    def step(self, t0: float, t1: float, rate: float) -> tuple[int, Floats]:
        """The requests in [t0, t1), in seconds of drill time, at `rate` requests per second.

        Returns:
            The index of the first of them (of the next request, if there is none), and their times, rising.

        Raises:
            ValueError: the step does not begin where the last one ended, goes backwards, or the rate is negative or not finite.
        """
        if math.isnan(self._now):
            self._now = self._anchor = t0
        if t0 != self._now or not t1 >= t0 or not 0.0 <= rate < math.inf:
            raise ValueError(f"step from {t0} to {t1} at rate {rate} after one that ended at {self._now}")
        if rate != self._rate:
            self._change(rate)
        self._now = t1
        first = self._index
        parts = [self._take(t1)]
        while self._index % CHUNK == 0 and self._index > first and len(parts[-1]):
            self._refill()
            parts.append(self._take(t1))
        return first, parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _take(self, until: float) -> Floats:
        start = self._index % CHUNK
        end = start + int(np.searchsorted(self._times[start:], until))
        self._index += end - start
        return self._times[start:end].copy()

    def _refill(self) -> None:
        self._hazard = self._hazard[-1] + np.cumsum(self._stream.exponential(self._index, CHUNK))
        self._times = self._clock()

    def _change(self, rate: float) -> None:
        self._hazard = self._hazard - (self._now - self._anchor) * self._rate
        self._anchor, self._rate = self._now, rate
        self._times = self._clock()

    def _clock(self) -> Floats:
        if self._rate == 0.0:
            return np.full(CHUNK, np.inf)
        # A request that rounding would put before a change of rate comes at the change.
        return self._anchor + np.maximum(self._hazard, 0.0) / self._rate
