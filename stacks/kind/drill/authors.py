"""Who changed a field of the desired state in the cluster, as `managedFields` tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Node

from ...deploy.kubernetes.homes import IMAGE
from ...deploy.kubernetes.names import MANAGER
from ...deploy.kubernetes.seen import Seen
from ...deploy.kubernetes.table import HOMES

SOMEBODY = "cluster"
"""Stands for whoever it was where nothing tells."""
KUBECTL = "kubectl"
"""All of kubectl's commands: it calls itself kubectl-edit, kubectl-scale and so on."""


def author(seen: Seen, path: str) -> str:
    """Who wrote the field last: kubectl, drillbox, or the name that another program gives itself."""
    kind, name, place = HOMES[path].owned()
    if kind is Node:
        return _of_nodes(seen, place)
    held: Any = None
    if kind is Deployment:
        held = seen.deployments.get(name)
    elif kind is ConfigMap:
        held = seen.configs.get(name)
    manager = _manager(held, place)
    if manager.startswith(KUBECTL):
        return KUBECTL
    if manager == MANAGER and place[-1:] == _SCALED:
        return KUBECTL  # who asks through `scale`, which Kubernetes before 1.22 notes nowhere: nothing else in a drill does
    return manager if manager and manager != MANAGER else SOMEBODY


def _of_nodes(seen: Seen, place: tuple[str, ...]) -> str:
    """Who wrote a place of any node last; taken for kubectl where that is noted nowhere, as after `kubectl uncordon`."""
    entries = [entry for node in seen.nodes.values() if node.metadata for entry in node.metadata.managedFields or ()]
    found = [(str(entry.time or ""), str(entry.manager or "")) for entry in entries if _holds(entry.fieldsV1, place)]
    manager = max(found, default=("", ""))[1]
    return KUBECTL if manager in ("", MANAGER) or manager.startswith(KUBECTL) else manager


def author_of_image(deployment: Deployment) -> str:
    """Who set the image of a pool's model servers last; empty if drillbox did: its faults do that."""
    manager = _manager(deployment, IMAGE)
    if manager.startswith(KUBECTL):
        return KUBECTL
    return "" if manager == MANAGER else manager or SOMEBODY


def _manager(held: Any, place: tuple[str, ...]) -> str:
    """Who wrote a place of an object last."""
    entries = (held.metadata.managedFields if held is not None and held.metadata else None) or ()
    found = [(str(entry.time or ""), str(entry.manager or "")) for entry in entries if _holds(entry.fieldsV1, place)]
    if not found:
        # What a command took away is nobody's any more: whoever touched the object last did it.
        found = [(str(entry.time or ""), str(entry.manager or "")) for entry in entries if entry.manager != _CONTROLLER]
    return max(found, default=("", ""))[1]


_SCALED = ("f:replicas",)
_CONTROLLER = "kube-controller-manager"


def _holds(fields: object, place: tuple[str, ...]) -> bool:
    """Whether a tree of fields has the place, or what lies around it as a whole."""
    for part in place:
        if not isinstance(fields, Mapping):
            return False
        if part not in fields:
            # Containers of a list are named by their keys: k:{"name":"model-server"}.
            return False
        fields = fields[part]
    return True
