"""Brings a drill's objects into a cluster, waits until they run, and takes them away again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpx2
from lightkube import Client
from lightkube.core.exceptions import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import (
    ConfigMap,
    Namespace,
    Node,
    PersistentVolumeClaim,
    Pod,
    Secret,
    Service,
    ServiceAccount,
)
from lightkube.resources.rbac_authorization_v1 import Role, RoleBinding
from lightkube.types import CascadeType

from ...sandbox.model.errors import StackError
from ...sandbox.model.platform import NODES
from ...sandbox.model.stack import Progress
from ..deploy.kubernetes import names
from ..deploy.kubernetes.names import CHAMPION, DRILL, MANAGED_BY, MANAGER, NODE
from ..deploy.kubernetes.objects import first_revision, needs_first_revision, objects_of
from ..deploy.kubernetes.seen import Seen, name_of
from ..deploy.kubernetes.setup import Setup
from ..services.controller.pods import of_servers
from .place import Place

PATIENCE = 240.0
"""Wall seconds that all pods have to become ready: images are on the nodes by then."""
GONE = 120.0
"""Wall seconds that a namespace has to go away."""
_POLL = 0.25
_NOT_FOUND, _FORBIDDEN = 404, 403
_STUCK = frozenset(
    ("CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName")
)
"""Why a container waits that will not start by waiting."""


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
    except (httpx2.HTTPError, OSError) as error:
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


def deploy(client: Client, setup: Setup, progress: Progress) -> None:
    """Apply all objects; those that are there already are brought to what is wanted.

    Raises:
        StackError: the API refuses one.
    """
    wanted = objects_of(setup)
    for place, one in enumerate(wanted):
        progress("objects", place / len(wanted))
        name = f"{type(one).__name__} {one.metadata.name if one.metadata else ''}"
        with asking(name):
            if isinstance(one, Deployment) and name_of(one) == CHAMPION and needs_first_revision(setup):
                # A roll-back needs a revision to go back to.
                client.apply(first_revision(one, setup.spec.champion.previous), force=True)
                _wait_observed(client, name_of(one))
            client.apply(one, force=True)
    progress("objects", 1.0)


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
    """Wait until every Deployment has the replicas that it wants.

    Raises:
        StackError: they are not within `patience` seconds, or one can never be; the message names it and why.
    """
    deadline = time.monotonic() + patience
    while True:
        deployments = seen().deployments
        waiting = [name for name, one in deployments.items() if _missing(one)]
        total = len(deployments)
        progress("pods", (total - len(waiting)) / max(1, total))
        if total and not waiting:
            return
        troubles = dict(_troubles(pods()))
        for name, (reason, told) in troubles.items():
            if reason in _STUCK:
                raise StackError(f"{name} does not start: {reason}{f': {told}' if told else ''}")
        if time.monotonic() > deadline:
            whole = ", ".join(sorted(waiting)) or "nothing"
            why = "; ".join(f"{name}: {reason} {told}".strip() for name, (reason, told) in troubles.items())
            raise StackError(f"not ready within {patience:g} s: {whole}{f' ({why})' if why else ''}")
        time.sleep(_POLL)


def _missing(one: Deployment) -> int:
    wanted = 1 if one.spec.replicas is None else one.spec.replicas
    status, meta = one.status, one.metadata
    if status is None or meta is None or (status.observedGeneration or 0) < (meta.generation or 0):
        return 1
    return max(0, wanted - min(status.readyReplicas or 0, status.updatedReplicas or 0))


def _troubles(pods: Iterable[Any]) -> Iterator[tuple[str, tuple[str, str]]]:
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


def remove(place: Place, progress: Progress, patience: float = GONE) -> None:
    """Delete the drill's namespace, and what it has outside of it; it may have been done before.

    Raises:
        StackError: it is still there after `patience` seconds.
    """
    from lightkube.resources.rbac_authorization_v1 import ClusterRole, ClusterRoleBinding

    with place.client() as client, asking(f"removing {place.namespace}"):
        kinds: tuple[Any, ...] = (ClusterRoleBinding, ClusterRole) if place.own else ()
        for kind in kinds:
            for one in client.list(kind, labels={MANAGED_BY: MANAGER, DRILL: place.label}):
                client.delete(kind, one.metadata.name)
        progress("removing the drill", 0.0)
        if _deleted(client, place.namespace):
            return
        for pod in client.list(Pod, namespace=place.namespace):  # nobody waits for their answers any more
            with suppress(ApiError):
                client.delete(Pod, str(pod.metadata.name if pod.metadata else ""), namespace=place.namespace, grace_period=0)
        deadline = time.monotonic() + patience
        while not _deleted(client, place.namespace):
            if time.monotonic() > deadline:
                raise StackError(f"namespace {place.namespace} is still there after {patience:g} s")
            time.sleep(_POLL)
        progress("removing the drill", 1.0)


TAKEN = frozenset(
    (
        *(*names.INFRASTRUCTURE, *names.POOLS, names.CONTROL, names.ML_CONFIG, names.SCENARIO_CONFIG, names.TIMING_CONFIG),
        *(names.VERSIONS_CONFIG, names.TRAINING_CONFIG, names.DASHBOARDS_CONFIG),
    )
)
"""Names of a drill's objects, the same for every drill."""
_KINDS: tuple[Any, ...] = (
    *(Deployment, Job, Pod, Service, ConfigMap, Secret, PersistentVolumeClaim),
    *(RoleBinding, Role, ServiceAccount),
)
"""What a drill has in a namespace, in the order in which it goes."""


