"""The request rate of the simulation: the scenario's shape times the spikes in force."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ...sandbox.model.scenario import Traffic


@dataclass(slots=True)
class Spike:
    """A spike in force. `end` None: until the drill's end."""

    factor: float
    ramp: float
    start: float
    end: float | None

    def at(self, t: float) -> float:
        """The factor at drill time `t`: it rises over `ramp` after the start and falls over `ramp` after the end."""
        up = _share(t - self.start, self.ramp)
        down = 0.0 if self.end is None else _share(t - self.end, self.ramp)
        return 1.0 + (self.factor - 1.0) * max(0.0, min(up, 1.0 - down))


class Rate:
    """Requests per second, constant within each whole second of drill time, so that no other event can shift arrivals."""

    def __init__(self, traffic: Traffic, curve: Callable[[float], float] | None = None) -> None:
        """`curve` gives the rate of a whole second for traffic that has a shape."""
        self._base = traffic.rate
        self._curve = curve if traffic.flows else None
        self._spikes: dict[str, Spike] = {}

    def begin_spike(self, beat: str, factor: float, ramp: float, now: float) -> None:
        """A spike begins."""
        self._spikes[beat] = Spike(factor, ramp, now, None)

    def end_spike(self, beat: str, now: float) -> None:
        """A spike ends: its ramp down begins."""
        self._spikes[beat].end = now

    def pieces(self, start: float, end: float) -> list[tuple[float, float, float]]:
        """(from, until, rate) covering start to end; one piece where the rate is steady."""
        live = [spike for spike in self._spikes.values() if spike.end is None or start < spike.end + spike.ramp]
        if not live and self._curve is None:
            return [(start, end, self._base)]
        pieces = []
        while start < end:
            until = min(end, math.floor(start) + 1.0)
            moment = math.floor(start) + 0.5
            base = self._base if self._curve is None else self._curve(moment)
            pieces.append((start, until, base * math.prod(spike.at(moment) for spike in live)))
            start = until
        return pieces


def _share(since: float, ramp: float) -> float:
    if since < 0:
        return 0.0
    return 1.0 if ramp <= 0 else min(1.0, since / ramp)
