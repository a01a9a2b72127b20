"""Who changed a field, as the cluster remembers it."""

from __future__ import annotations

import pytest
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ManagedFieldsEntry, ObjectMeta
from lightkube.resources.apps_v1 import Deployment

from drillbox.stacks.deploy.kubernetes.seen import Seen
from drillbox.stacks.kind.drill.authors import author

REPLICAS = {"f:spec": {"f:replicas": {}}}
Entry = tuple[str, str, dict[str, object]]


def seen(*entries: Entry) -> Seen:
    managed = [
        ManagedFieldsEntry(manager=manager, time=f"2026-01-02T03:04:{second}Z", fieldsV1=fields)  # type: ignore[arg-type]
        for manager, second, fields in entries
    ]
    spec = DeploymentSpec(selector=LabelSelector(), template=PodTemplateSpec(), replicas=4)
    one = Deployment(metadata=ObjectMeta(name="model-champion", managedFields=managed), spec=spec)
    return Seen(deployments={"model-champion": one}, configs={}, nodes={})


@pytest.mark.parametrize(
    ("entries", "by"),
    [
        ([("drillbox", "01", REPLICAS), ("kubectl", "02", REPLICAS)], "kubectl"),
        ([("drillbox", "01", REPLICAS), ("kubectl-scale", "02", REPLICAS)], "kubectl"),
        ([("drillbox", "01", REPLICAS), ("argocd", "02", REPLICAS)], "argocd"),
        ([("drillbox", "01", REPLICAS), ("kube-controller-manager", "02", {"f:status": {}})], "kubectl"),  # before 1.22
        ([], "cluster"),
    ],
)
def test_who_scaled(entries: list[Entry], by: str) -> None:
    assert author(seen(*entries), "champion.replicas") == by


def test_what_drillbox_wrote_is_nobodys_elses() -> None:
    assert author(seen(("drillbox", "01", {"f:spec": {}})), "champion.version") == "cluster"
