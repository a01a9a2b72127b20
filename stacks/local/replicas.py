"""A replica of the local stack: one model server process, where it stands in its life, and how it is told of changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ...sandbox.control import restart as backoff
from ..deploy.envoy.names import Address

if TYPE_CHECKING:
    from ..real.machine.processes import Process


class State(StrEnum):
    """Where a replica stands in its life."""

    STARTING = "starting"  # no process yet, or one that does not load yet
    LOADING = "loading"
    READY = "ready"
    BACKING_OFF = "backing off"
    UNREACHABLE = "unreachable"  # it was ready, and does not answer the gateway's probes
    DRAINING = "draining"


@dataclass(slots=True, eq=False)
class Replica:
    """One replica. `ordinal` counts creations in its deployment; `begin_at` is the drill second at which its process starts."""

    name: str
    ordinal: int
    deployment: str
    version: str
    address: Address
    begin_at: float
    state: State = State.STARTING
    process: Process | None = None
    restarts: int = 0
    backoff: backoff.State = field(default_factory=backoff.State)
    slowness: float = 1.0  # how many times as long its work takes by a fault
    kills: int = 0  # by the kernel, out of memory
    ready_since: float = 0.0  # drill second
    probed: bool = False  # the gateway's probes have passed since it has become ready
    overlooked: bool = False  # the gateway does not know of it any more

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.address}"

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests."""
        return self.state is State.READY

    @property
    def counts(self) -> bool:
        """Whether it counts towards the wanted number."""
        return self.state is not State.DRAINING
