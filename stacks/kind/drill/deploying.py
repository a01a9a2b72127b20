"""Brings a drill's objects into a cluster, waits until they run, and takes them away again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from lightkube import Client
from lightkube.core.exceptions import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace, Node
from lightkube.resources.rbac_authorization_v1 import ClusterRoleBinding, RoleBinding

from ....sandbox.model.errors import StackError
from ....sandbox.model.platform import NODES
from ....sandbox.model.stack import Progress
from ...deploy.kubernetes.access import may_be_refused
from ...deploy.kubernetes.names import CHAMPION, COMPONENT, GRAFANA, MODEL_SERVER, NODE
from ...deploy.kubernetes.objects import Rendered, first_revision, needs_first_revision, objects_of
from ...deploy.kubernetes.seen import Seen, name_of
from ...deploy.kubernetes.setup import Setup
from ...services.controller.pods import of_servers
from .place import NO_ANSWER

PATIENCE = 240.0
"""Wall seconds that all pods have to become ready: images are on the nodes by then."""
SIDE_BY_SIDE = 4
"""Objects that are made at a time: most of it the API spends waiting for its store."""
_POLL = 0.25
_STUCK = frozenset(
    ("CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName")
)
"""Why a container waits that will not start by waiting."""
_BINDINGS = (RoleBinding, ClusterRoleBinding)
_REFUSED = (403, 404)
"""A Role that grants what one has not got, and a binding to a Role that is therefore not there."""
EXTRAS = frozenset((GRAFANA,))
"""What a drill can do without: it is not waited for, and what it lacks ends nothing."""


@contextmanager
def asking(what: str) -> Iterator[None]:
    """The API's refusals and silence in our words.

    Raises:
        StackError: with what was asked for.
    """
    try:
        yield
    except ApiError as error:
        raise StackError(f"{what}: the cluster's API says: {error.status.message or error}") from error
    except NO_ANSWER as error:
        raise StackError(f"{what}: the cluster's API does not answer: {str(error) or type(error).__name__}") from error


def name_nodes(client: Client) -> dict[str, str]:
    """Give the nodes that model servers are placed on the names that scenarios have for them.

    Returns:
        The node by the scenario's name.

    Raises:
        StackError: the API refuses.
    """
    with asking("naming the nodes"):
        known: list[Any] = list(client.list(Node))
        nodes = sorted(of_servers(known))
        named = dict(zip(NODES, nodes, strict=False))
        for name, node in named.items():
            client.patch(Node, node, {"metadata": {"labels": {NODE: name}}})
    return named


def deploy(client: Client, setup: Setup, progress: Progress, settle: Callable[[], None] = lambda: None) -> None:
    """Apply all objects; those that are there already are brought to what is wanted.

    Args:
        client: of the API.
        setup: says what is wanted.
        progress: hears of it.
        settle: waits until all nodes are ready: before that model servers would all be placed on the first that is.

    Raises:
        StackError: the API refuses one, or a node does not get ready.
    """
    wanted = objects_of(setup)
    step, done, count = "objects", 0, sum(not _of_servers(one) for one in wanted)
    progress(step, 0.0)
    for stage in _stages(wanted):
        if any(map(_of_servers, stage)):
            settle()
            step, done, count = "model servers", 0, len(stage)
        with ThreadPoolExecutor(SIDE_BY_SIDE, "apply") as pool:
            for _ in pool.map(lambda one: _apply(client, setup, one), stage):
                done += 1
                progress(step, done / count)


def _stages(wanted: Sequence[Rendered]) -> Iterator[list[Rendered]]:
    """The namespace; what pods need when they start; who gets Roles, which have to be there; who makes pods; model servers."""
    pods = [one for one in wanted if isinstance(one, Deployment)]
    namespace, bindings = ([one for one in wanted if isinstance(one, kinds)] for kinds in (Namespace, _BINDINGS))
    others = [one for one in wanted if not isinstance(one, (Namespace, *_BINDINGS, Deployment))]
    servers = [one for one in pods if _of_servers(one)]
    yield from filter(None, (namespace, others, bindings, [one for one in pods if one not in servers], servers))


def _of_servers(one: Rendered) -> bool:
    """Whether it makes pods of model servers."""
    labels = (one.metadata.labels if one.metadata else None) or {}
    return isinstance(one, Deployment) and labels.get(COMPONENT) == MODEL_SERVER


def _apply(client: Client, setup: Setup, one: Rendered) -> None:
    """Make an object, or bring it to what is wanted."""
    with asking(f"{type(one).__name__} {one.metadata.name if one.metadata else ''}"):
        if isinstance(one, Deployment) and name_of(one) == CHAMPION and needs_first_revision(setup):
            # A roll-back needs a revision to go back to.
            client.apply(first_revision(one, setup.spec.champion.previous), force=True)
            _wait_observed(client, name_of(one))
        try:
            client.apply(one, force=True)
        except ApiError as error:
            if not may_be_refused(one) or error.status.code not in _REFUSED:
                raise


def _wait_observed(client: Client, name: str) -> None:
    """Until the Deployment's controller has made its ReplicaSet: a later change is then a revision of its own."""
    deadline = time.monotonic() + PATIENCE
    while True:
        one = client.get(Deployment, name)
        status, meta = one.status, one.metadata
        if status and meta and (status.observedGeneration or 0) >= (meta.generation or 0):
            return
        if time.monotonic() > deadline:
            raise StackError(f"Deployment {name}: its controller does not work")
        time.sleep(_POLL)