def check_room(client: Client, place: Place) -> None:
    """Whether a drill's objects can be made in a namespace that is there: another drill's have the same names.

    Raises:
        StackError: there is no such namespace, somebody else's objects are in the way, or the API refuses.
    """
    where = f"the namespace {place.namespace} of the context {place.context}"
    with asking(where):
        taken = [
            (kind.__name__, one)
            for kind in (Deployment, ConfigMap, Service, Secret, PersistentVolumeClaim)
            for one in client.list(kind, namespace=place.namespace)
            if _name(one) in TAKEN and _label(one) != place.label
        ]
        _check_exists(client, place, where)
    if taken:
        kind, one = taken[0]
        whose = f"the drill {_label(one)}" if _label(one) else "somebody else"
        raise StackError(f"{where} has a {kind} {_name(one)} of {whose}: use another namespace, or remove it first")


def _check_exists(client: Client, place: Place, where: str) -> None:
    """Whoever may only use the namespace may perhaps not look at it: then it is seen when the first object is made."""
    try:
        client.get(Namespace, place.namespace)
    except ApiError as error:
        if error.status.code == _NOT_FOUND:
            raise StackError(f"{where} is not there: kubectl create namespace {place.namespace}") from error
        if error.status.code != _FORBIDDEN:
            raise


def _name(one: Any) -> str:
    return str(one.metadata.name if one.metadata else "")


def _label(one: Any) -> str:
    """The drill whose object it is; empty if it is no drill's."""
    labels = (one.metadata.labels if one.metadata else None) or {}
    return str(labels.get(DRILL, "")) if labels.get(MANAGED_BY) == MANAGER else ""


def remove_objects(place: Place, progress: Progress, patience: float = GONE) -> None:
    """Delete the drill's objects in a namespace that stays; it may have been done before.

    Raises:
        StackError: some are still there after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    progress("removing the drill", 0.0)
    with place.client() as client, asking(f"removing the drill from {place.namespace}"):
        while left := list(_delete_all(client, place)):
            if time.monotonic() > deadline:
                raise StackError(f"still in the namespace {place.namespace} after {patience:g} s: {', '.join(left)}")
            time.sleep(_POLL)
    progress("removing the drill", 1.0)


def _delete_all(client: Client, place: Place) -> Iterator[str]:
    """Ask for the end of all that there is; what there was."""
    for kind in _KINDS:
        for one in client.list(kind, namespace=place.namespace, labels={MANAGED_BY: MANAGER, DRILL: place.label}):
            yield f"{kind.__name__} {_name(one)}"
            soon = 0 if kind is Pod else None  # nobody waits for their answers any more
            try:
                client.delete(kind, _name(one), namespace=place.namespace, grace_period=soon, cascade=CascadeType.BACKGROUND)
            except ApiError as error:
                if error.status.code != _NOT_FOUND:
                    raise


def _deleted(client: Client, namespace: str) -> bool:
    """Ask for its end; whether it is gone."""
    try:
        client.delete(Namespace, namespace, grace_period=0)
    except ApiError as error:
        if error.status.code == _NOT_FOUND:
            return True
        if error.status.code != 409:  # it is being deleted
            raise
    return False


def namespaces(client: Client) -> Sequence[str]:
    """Those of drills in a cluster."""
    with asking("looking for drills"):
        found = client.list(Namespace, labels={MANAGED_BY: MANAGER})
        return tuple(str(one.metadata.name) for one in found if one.metadata)
