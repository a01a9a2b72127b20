"""A replica of the simulation: where it stands in its life, where it runs, and what its container has used."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

import simpy

from ...sandbox.control import restart as backoff
from ..control_plane.interfaces import POOLS


class PodState(StrEnum):
    """Where a pod stands in its life."""

    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    BACKING_OFF = "backing off"
    DRAINING = "draining"
    UNREACHABLE = "unreachable"
    GONE = "gone"


@dataclass(slots=True)
class Usage:
    """What a container has used: `leaked` in MiB, kills, CFS periods; answers and `busy` slot-seconds as `seen` last."""

    leaked: float = 0.0
    answers: int = 0
    kills: int = 0
    busy: float = 0.0
    seen: float = -math.inf
    periods: float = 0.0
    throttled: float = 0.0


@dataclass(slots=True, eq=False)
class Pod:
    """One replica. `ordinal` counts creations, `slot` is its place in the data plane; `restarts` are those of its container.

    `grey` and `throttled` are how many times as long its work takes, for two reasons. `lost`: its node is gone; `stopped_by`: the
    beats that have stopped its process, `unfit_by` those for which it says it is not ready. `condemned`: that was asked to end.
    """

    name: str
    ordinal: int
    pool: int
    slot: int
    version: str
    state: PodState = PodState.STARTING
    restarts: int = 0
    backoff: backoff.State = field(default_factory=backoff.State)
    life: simpy.Process | None = None
    node: str = ""  # empty: not placed yet
    ready_since: float = 0.0
    grey: float = 1.0
    throttled: float = 1.0
    lost: bool = False
    stopped_by: set[str] = field(default_factory=set)
    unfit_by: set[str] = field(default_factory=set)
    condemned: bool = False
    usage: Usage = field(default_factory=Usage)

    @property
    def frozen(self) -> bool:
        """Whether nothing runs there."""
        return self.lost or bool(self.stopped_by)

    @property
    def deployment(self) -> str:
        """The deployment that it belongs to."""
        return POOLS[self.pool]
