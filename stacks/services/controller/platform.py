"""What kube-state-metrics, cAdvisor and the bill would say of the model servers, from the watched objects."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Node

from ....sandbox.model.scenario import Prices, Scenario
from ...deploy.envoy.names import POOLS
from ...monitoring.exporter import PodState, replica_budget
from .pods import ServerPod, node_ready, of_servers, shown
from .usage import Usage


class Objects(Protocol):
    """The objects that are watched."""

    @property
    def servers(self) -> Sequence[ServerPod]:
        """Pods of model servers."""

    @property
    def deployments(self) -> Sequence[Deployment]:
        """Of model servers."""

    @property
    def nodes(self) -> Sequence[Node]:
        """All; none if the account may not see them."""


class ClusterPlatform:
    """Implements `monitoring.exporter.PlatformState`.

    Args:
        objects: that are watched.
        usage: gives what a pod uses, None if nobody tells.
        training: gives the seconds of training so far.
        scenario: has the prices; None: there is no money.
    """

    def __init__(
        self,
        objects: Objects,
        usage: Callable[[str], Usage | None],
        training: Callable[[], float],
        scenario: Scenario | None,
    ) -> None:
        self._objects, self._usage, self._training, self._scenario = objects, usage, training, scenario
        self._paid, self._paid_at, self._count = 0.0, time.monotonic(), 0
        self._deaths: dict[str, set[str]] = defaultdict(set)

    def look(self) -> None:
        """The objects have changed: take in what only they say that were there."""
        pods = self._objects.servers
        self._pay(len(pods))
        for pod in pods:
            if pod.died:
                self._deaths[pod.name].add(pod.died)
        for name in self._deaths.keys() - {pod.name for pod in pods}:
            del self._deaths[name]

    def wanted(self) -> Mapping[str, int]:
        """Replicas wanted, by deployment."""
        found = {}
        for one in self._objects.deployments:
            name = (one.metadata.name if one.metadata else None) or ""
            if name in POOLS and one.spec is not None:
                found[name] = 1 if one.spec.replicas is None else one.spec.replicas
        return found

    def pods(self) -> Sequence[PodState]:
        """All replicas that there are."""
        nodes = {str(one.metadata.name): one for one in self._objects.nodes if one.metadata}
        return [self._state(pod, shown(pod.node, nodes.get(pod.node))) for pod in self._objects.servers]

    def nodes(self) -> Mapping[str, bool]:
        """Whether each node of model servers is ready."""
        return {shown(name, one): node_ready(one) for name, one in of_servers(self._objects.nodes).items()}

    def replica_seconds(self) -> float:
        """Seconds of replicas since this process began."""
        self._pay(self._count)
        return self._paid

    def training_seconds(self) -> float:
        """Seconds of training, as the pipeline says."""
        return self._training()

    def prices(self) -> Prices | None:
        """The price list."""
        return None if self._scenario is None else self._scenario.world.prices

    def budget(self) -> float:
        """What the replicas may cost, in dollars per hour."""
        return 0.0 if self._scenario is None else replica_budget(self._scenario)

    def _pay(self, count: int) -> None:
        now = time.monotonic()
        self._paid += self._count * (now - self._paid_at)
        self._paid_at, self._count = now, count

    def _state(self, pod: ServerPod, node: str) -> PodState:
        used = self._usage(pod.name)
        return PodState(
            pod.name,
            pod.pool,
            pod.version,
            node,
            pod.running,
            pod.ready and not pod.leaving,
            pod.restarts,
            used.memory if used else None,
            pod.limit,
            used.periods if used else None,
            used.throttled if used else None,
            len(self._deaths.get(pod.name, ())),
        )
