"""What on a cluster kube-state-metrics, cAdvisor and the bill would say of the local stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...sandbox.model.scenario import Prices
from ...sandbox.model.views import Table
from ..monitoring.exporter import PodState, replica_budget
from ..real.machine.cgroups import Counters
from ..real.machine.processes import Process
from .replicas import Replica, State
from .service import Service

NODE = "localhost"
"""The one node."""
NOTHING = Counters(0.0, 0, 0, 0, 0.0)


def _memory(process: Process | None) -> float:
    """MiB that count at the limit; in RAM if there is none that the kernel keeps."""
    if process is None:
        return 0.0
    return process.cgroup.working_set() if process.cgroup is not None else process.resident()


class LocalPlatform:
    """Implements `monitoring.exporter.PlatformState`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def wanted(self) -> Mapping[str, int]:
        """Replicas wanted, by deployment."""
        return self._service.fleet.wanted()

    def pods(self) -> Sequence[PodState]:
        """All replicas that there are."""
        return [self._pod(one) for one in self._service.fleet.replicas()]

    def nodes(self) -> Mapping[str, bool]:
        """Ready: else nobody would be asked."""
        return {NODE: True}

    def replica_seconds(self) -> float:
        """Seconds of replicas since the warm-up began."""
        return self._service.fleet.paid

    def training_seconds(self) -> float:
        """Seconds of training since the warm-up began."""
        return self._service.training_seconds

    def prices(self) -> Prices:
        """The price list."""
        return self._service.scenario.world.prices

    def budget(self) -> float:
        """What the autoscaler may ask for, or twice the replicas of the beginning, in dollars per hour."""
        return replica_budget(self._service.scenario)

    def _pod(self, one: Replica) -> PodState:
        process = one.process
        counted = process.cgroup.counters() if process is not None and process.cgroup is not None else NOTHING
        return PodState(
            one.name,
            one.deployment,
            one.version,
            NODE,
            process is not None,
            one.state is State.READY,
            one.restarts,
            _memory(process),
            self._service.spec.servers.memory,
            float(counted.periods),
            float(counted.throttled_periods),
            one.kills,
        )


def replicas(service: Service) -> Table:
    """The view of that name."""
    rows = [
        (pod.node, pod.name, pod.deployment, pod.version, str(one.state), pod.restarts, round(pod.memory or 0.0), one.slowness)
        for one, pod in zip(service.fleet.replicas(), LocalPlatform(service).pods(), strict=True)
    ]
    columns = ("node", "replica", "deployment", "version", "state", "restarts", "memory, MiB", "times as slow")
    return Table("Replicas", columns, tuple(rows), {})
