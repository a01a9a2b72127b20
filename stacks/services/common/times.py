"""Drill time in a service: the machine's monotonic clock less its value at t = 0, the same for every process on the machine."""

from __future__ import annotations

import time


class DrillClock:
    """Seconds of drill time.

    Args:
        origin: of CLOCK_MONOTONIC at t = 0; None: now.
    """

    def __init__(self, origin: float | None) -> None:
        self._origin = time.monotonic() if origin is None else origin

    def start(self, origin: float) -> None:
        """Count from another t = 0, in seconds of CLOCK_MONOTONIC."""
        self._origin = origin

    def now(self) -> float:
        """Seconds since t = 0; negative during the warm-up."""
        return time.monotonic() - self._origin
