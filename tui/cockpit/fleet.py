"""The state of each replica of the model servers, as far as logs tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from ...sandbox.model.events import Logged

POOLS = ("model-champion", "model-candidate", "model-shadow")
"""The deployments of model servers."""
_POD = re.compile(rf"(?P<pool>{'|'.join(POOLS)})-(?P<rest>\S+)")
_MODEL = re.compile(r"(?:loading model|model) (\S+)")
_BUSY_FOR = 15.0
"""Seconds of drill time that a warning colours a replica: the servers sum up their counters every 10 s."""


class ReplicaState(StrEnum):
    """Where a replica stands in its life."""

    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    CRASHED = "crashed"
    WAITING = "backing off"
    PENDING = "pending"
    UNREACHABLE = "unreachable"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Replica:
    """One pod of a deployment. `since` and `warned_at` are drill seconds; `warning` is the last warning that it logged."""

    name: str
    pool: str
    state: ReplicaState
    since: float
    version: str = ""
    warning: str = ""
    warned_at: float = -1e9

    def troubled(self, now: float) -> bool:
        """Whether it warned a moment ago."""
        return now - self.warned_at <= _BUSY_FOR

    @property
    def short(self) -> str:
        """Its name within the deployment."""
        return self.name.removeprefix(f"{self.pool}-")


Fleet = Mapping[str, Replica]

_WORDS = (
    ("starting", ReplicaState.STARTING),
    ("loading model", ReplicaState.LOADING),
    ("terminating", ReplicaState.DRAINING),
    ("terminated", ReplicaState.GONE),
    ("deleted", ReplicaState.GONE),
    ("restart in", ReplicaState.WAITING),
    ("pending", ReplicaState.PENDING),
    ("health checks fail", ReplicaState.UNREACHABLE),
)


def initial(pool: str, count: int, version: str) -> Fleet:
    """The replicas that were ready when the drill began; they log nothing about that."""
    names = [f"{pool}-{number + 1}" for number in range(count)]
    return {name: Replica(name, pool, ReplicaState.READY, 0.0, version) for name in names}


def after(fleet: Fleet, line: Logged) -> Fleet:
    """The fleet after a log line."""
    match = _POD.fullmatch(line.component)
    if match is None:
        return fleet
    known = fleet.get(line.component) or Replica(line.component, match["pool"], ReplicaState.STARTING, line.when)
    changed = _after(known, line)
    if changed.state is ReplicaState.GONE:
        return {name: one for name, one in fleet.items() if name != line.component}
    return {**fleet, line.component: changed}


def _after(known: Replica, line: Logged) -> Replica:
    state = _told(line)
    if state is None:
        return replace(known, warning=line.text, warned_at=line.when) if line.severity in ("warning", "error") else known
    version = _MODEL.search(line.text)
    return replace(known, state=state, since=line.when, version=version[1] if version else known.version)


def _told(line: Logged) -> ReplicaState | None:
    """The state that a line tells, if it tells one."""
    if line.text.endswith("ready"):
        return ReplicaState.READY
    state = next((state for words, state in _WORDS if line.text.startswith(words)), None)
    if line.severity == "error" and state is not ReplicaState.UNREACHABLE:
        return ReplicaState.CRASHED
    return state
