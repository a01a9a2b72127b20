"""Restart back-off of a crashed container, as the kubelet does it.

Source: Kubernetes documentation, "Pod Lifecycle: Container restart policy": 10 s, 20 s, 40 s, ... at most 5 minutes, reset after
10 minutes without a crash.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 10.0
LIMIT = 300.0
RESET_AFTER = 600.0


@dataclass(frozen=True, slots=True)
class State:
    """Crashes in a row, and when the container last began to run (drill seconds)."""

    crashes: int = 0
    running_since: float = 0.0


def decide(state: State, now: float) -> tuple[float, State]:
    """Seconds to wait before the next start after a crash at `now`, and the new state; the first restart is immediate."""
    crashes = 1 if now - state.running_since >= RESET_AFTER else state.crashes + 1
    delay = 0.0 if crashes == 1 else min(FIRST * 2.0 ** (crashes - 2), LIMIT)
    return delay, State(crashes, now + delay)
