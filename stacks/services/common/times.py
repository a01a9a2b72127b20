"""Drill time in a service: the machine's monotonic clock less its value at t = 0, the same for every process on the machine.

Services on several machines share no monotonic clock: they are told t = 0 as a time of the wall clock. Each puts it into its own
monotonic time once, so that a step of the wall clock during a drill moves nothing.
"""

from __future__ import annotations

import os
import time
from pathlib import Path


def origin_of(epoch: float) -> float:
    """CLOCK_MONOTONIC of this machine, in seconds, when its wall clock says `epoch` (seconds since 1970, as `time.time()`)."""
    return epoch - time.time() + time.monotonic()


class DrillClock:
    """Seconds of drill time.

    Args:
        origin: of CLOCK_MONOTONIC at t = 0; None: now.
    """

    def __init__(self, origin: float | None) -> None:
        self._origin = time.monotonic() if origin is None else origin

    @property
    def origin(self) -> float:
        """Of CLOCK_MONOTONIC at t = 0, in seconds."""
        return self._origin

    def start(self, origin: float) -> None:
        """Count from another t = 0, in seconds of CLOCK_MONOTONIC."""
        self._origin = origin

    def now(self) -> float:
        """Seconds since t = 0; negative during the warm-up."""
        return time.monotonic() - self._origin


def age() -> float:
    """Seconds since this process was started; 0 where the system does not tell (proc(5), `starttime`)."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19])
    except OSError:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
