"""The cluster's DNS on the control plane's node, as the drill's own services: else a lost node takes a part of it along."""

from __future__ import annotations

from lightkube import Client
from lightkube.core.exceptions import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.types import PatchType

from ...services.controller.pods import CONTROL_PLANE
from ..drill.deploying import asking

NAME, NAMESPACE = "coredns", "kube-system"
"""As kubeadm, and so kind, deploys it."""
_NOT_FOUND = 404


def shelter_dns(client: Client) -> None:
    """Have it there; nothing changes if it is, or if the cluster has another.

    Raises:
        StackError: the API refuses, or does not answer.
    """
    terms = [{"matchExpressions": [{"key": label, "operator": "Exists"}]} for label in CONTROL_PLANE]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    body = {"spec": {"template": {"spec": {"affinity": affinity}}}}
    with asking("placing the cluster's DNS"):
        try:
            client.patch(Deployment, NAME, body, namespace=NAMESPACE, patch_type=PatchType.STRATEGIC)
        except ApiError as error:
            if error.status.code != _NOT_FOUND:
                raise
