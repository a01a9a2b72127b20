"""Model servers as the Kubernetes API tells of their pods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lightkube.models.core_v1 import Container, ContainerStatus
from lightkube.resources.core_v1 import Node, Pod

from ...deploy.envoy.names import POOLS
from ...deploy.kubernetes.names import COMPONENT, CONCURRENCY, MODEL_SERVER, NODE, POOL, VERSION

SERVERS = {COMPONENT: MODEL_SERVER}
"""Labels of the model servers' pods and Deployments."""
CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
"""Labels of nodes that are no model server's."""

_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "m": 1e-3}
_QUANTITY = re.compile(r"([0-9.]+(?:[eE][0-9]+)?)([A-Za-z]*)")
_MIB = 2.0**20


@dataclass(frozen=True, slots=True)
class ServerPod:
    """One model server's pod."""

    name: str
    pool: str
    version: str
    node: str  # empty while it waits for one
    ip: str  # empty while it has none
    ready: bool  # by Kubernetes: its probe, and whether its node is heard of
    running: bool  # whether its container runs
    leaving: bool  # whether it was asked to end
    life: str  # names the present run of its container; empty before the first
    restarts: int
    died: str  # names the last run that was killed at its memory limit; empty if the last end was another
    limit: float  # MiB; 0: none
    cores: float = 0.0  # that its container may use; 0: no limit
    slots: int = 1  # requests that it serves at once


def server_pod(pod: Pod) -> ServerPod | None:
    """What counts of a pod; None if it is no pool's, or is over."""
    meta, spec, status = pod.metadata, pod.spec, pod.status
    pool = ((meta.labels if meta else None) or {}).get(POOL, "")
    phase = status.phase if status else ""
    if meta is None or spec is None or pool not in POOLS or phase in {"Succeeded", "Failed"}:
        return None
    container = _chosen(spec.containers)
    limits = (container.resources.limits if container.resources else None) or {}
    state = _state_of(container.name, (status.containerStatuses if status else None) or [])
    conditions = (status.conditions if status else None) or []
    return ServerPod(
        str(meta.name),
        pool,
        _variable(container, VERSION),
        spec.nodeName or "",
        (status.podIP if status else None) or "",
        any(one.type == "Ready" and one.status == "True" for one in conditions),
        bool(state and state.state and state.state.running),
        meta.deletionTimestamp is not None,
        (state.containerID if state else None) or "",
        int(state.restartCount) if state else 0,
        _killed(state),
        quantity(str(limits.get("memory", "0"))) / _MIB,
        quantity(str(limits.get("cpu", "0"))),
        _number(_variable(container, CONCURRENCY)),
    )


def node_ready(node: Node) -> bool:
    """Whether a node says that it is ready, and is heard of."""
    conditions = (node.status.conditions if node.status else None) or []
    return any(one.type == "Ready" and one.status == "True" for one in conditions)


def of_servers(nodes: Iterable[Node]) -> dict[str, Node]:
    """The nodes that model servers are placed on, by their names in the API: those that scenarios have a name for, if any.

    Else those that are no control plane's, if there are any; else all.
    """
    known = {str(one.metadata.name): one for one in nodes if one.metadata}
    named = {name: one for name, one in known.items() if NODE in _labels(one)}
    workers = {name: one for name, one in known.items() if not set(CONTROL_PLANE) & set(_labels(one))}
    return named or workers or known


def shown(name: str, node: Node | None) -> str:
    """The name of a node in metrics: that of scenarios, if it has one."""
    return (_labels(node).get(NODE) if node else None) or name


def _labels(one: Node) -> Mapping[str, str]:
    return (one.metadata.labels if one.metadata else None) or {}


def quantity(text: str) -> float:
    """The number in a quantity such as `512Mi` or `250m`; 0 if it is none."""
    found = _QUANTITY.fullmatch(text)
    return float(found[1]) * _UNITS.get(found[2], 0.0) if found else 0.0


def _chosen(containers: list[Container]) -> Container:
    return next((one for one in containers if one.name == MODEL_SERVER), containers[0])


def _variable(container: Container, name: str) -> str:
    return next((str(one.value or "") for one in container.env or [] if one.name == name), "")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 1


def _state_of(name: str, states: list[ContainerStatus]) -> ContainerStatus | None:
    return next((one for one in states if one.name == name), None)


def _killed(state: ContainerStatus | None) -> str:
    """The run that was last killed at the memory limit: the present state, or that before a restart."""
    for one in (state.state, state.lastState) if state else ():
        if one and one.terminated and one.terminated.reason == "OOMKilled":
            return one.terminated.containerID or f"{state.restartCount if state else 0}"
    return ""
