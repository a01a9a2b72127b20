"""Waiting until a cluster's nodes are ready, as its own API tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from pathlib import Path

from ....sandbox.model.errors import StackError
from ....sandbox.model.stack import Progress
from .decoding import learn

Nodes = Mapping[str, str]
"""Why each node is not ready; empty if it is."""
STEP, FIRST = "nodes are ready", "the control plane is ready"
NOT_READY = "node.kubernetes.io/not-ready"
_LOOK = 0.5


def wait_for_nodes(
    kubeconfig: Path,
    count: int,
    patience: float,
    progress: Progress,
    look: Callable[[Path], Nodes] | None = None,
    first: Collection[str] = (),
) -> None:
    """Wait until there are that many nodes, and all are ready; or only those of `first`, where it names any.

    Raises:
        StackError: they are not within `patience` seconds; the message names the node and the reason that it gives.
    """
    look = look or nodes_of
    step = FIRST if first else STEP
    deadline = time.monotonic() + patience
    progress(step, 0.0)
    while True:
        trouble = ""
        found: Nodes = {}
        try:
            found = look(kubeconfig)
        except StackError as error:
            trouble = str(error)
        waiting = {name: why for name, why in found.items() if why and (not first or name in first)}
        if not trouble and len(found) >= count and not waiting:
            progress(step, 1.0)
            return
        progress(step, min(0.99, (len(found) - len(waiting)) / count))
        if time.monotonic() > deadline:
            raise StackError(f"{_told(trouble, found, waiting, count)} after {patience:g} s")
        time.sleep(_LOOK)


def nodes_of(kubeconfig: Path) -> Nodes:
    """Ask the cluster's API.

    Raises:
        StackError: it does not answer.
    """
    import httpx2
    from lightkube import ApiError, Client, KubeConfig
    from lightkube.core.exceptions import ConfigError
    from lightkube.resources.core_v1 import Node

    try:
        learn()
        with closing(Client(KubeConfig.from_file(kubeconfig), trust_env=False)) as client:
            return {(node.metadata and node.metadata.name) or "": why_not_ready(node) for node in client.list(Node)}
    except ApiError as error:
        raise StackError(f"the cluster's API says: {error}") from error
    except (httpx2.HTTPError, ConfigError, OSError, ValueError) as error:
        raise StackError(f"the cluster's API does not answer: {error}") from error


def why_not_ready(node: object) -> str:
    """Why a node is not ready; empty if it is."""
    status, spec = getattr(node, "status", None), getattr(node, "spec", None)
    for condition in getattr(status, "conditions", None) or ():
        if condition.type == "Ready" and condition.status != "True":
            return str(condition.message or condition.reason or "not ready")
        if condition.type == "Ready":  # the scheduler goes by the taint, which goes a moment later
            return (
                f"it has the taint {NOT_READY}"
                if any(one.key == NOT_READY for one in getattr(spec, "taints", None) or ())
                else ""
            )
    return "it has not reported yet"


def _told(trouble: str, found: Nodes, waiting: Nodes, count: int) -> str:
    if trouble:
        return trouble
    for name, why in sorted(waiting.items()):
        return f"node {name} is not ready ({why})"
    return f"only {len(found)} of {count} nodes joined"
