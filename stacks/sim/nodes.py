"""Nodes of the simulated cluster: where replicas are placed, and what a node that is lost takes with it.

A pod goes to the node that is ready, not cordoned, and has the fewest pods; of equals, the first. A node that is lost answers
nobody: requests to its pods hang until the gateway's health checks have failed (`UNHEALTHY`); after `GRACE` the control plane
calls the node not ready, after `TOLERATION` more it deletes the pods, and the deployment makes new ones elsewhere.

Sources: Kubernetes documentation, "Nodes: Node controller" (grace period 40 s until version 1.31) and "Taints and Tolerations:
Taint based Evictions"; Envoy documentation, "Health checking" (two failed checks 5 s apart).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping

import simpy

from ...sandbox.model.platform import NODES, TOLERATION
from .fleet import Fleet, Log, Pod

UNHEALTHY = 10.0
GRACE = 40.0
COMPONENT = "nodes"


class Nodes:
    """Which nodes are there and ready.

    Args:
        env: whose time is drill time.
        fleet: the pods.
        cordoned: names of the nodes that take no more pods.
        log: takes component, severity and text.
    """

    def __init__(self, env: simpy.Environment, fleet: Fleet, cordoned: Callable[[], tuple[str, ...]], log: Log) -> None:
        self._env = env
        self._fleet = fleet
        self._cordoned = cordoned
        self._log = log
        self._lost: dict[str, str] = {}  # node by beat
        self._since: dict[str, float] = {}  # by node that is lost
        self._down: set[str] = set()  # nodes whose loss the control plane has noticed
        fleet.placement = self

    def place(self, pods: list[Pod]) -> str:
        """The node for a new pod, given all that there are; empty if none takes it."""
        open_ = [name for name in NODES if name not in self._down and name not in self._cordoned()]
        counts = {name: sum(pod.node == name for pod in pods) for name in open_}
        return min(open_, key=counts.__getitem__, default="")

    def is_lost(self, name: str) -> bool:
        """Whether nothing runs there."""
        return name in self._lost.values()

    def ready(self) -> Mapping[str, bool]:
        """By node, whether the control plane calls it ready."""
        return {name: name not in self._down for name in NODES}

    def begin(self, beat: str, node: str) -> None:
        """A node is gone from now on."""
        if self.is_lost(node):
            self._lost[beat] = node
            return
        self._lost[beat] = node
        self._since[node] = self._env.now
        for pod in self._on(node):
            self._fleet.freeze(pod)
        self._env.process(self._notice(node, self._env.now))

    def end(self, beat: str) -> None:
        """It is back: the containers of the pods that are still placed there start."""
        node = self._lost.pop(beat)
        if self.is_lost(node):
            return
        del self._since[node]
        if node in self._down:
            self._down.discard(node)
            self._log(COMPONENT, "info", f"{node} is ready")
        for pod in self._on(node):
            self._fleet.thaw(pod, f"{node} was rebooted")

    def drain(self, node: str) -> None:
        """Delete the pods on a node."""
        self._log(COMPONENT, "info", f"{node} is drained")
        self._fleet.evict(self._on(node))

    def _notice(self, node: str, since: float) -> Generator[simpy.Event, None, None]:
        """First the gateway, then the control plane, and at last the eviction."""
        yield self._env.timeout(UNHEALTHY)
        if self._since.get(node) != since:
            return
        for pod in self._on(node):
            self._fleet.unreachable(pod)
        yield self._env.timeout(GRACE - UNHEALTHY)
        if self._since.get(node) != since:
            return
        self._down.add(node)
        self._log(COMPONENT, "error", f"{node} is not ready: its kubelet stopped posting its status")
        yield self._env.timeout(TOLERATION)
        if self._since.get(node) == since:
            self._fleet.evict(self._on(node))

    def _on(self, node: str) -> list[Pod]:
        return [pod for pod in self._fleet.pods() if pod.node == node]