def wait_until_ready(
    seen: Callable[[], Seen],
    pods: Callable[[], Iterable[Any]],
    progress: Progress,
    patience: float = PATIENCE,
) -> None:
    """Wait until every Deployment has the replicas that it wants, but for Grafana, which no drill needs.

    Raises:
        StackError: they are not within `patience` seconds, or one can never be; the message names it and why.
    """
    deadline = time.monotonic() + patience
    while True:
        deployments = {name: one for name, one in seen().deployments.items() if name not in EXTRAS}
        waiting = [name for name, one in deployments.items() if _missing(one)]
        total = len(deployments)
        progress("pods", (total - len(waiting)) / max(1, total))
        if total and not waiting:
            return
        found = dict(troubles(pod for pod in pods() if not extra(pod)))
        for name, (reason, told) in found.items():
            if reason in _STUCK:
                raise StackError(f"{name} does not start: {reason}{f': {told}' if told else ''}")
        if time.monotonic() > deadline:
            whole = ", ".join(sorted(waiting)) or "nothing"
            why = "; ".join(f"{name}: {reason} {told}".strip() for name, (reason, told) in found.items())
            raise StackError(f"not ready within {patience:g} s: {whole}{f' ({why})' if why else ''}")
        time.sleep(_POLL)


def _missing(one: Deployment) -> int:
    wanted = 1 if one.spec.replicas is None else one.spec.replicas
    status, meta = one.status, one.metadata
    if status is None or meta is None or (status.observedGeneration or 0) < (meta.generation or 0):
        return 1
    return max(0, wanted - min(status.readyReplicas or 0, status.updatedReplicas or 0))


def extra(pod: Any) -> bool:
    """Whether a pod is of what a drill can do without."""
    return (pod.metadata.labels or {}).get(COMPONENT) in EXTRAS


def troubles(pods: Iterable[Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """What containers that do not run say, and pods that no node takes."""
    for pod in pods:
        status = pod.status
        for one in (status.containerStatuses if status else None) or ():
            waits = one.state.waiting if one.state else None
            if waits and waits.reason not in (None, "ContainerCreating", "PodInitializing"):
                yield str(pod.metadata.name), (str(waits.reason), str(waits.message or ""))
        for condition in (status.conditions if status else None) or ():
            if condition.type == "PodScheduled" and condition.status == "False":
                yield str(pod.metadata.name), ("not placed on any node", str(condition.message or ""))
