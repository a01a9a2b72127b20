"""How the API's answers are read is worked out before there are threads that read them.

msgspec finds out about a class when it first has to read one, and may be interrupted while it does. A second thread that needs it
then takes the half that is there, and the process crashes (seen with 0.22.0).
"""

from __future__ import annotations

import threading

import msgspec
from lightkube.core.decoders import WatchEvent
from lightkube.models.meta_v1 import Status
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
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
from lightkube.resources.core_v1 import Event as Occurrence
from lightkube.resources.rbac_authorization_v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding

CLASSES = (
    WatchEvent,
    Status,
    *(Deployment, ReplicaSet, Job, Pod, Node, Namespace, Occurrence),
    *(ConfigMap, Secret, Service, ServiceAccount, PersistentVolumeClaim),
    *(Role, RoleBinding, ClusterRole, ClusterRoleBinding),
)
"""All that clients here read."""
_learning = threading.Lock()
_learned: set[type] = set()


def learn(classes: tuple[type, ...] = CLASSES) -> None:
    """Find out how these are read; what is known already costs nothing."""
    with _learning:
        for one in classes:
            if one not in _learned:
                msgspec.json.Decoder(one)
                _learned.add(one)
