"""What people do with kubectl that is in no field of the desired state: pods that they delete, images that they set."""

from __future__ import annotations

from typing import Any

import pytest
from lightkube.resources.apps_v1 import Deployment
from objects_kit import WORKERS
from service_kit import CHAMPION, DEPLOYMENTS, MAPS, Drill, deleted, running, server, variable

from drillbox.sandbox.model.service import Change
from drillbox.stacks.deploy.kubernetes.seen import Patch


def champion(name: str, template: str = "5d9f", node: str = WORKERS["node-1"], *, leaving: bool = False) -> dict[str, Any]:
    """A pod that the champion's Deployment has made."""
    one = server(name, node)
    one["metadata"]["labels"]["pod-template-hash"] = template
    return one | {"metadata": one["metadata"] | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {})}


def two_champions(drill: Drill) -> None:
    for name in WORKERS.values():
        known = drill.api.objects["nodes", name]
        drill.api.put("nodes", known | {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    drill.by("kubectl-scale", DEPLOYMENTS, CHAMPION, {"spec": {"replicas": 2}})
    for name in ("a", "b"):
        drill.api.put("pods", champion(name))
    drill.wait(lambda: len(drill.service.pods()) == 2 and not drill.service.replicas().facts["nodes not ready"])


def settle(drill: Drill) -> None:
    """Until everything was seen that there is by now."""
    ask = drill.service.spec.gateway.retries + 1
    drill.by("kubectl-edit", MAPS, "gateway", {"data": {"retries": str(ask)}})
    drill.wait(lambda: drill.service.spec.gateway.retries == ask)
    wanted = {name for plural, name in drill.api.objects if plural == "pods"}
    drill.wait(lambda: {pod.metadata.name for pod in drill.service.watch.pods() if pod.metadata} == wanted)
    drill.look()


def of_replicas(drill: Drill) -> list[Change]:
    return [one for one in drill.changes if one.field == "champion.restarted"]


@pytest.mark.parametrize("forced", [False, True])
def test_a_pod_that_somebody_deletes_is_a_restart_of_that_replica(drill: Drill, forced: bool) -> None:
    two_champions(drill)
    if not forced:
        drill.api.put("pods", champion("a", leaving=True))
        drill.wait(lambda: len(drill.service.pods()) == 1)
        drill.api.put("pods", champion("c"))
    drill.api.delete("pods", "a")
    if forced:  # it is gone at once, and then there is another
        drill.api.put("pods", champion("c"))
    drill.wait(lambda: bool(of_replicas(drill)))
    settle(drill)
    assert of_replicas(drill) == [Change("champion.restarted", "", "a#kubectl", "kubectl")], "once"
    assert drill.service.spec.champion.restarted == "a#kubectl"
    annotations = drill.api.objects[DEPLOYMENTS, CHAMPION]["metadata"]["annotations"]
    assert annotations["drillbox.dev/restarted"] == "a#kubectl"
    assert not deleted(drill), "it is told, not done again"


def test_what_goes_by_a_deployments_orders_or_ours_nobody_deleted(drill: Drill) -> None:
    two_champions(drill)
    drill.by("kubectl-scale", DEPLOYMENTS, CHAMPION, {"spec": {"replicas": 1}})
    settle(drill)
    drill.api.put("pods", champion("a", leaving=True))
    settle(drill)
    drill.by("kubectl-scale", DEPLOYMENTS, CHAMPION, {"spec": {"replicas": 2}})
    drill.api.put("pods", champion("c"))
    settle(drill)
    drill.by("kubectl-set", DEPLOYMENTS, CHAMPION, variable("MODEL_VERSION", "v9"))  # a rollout
    drill.api.put("pods", champion("d", "77c8"))
    drill.api.put("pods", champion("b", leaving=True))
    settle(drill)
    drill.service.change([Change("champion.restarted", "", "c#4", "alice")])  # an action, of which the Deployment makes up
    drill.api.put("pods", champion("e"))
    settle(drill)
    assert deleted(drill) == ["c"]
    assert of_replicas(drill) == []


@pytest.mark.parametrize("why", ["node", "cordon", "condition", "phase"])
def test_evictions_are_nobodys_deletions(drill: Drill, why: str) -> None:
    two_champions(drill)
    node = drill.api.objects["nodes", WORKERS["node-1"]]
    one = champion("a", leaving=True)
    if why == "node":
        drill.api.put("nodes", node | {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})
        drill.wait(lambda: bool(drill.service.replicas().facts["nodes not ready"]))
    elif why == "cordon":
        drill.api.put("nodes", node | {"spec": {"unschedulable": True}})
        drill.wait(lambda: any(change.field == "platform.cordoned" for change in drill.changes))
    elif why == "condition":
        one["status"]["conditions"].append({"type": "DisruptionTarget", "status": "True"})
    else:
        one["status"]["phase"] = "Failed"
    drill.api.put("pods", one)
    drill.api.put("pods", champion("c", node=WORKERS["node-2"]))
    settle(drill)
    assert of_replicas(drill) == []


def test_a_node_that_is_cordoned_and_used_again_by_kubectl_is_told(drill: Drill) -> None:
    node = drill.api.objects["nodes", WORKERS["node-1"]]
    drill.api.put("nodes", node | {"spec": {"unschedulable": True}})
    drill.wait(lambda: len(drill.changes) == 1)
    drill.api.put("nodes", node | {"spec": {}})  # nothing is left in it that says whose doing that was
    drill.wait(lambda: len(drill.changes) == 2)
    assert drill.changes == [
        Change("platform.cordoned", "", "node-1", "kubectl"),
        Change("platform.cordoned", "node-1", "", "kubectl"),
    ]


def test_a_node_that_another_program_cordons_is_told_as_its_doing(drill: Drill) -> None:
    node = drill.api.objects["nodes", WORKERS["node-1"]]
    entry = {"manager": "k9s", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:unschedulable": {}}}}
    noted = node["metadata"] | {"managedFields": [entry]}
    drill.api.put("nodes", node | {"metadata": noted, "spec": {"unschedulable": True}})
    drill.wait(lambda: len(drill.changes) == 1)
    assert drill.changes == [Change("platform.cordoned", "", "node-1", "k9s")]


def test_a_pod_of_a_service_that_somebody_deletes_is_told(drill: Drill) -> None:
    for name in ("gateway-1", "gateway-2"):
        one = running(name, "gateway", f"containerd://{name}")
        one["metadata"]["labels"]["pod-template-hash"] = "5d9f"
        drill.api.put("pods", one)
        settle(drill)
        if name == "gateway-1":
            drill.api.delete("pods", name)
    drill.wait(lambda: "somebody deleted the pod gateway-1; its Deployment has made another" in drill.logs)


def test_an_image_that_somebody_sets_is_a_change_and_one_of_a_fault_is_none(drill: Drill) -> None:
    def given(image: str) -> dict[str, Any]:
        return {"spec": {"template": {"spec": {"containers": [{"name": "model-server", "image": image}]}}}}

    drill.look()
    usual = str(drill.service.seen().container(CHAMPION, "model-server").image)
    drill.service.patch(Patch(Deployment, CHAMPION, given(f"{usual}-slim")))  # as the fault does
    settle(drill)
    drill.by("kubectl-rollout", DEPLOYMENTS, CHAMPION, given(usual))  # rollout undo
    drill.by("argocd", DEPLOYMENTS, "model-shadow", given("mine:1"))
    drill.wait(lambda: sum(one.field.endswith(".image") for one in drill.changes) == 2)
    assert {one for one in drill.changes if one.field.endswith(".image")} == {
        Change("champion.image", f"{usual}-slim", usual, "kubectl"),
        Change("shadow.image", usual, "mine:1", "argocd"),
    }
