"""Faults of a cluster's nodes: lost, or short of CPU. How to take them back is in the undo log before anything is done.

Nodes are known by the names that scenarios have for them, and are hit by the same ones as in the simulation. The control plane's
node, on which the API and the drill's own services are, is never hit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lightkube.resources.core_v1 import Node

from ....sandbox.model.errors import StackError
from ....sandbox.model.params import Params
from ....sandbox.model.platform import NODES
from ....sandbox.model.scenario import Scenario
from ...services.controller.pods import CONTROL_PLANE
from ..cluster.node_hands import Reach
from ..settings import WORKERS

Named = Callable[[], Mapping[str, Node]]
"""Gives the nodes by the names that scenarios have for them."""


def needed(scenario: Scenario) -> int:
    """How many workers a scenario needs for its faults of nodes."""
    hit = [str(beat.params["node"]) for beat in scenario.timeline if beat.fault.startswith("nodes.")]
    return max((NODES.index(node) + 1 for node in hit), default=0)


def check_workers(scenario: Scenario, workers: int, cluster: str, *, there: bool) -> None:
    """Whether a cluster has the nodes that a scenario's faults are for, or will have them, if it is not `there` yet.

    Raises:
        StackError: there are too few; the message says how to get more.
    """
    most = needed(scenario)
    if workers >= most:
        return
    has = f"has {workers}: remove it (drillbox down --stack kind {cluster}), then" if there else f"would have {workers}:"
    raise StackError(
        f"{scenario.id} is played on {most} worker nodes or more, and the cluster {cluster} {has} set {WORKERS}={most}"
    )


def container_of(nodes: Mapping[str, Node], name: str) -> str:
    """The container of a node: kind gives both the same name.

    Raises:
        StackError: there is no such node, or it is the control plane's.
    """
    node = nodes.get(name)
    if node is None or node.metadata is None:
        raise StackError(f"there is no node {name} in this cluster; it has {', '.join(sorted(nodes)) or 'none'}")
    if set(CONTROL_PLANE) & set(node.metadata.labels or {}):
        raise StackError(f"{name} is the control plane's node: without it there is no drill; set {WORKERS}=1 or more")
    return str(node.metadata.name)


class NodeLoss:
    """A node is paused, stopped or cut off, until the last fault that hit it is over.

    Args:
        nodes: the reach to them.
        named: gives the nodes.
    """

    def __init__(self, nodes: Reach, named: Named) -> None:
        self._hands, self._undo, self._named = nodes.hands, nodes.undo, named
        self._lost: dict[str, str] = {}  # container by beat
        self._before: dict[str, Mapping[str, object]] = {}  # how it was, by container

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        node = container_of(self._named(), str(params["node"]))
        first = node not in self._lost.values()
        self._lost[beat] = node
        if first:
            kind, data = self._hands.as_it_is(node)
            self._undo.note(node, kind, data)
            self._before[node] = data
            self._hands.lose(node, str(params["how"]))

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        node = self._lost.pop(beat)
        if node not in self._lost.values():
            self._hands.restore(self._before.pop(node))
            self._undo.done(node)


class NodeCpu:
    """A node may use only so much CPU; of several limits at once the lowest is in force.

    Args:
        nodes: the reach to them.
        named: gives the nodes.
    """

    def __init__(self, nodes: Reach, named: Named) -> None:
        self._hands, self._undo, self._named = nodes.hands, nodes.undo, named
        self._limits: dict[str, tuple[str, float]] = {}  # container and cores by beat
        self._before: dict[str, Mapping[str, object]] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        node = container_of(self._named(), str(params["node"]))
        if node not in self._before:
            kind, data = self._hands.cpu_as_it_is(node)
            self._undo.note(f"{node} cpu", kind, data)
            self._before[node] = data
        self._limits[beat] = (node, float(params["cores"]))
        self._limit(node)

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        node, _ = self._limits.pop(beat)
        if node in (limited for limited, _ in self._limits.values()):
            self._limit(node)
            return
        self._hands.set_cpu(self._before.pop(node))
        self._undo.done(f"{node} cpu")

    def _limit(self, node: str) -> None:
        self._hands.limit_cpu(node, min(cores for limited, cores in self._limits.values() if limited == node))
