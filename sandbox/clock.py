"""The wall clock: the only place outside the stacks that reads it or sleeps."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock that can wait."""

    def now(self) -> float:
        """Seconds since some fixed moment; never falls."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class WallClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for real."""
        time.sleep(max(0.0, seconds))


class Pacer:
    """Keeps drill time at `speed` times the wall clock. Speed 0 means as fast as possible; a pause holds drill time."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._anchor_wall = clock.now()
        self._anchor_drill = 0.0
        self._drill = 0.0

    @property
    def speed(self) -> float:
        """Drill seconds per wall second; 0 is unpaced."""
        return self._speed

    def set_speed(self, speed: float) -> None:
        """Change the speed from now on: what is left of the present step takes its time at the new one."""
        self.restart()
        self._speed = speed

    def restart(self) -> None:
        """Go on from the present moment, as at the beginning and at the end of a pause."""
        now = self._clock.now()
        if self._speed > 0:  # not beyond the step that was waited for, however late it is, or however long the pause was
            self._drill = min(self._drill, self._anchor_drill + (now - self._anchor_wall) * self._speed)
        self._anchor_wall, self._anchor_drill = now, self._drill

    def delay(self, drill: float) -> float:
        """Wall seconds until drill time `drill` is due; 0 if it is."""
        self._drill = drill
        if self._speed <= 0:
            return 0.0
        due = self._anchor_wall + (drill - self._anchor_drill) / self._speed
        return max(0.0, due - self._clock.now())
