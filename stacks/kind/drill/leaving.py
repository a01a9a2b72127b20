"""Takes a drill's objects away from a cluster, and looks before that whether there is room for them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

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
from lightkube.resources.rbac_authorization_v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from lightkube.types import CascadeType

from ....sandbox.model.errors import StackError
from ....sandbox.model.stack import Progress
from ...deploy.kubernetes import names
from ...deploy.kubernetes.access import METRICS
from ...deploy.kubernetes.names import DRILL, MANAGED_BY, MANAGER
from .deploying import asking
from .place import Place

GONE = 120.0
"""Wall seconds that a drill's objects have to go away."""
_POLL = 0.25
_NOT_FOUND, _FORBIDDEN = 404, 403
TAKEN = frozenset(
    (
        *(*names.INFRASTRUCTURE, *names.POOLS, names.CONTROL, names.ML_CONFIG, names.SCENARIO_CONFIG, names.TIMING_CONFIG),
        *(names.VERSIONS_CONFIG, names.TRAINING_CONFIG, names.DASHBOARDS_CONFIG, names.CONTROLLER, METRICS),
    )
)
"""Names of a drill's objects, the same for every drill."""
APPLIED: tuple[Any, ...] = (
    *(Deployment, ConfigMap, Service, Secret, PersistentVolumeClaim),
    *(ServiceAccount, Role, RoleBinding),
)
"""Kinds of those that it makes in a namespace by itself."""
_KINDS: tuple[Any, ...] = (
    *(Deployment, Job, Pod, Service, ConfigMap, Secret, PersistentVolumeClaim),
    *(RoleBinding, Role, ServiceAccount),
)
"""What a drill has in a namespace, in the order in which it goes."""


def remove(place: Place, progress: Progress, patience: float = GONE) -> None:
    """Delete the drill's namespace, and what it has outside of it; of somebody else's namespace its objects.

    It may have been done before.

    Raises:
        StackError: it is still there after `patience` seconds.
    """
    if not place.own:
        remove_objects(place, progress, patience)
        return
    with place.client() as client, asking(f"removing {place.namespace}"):
        progress("removing the drill", 0.0)
        kinds: tuple[Any, ...] = (ClusterRoleBinding, ClusterRole)
        for kind in kinds:
            for one in client.list(kind, labels={MANAGED_BY: MANAGER, DRILL: place.label}):
                client.delete(kind, one.metadata.name)
        if set(namespaces(client)) <= {place.namespace}:
            _uncordon(client)
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


def check_room(client: Client, place: Place) -> None:
    """Whether a drill's objects can be made in a namespace that is there: another drill's have the same names.

    Raises:
        StackError: there is no such namespace, somebody else's objects are in the way, or the API refuses.
    """
    where = f"the namespace {place.namespace} of the context {place.context}"
    with asking(where):
        taken = [
            (kind.__name__, one)
            for kind in APPLIED
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


def _uncordon(client: Client) -> None:
    """The next drill finds all nodes as they were."""
    nodes: list[Any] = list(client.list(Node))
    for one in nodes:
        if one.spec is not None and one.spec.unschedulable:
            client.patch(Node, _name(one), {"spec": {"unschedulable": None}})
