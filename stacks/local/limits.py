"""Limits of the model servers' containers, kept by the kernel in cgroups of their own, and the faults that meet them.

Memory: a process has as much of its own as that of the simulation (`PROCESS`) once a limit matters in a drill, and a leak leaves
more behind with every answer; at the limit the kernel kills it.

CPU: answers hold their slots without computing, so that two cores are enough. Under a limit each computes for a share of its
time, and the quota is that share of the limit. Slots then get from the kernel what they would get of a limit on the whole work:
with `busy` slots at work an answer takes busy / limit times as long.

Limits end with the cgroups, which go with their processes or by `drillbox down`: there is nothing to be undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...sandbox.model.errors import StackError
from ...sandbox.model.params import Params
from ...sandbox.model.platform_faults import CPU_THROTTLING, MEMORY_LEAK
from ..real.machine.cgroups import available
from .replicas import Replica, State

if TYPE_CHECKING:
    from ..real.machine.cgroups import Cgroup
    from .service import Service

NEEDS_CGROUPS = frozenset((MEMORY_LEAK.name, CPU_THROTTLING.name, "set-limits"))
"""Faults and actions for which there have to be cgroups of our own."""
PROCESS = 300.0
"""MiB of a process with its model: what the simulation takes for it (`stacks/sim/containers.py`)."""
WORK = 0.006
"""Seconds of CPU that an answer takes under a limit, on the average: some 2.5 ms of it by HTTP and scoring anyway."""
LEAST = 0.05
"""Cores of a quota at least: 5 ms of a period of 100 ms, which the kernel hands a processor in one piece."""
MOST = MEMORY_LEAK.params[0].maximum or 0.0
"""MiB that an answer leaves behind at most, by all leaks together: what the model server takes."""
MORE = 8.0
"""MiB that a process takes to meet a limit that is below what it has: version 1 does not kill by itself."""


def unsupported() -> Mapping[str, str]:
    """By fault or action why this machine cannot do it; empty if it can do all."""
    trouble = available()
    return dict.fromkeys(NEEDS_CGROUPS, trouble) if trouble else {}


class Limits:
    """Puts limits into force.

    Args:
        service: whose model servers they are for.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limited = False
        if any(beat.fault == MEMORY_LEAK.name for beat in service.scenario.timeline):
            service.programs.strain["memory"] = PROCESS
        if service.spec.servers.cpu > 0.0:
            service.programs.strain["effort"] = self.effort

    @property
    def effort(self) -> float:
        """Share of its time that an answer computes under the present limit; 0 if there is none."""
        limit = self._service.spec.servers.cpu
        return effort(limit, self._service.scenario.runtime.service_time) if limit > 0.0 else 0.0

    def apply_memory(self) -> None:
        """Bring all model servers to the memory limit of the desired state, in place."""
        service = self._service
        if service.spec.servers.memory <= PROCESS:
            service.strain({"memory": PROCESS})
        for one in service.fleet.replicas():
            self._limit_memory(one)

    def apply_cpu(self) -> None:
        """Bring those that are ready to the CPU limit of the desired state, in place."""
        service, computes = self._service, self.effort
        if computes:  # who does not is not throttled
            service.strain({"effort": computes})
        for one in service.fleet.replicas():
            self.admit(one)
        if not computes:
            service.strain({"effort": computes})

    def admit(self, one: Replica) -> None:
        """Limit a replica's CPU once it is ready: how long it starts and loads is told by the scenario."""
        cgroup, cores = _cgroup(one), self._service.spec.servers.cpu
        if cgroup is None or one.state in (State.STARTING, State.LOADING):
            return
        if cores > 0.0 or self._limited:
            self._limited = True
            cgroup.limit_cpu(cores * self.effort if cores > 0.0 else None)

    def _limit_memory(self, one: Replica) -> None:
        cgroup, limit = _cgroup(one), self._service.spec.servers.memory
        if cgroup is None:
            return
        try:
            cgroup.limit_memory(limit)
        except StackError:
            used = cgroup.counters().memory
            if cgroup.version == 2 or used < limit:  # pragma: no cover -- refused for another reason
                raise
            # Version 1 refuses a limit below what is in use. The lowest that it takes, and a little more memory: then it kills.
            cgroup.limit_memory(used + 1.0)
            self._service.fleet.tell_one(one, {"memory": used + MORE})


def effort(limit: float, service_time: float) -> float:
    """Share of its time that an answer computes under a limit of so many cores.

    Little enough for a small machine, and as much as the kernel hands out; where the limit is low, little is computed anyway.
    """
    return min(1.0, max(WORK / max(service_time, WORK), LEAST / limit))


class Leak:
    """Answers leave memory behind in their model servers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._leaks: dict[str, float] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        self._leaks[beat] = float(params["leak"])
        self._tell()

    def end(self, beat: str) -> None:
        """As `Mechanism`: what has leaked stays."""
        self._leaks.pop(beat, None)
        self._tell()

    def _tell(self) -> None:
        self._service.strain({"memory": PROCESS, "leak": min(sum(self._leaks.values()), MOST)})


def _cgroup(one: Replica) -> Cgroup | None:
    return one.process.cgroup if one.process is not None and one.process.exit_code is None else None
