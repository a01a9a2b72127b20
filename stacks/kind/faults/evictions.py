"""Nodes that are lost get the taint by which their pods are moved elsewhere, where the control plane forgets it.

Kubernetes 1.19 to 1.20.2, in clusters that were set up with it, give a node that is not heard of only the taint against new pods,
and not the one (`NoExecute`) that makes the old ones leave after their tolerations. Where that one is missing for a while, we set
it; the control plane takes it off when the node is back. On other versions it is always there before.

Source: https://github.com/kubernetes/kubernetes/issues/97100
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightkube.resources.core_v1 import Node

from ....sandbox.model.errors import StackError
from ...deploy.kubernetes.seen import Patch, name_of
from ...services.controller.pods import node_ready

if TYPE_CHECKING:
    from ..drill.service import KindService

GRACE = 12.0
"""Drill seconds that the control plane has: it sets such taints at a rate of one in ten seconds."""
UNREACHABLE, LEAVE = "node.kubernetes.io/unreachable", "NoExecute"
_KNOWN = (UNREACHABLE, "node.kubernetes.io/not-ready")


class Evictions:
    """Looks after the nodes of model servers in each round.

    Args:
        service: whose nodes they are.
    """

    def __init__(self, service: KindService) -> None:
        self._service = service
        self._since: dict[str, float] = {}  # by node: when it was first seen not ready, without the taint
        service.chores.append(self.look)

    def look(self, now: float) -> None:
        """Set the taints that are due at drill time `now`."""
        bare = {name_of(one): one for one in self._service.seen().nodes.values() if not node_ready(one) and not _leaves(one)}
        self._since = {name: self._since.get(name, now) for name in bare}
        for name, since in self._since.items():
            if now - since > GRACE:
                self._since[name] = now  # not at once again
                self._set(bare[name])

    def _set(self, node: Node) -> None:
        spec = node.spec
        taints = [one.to_dict() for one in (spec.taints if spec else None) or ()]
        taints.append({"key": UNREACHABLE, "effect": LEAVE})
        try:
            self._service.patch(Patch(Node, name_of(node), {"spec": {"taints": taints}}))
        except StackError as error:
            self._service.log("nodes", "warning", f"{name_of(node)}: its pods stay: {error}")


def _leaves(node: Node) -> bool:
    """Whether the taint is there."""
    taints = (node.spec.taints if node.spec else None) or ()
    return any(one.effect == LEAVE and one.key in _KNOWN for one in taints)
