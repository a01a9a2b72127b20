"""What gateway and model servers log under load: one line per component in 10 s at most, from their own counters."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import numpy as np
import simpy

from . import layout as lay
from .fleet import Fleet, Log
from .plane import Plane

PERIOD = 10.0
"""Seconds that one line sums up."""
GATEWAY = "gateway"

_GATEWAY = (
    (lay.I_SHED, "refused by load shedding"),
    (lay.I_NO_UPSTREAM, "failed: no healthy upstream"),
    (lay.I_OVERFLOW, "not retried: retry budget is spent"),
)
_CLASSES = ((lay.CLASSES.index("5xx"), "answered with 5xx"), (lay.CLASSES.index("0"), "given up by their clients"))
_SERVER = (
    (lay.R_REJECTED, "refused: queue full"),
    (lay.R_WASTED, "answered after the caller had timed out"),
    (lay.R_CANCELLED, "cancelled: the caller timed out"),
)


class Watch:
    """Compares the counters of gateway and replicas with those of 10 s before, and logs what went wrong in between."""

    def __init__(self, env: simpy.Environment, plane: Plane, fleet: Fleet, log: Log) -> None:
        self._env = env
        self._plane = plane
        self._fleet = fleet
        self._log = log
        self._before: Mapping[str, dict[str, int]] = {}

    def run(self) -> Generator[simpy.Event, None, None]:
        """The loop, for ever."""
        while True:
            yield self._env.timeout(PERIOD)
            counted = self._count()
            for component, counts in counted.items():
                # A pod that is new counts from zero: its own counters began there.
                before = self._before.get(component, {})
                grown = {what: count - before.get(what, 0) for what, count in counts.items()}
                parts = [
                    f"{number} {'request' if number == 1 else 'requests'} {what}" for what, number in grown.items() if number > 0
                ]
                if parts:
                    self._log(component, "warning", f"{'; '.join(parts)} in the last {PERIOD:g} s")
            self._before = counted

    def _count(self) -> dict[str, dict[str, int]]:
        """What has gone wrong so far, by component."""
        state = self._plane.state
        classes = np.sum(state.histogram, axis=1)
        gateway = {what: int(state.i[place]) for place, what in _GATEWAY}
        gateway |= {what: int(classes[row]) for row, what in _CLASSES}
        servers = {pod.name: {what: int(state.r[pod.slot, place]) for place, what in _SERVER} for pod in self._fleet.pods()}
        return {GATEWAY: gateway, **servers}


def shedding(before: float, after: float) -> str:
    """What the gateway says when the share of requests that it refuses changes."""
    if after <= 0:
        return "load shedding ends"
    verb = "begins" if before <= 0 else "changes"
    return f"load shedding {verb}: {after:.0%} of all requests are refused"
