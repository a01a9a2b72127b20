"""Rolling update of a deployment with the algorithm of the Kubernetes Deployment controller.

Source: Kubernetes documentation, "Deployments: Rolling Update Deployment": at most `wanted + ceil(surge)` pods in all, at least
`wanted - floor(unavailable)` available, both 25% by default; pods that are not ready go first, but only as many as leave enough
that may yet become ready (`cleanupUnhealthyReplicas` in kubernetes `pkg/controller/deployment/rolling.go`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SURGE = 0.25
UNAVAILABLE = 0.25


@dataclass(frozen=True, slots=True)
class Observed:
    """Pods of the present version and of all others: how many there are, and how many of them are ready."""

    current: int
    current_ready: int
    other: int
    other_ready: int


@dataclass(frozen=True, slots=True)
class Decision:
    """How many pods of the present version to create, and how many ready and unready ones of other versions to retire."""

    create: int = 0
    retire_unready: int = 0
    retire_ready: int = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left to do now."""
        return self == Decision()


def decide(observed: Observed, wanted: int) -> Decision:
    """The next move towards `wanted` pods of the present version."""
    most = wanted + math.ceil(wanted * SURGE)
    least = wanted - math.floor(wanted * UNAVAILABLE)
    total = observed.current + observed.other
    create = max(0, min(wanted - observed.current, most - total))
    available = observed.current_ready + observed.other_ready
    spare = total - least - (observed.current - observed.current_ready)
    return Decision(
        create=create,
        retire_unready=max(0, min(observed.other - observed.other_ready, spare)),
        retire_ready=max(0, min(observed.other_ready, available - least)),
    )
