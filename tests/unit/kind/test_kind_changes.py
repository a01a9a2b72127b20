"""Whatever somebody changes in the cluster is a change of a field, with its author; what we write ourselves is none."""

from __future__ import annotations

import pytest
from envoy_kit import until
from objects_kit import WORKERS
from service_kit import CHAMPION, DEPLOYMENTS, MAPS, Drill, deleted, running, server, variable

from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.service import Change
from drillbox.stacks.deploy.kubernetes.config import model_of
from drillbox.stacks.deploy.kubernetes.monitoring import drops
from drillbox.stacks.deploy.kubernetes.seen import MissingError
from drillbox.stacks.kind.drill.extras import Extras
from drillbox.stacks.kind.faults.container_faults import Image
from drillbox.stacks.kind.faults.table import mechanisms


def test_a_cluster_that_is_gone_says_more_than_whoever_does_not_answer(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_now: float) -> None:
        raise StackError("http://proxy/api/v1/namespaces/x/services/load answers 502")

    drill.service.chores.append(refused)
    with pytest.raises(StackError, match="answers 502"):
        drill.service.round(0.0)
    drill.trouble = "cluster drillbox-x: 1 of its nodes are gone while it was in use"
    with pytest.raises(StackError, match="1 of its nodes are gone while it was in use"):
        drill.service.round(0.0)
    drill.service.chores.clear()
    drill.look()
    monkeypatch.setattr(type(drill.service.watch), "answers", False)
    drill.look()
    with pytest.raises(StackError, match="1 of its nodes are gone while it was in use"):
        drill.service.round(31.0)


def test_changes_by_kubectl_are_changes_of_fields(drill: Drill) -> None:
    before = drill.service.spec
    drill.look()
    assert drill.changes == []  # what we have deployed is what we know
    drill.by("kubectl-scale", DEPLOYMENTS, CHAMPION, {"spec": {"replicas": before.champion.replicas + 2}})
    drill.by("kubectl-edit", MAPS, "gateway", {"data": {"shed": "25%"}})
    drill.wait(lambda: len(drill.changes) == 2)
    assert set(drill.changes) == {
        Change("champion.replicas", before.champion.replicas, before.champion.replicas + 2, "kubectl"),
        Change("gateway.shed", 0.0, 0.25, "kubectl"),
    }
    assert drill.service.spec.gateway.shed == 0.25
    told = drill.services.orders[-1][1]
    assert isinstance(told, dict)
    assert told["gateway.shed"] == 0.25  # the pipeline knows it, too


def test_another_version_brings_its_way_back_along(drill: Drill) -> None:
    before = drill.service.spec.champion
    drill.by("kubectl-set", DEPLOYMENTS, CHAMPION, variable("MODEL_VERSION", "v9"))
    drill.wait(lambda: len(drill.changes) == 2)
    assert set(drill.changes) == {
        Change("champion.version", before.version, "v9", "kubectl"),
        Change("champion.previous", before.previous, before.version, "kubectl"),
    }
    annotations = drill.api.objects[DEPLOYMENTS, CHAMPION]["metadata"]["annotations"]
    assert annotations["drillbox.dev/previous-version"] == before.version


def test_what_we_write_ourselves_is_no_change_by_somebody(drill: Drill) -> None:
    drill.service.change([Change("gateway.timeout", drill.service.spec.gateway.timeout, 2.5, "alice")])
    assert drill.api.objects[MAPS, "gateway"]["data"]["timeout"] == "2.5s"
    drill.by("other-program", MAPS, "ml", {"data": {"fallback": "always"}})
    drill.wait(lambda: bool(drill.changes))
    assert [(one.field, one.by) for one in drill.changes] == [("fallback", "other-program")]
    assert drill.service.spec.gateway.timeout == 2.5


def test_what_somebody_has_deleted_cannot_be_changed_and_the_drill_goes_on(drill: Drill) -> None:
    before = drill.service.spec
    drill.api.delete(MAPS, "gateway")
    drill.api.delete(DEPLOYMENTS, "model-shadow")
    drill.service.change(
        [Change("gateway.shed", before.gateway.shed, 0.25, "alice"), Change("fallback", "off", "always", "alice")]
    )
    drill.look()
    assert "ConfigMap gateway is not there any more: it cannot be changed" in drill.logs
    assert drill.changes == [Change("gateway.shed", 0.25, before.gateway.shed, "cluster")], "the last good value stays"
    assert (drill.service.spec.gateway, drill.service.spec.fallback) == (before.gateway, "always")
    told = drill.services.orders[-1][1]
    assert isinstance(told, dict)
    assert told["gateway.shed"] == before.gateway.shed
    drill.changes.clear()
    drill.service.change([Change("servers.memory", before.servers.memory, 2048.0, "alice")])
    drill.look()
    assert "Deployment model-shadow is not there any more: it cannot be changed" in drill.logs
    assert (drill.changes, drill.service.spec.servers.memory) == ([], 2048.0), "the champion's counts"
    drill.service.change([Change("shadow.restarted", "", "all#1", "alice")])
    drill.look()
    assert [one.field for one in drill.changes] == ["shadow.restarted"]


def test_without_the_catalogue_a_new_version_is_told_of_and_the_drill_goes_on(drill: Drill) -> None:
    drill.api.delete(MAPS, "versions")
    drill.wait(lambda: "versions" not in drill.service.seen().configs)
    drill.service.lead("v9", "flights-9")
    drill.look()
    assert "there is no ConfigMap versions: servers of v9 cannot find their model" in drill.logs


def test_a_catalogue_that_somebody_broke_is_as_good_as_none(drill: Drill) -> None:
    drill.by("kubectl-edit", MAPS, "versions", {"data": {"MODEL_CATALOGUE": "[1"}})
    drill.wait(lambda: (drill.service.seen().configs["versions"].data or {}).get("MODEL_CATALOGUE") == "[1")
    drill.service.lead("v9", "flights-9")
    drill.look()
    why = "MODEL_CATALOGUE in the ConfigMap versions is no JSON object"
    assert f"{why}: servers of v9 cannot find their model" in drill.logs
    with pytest.raises(MissingError, match=why):
        model_of(drill.service.seen(), "v9")


def test_a_value_that_cannot_be_is_told_once_and_changes_nothing(drill: Drill) -> None:
    before = drill.service.spec
    drill.by("kubectl-edit", MAPS, "gateway", {"data": {"timeout": "soon"}})
    drill.wait(lambda: any("'soon' is not a duration" in line for line in drill.logs))
    drill.by("kubectl-edit", MAPS, "gateway", {"data": {"retries": "7"}})
    drill.wait(lambda: bool(drill.changes))
    assert [one.field for one in drill.changes] == ["gateway.retries"]
    assert drill.service.spec.gateway.timeout == before.gateway.timeout
    assert sum("soon" in line for line in drill.logs) == 1


def test_an_api_that_is_silent_for_long_ends_the_drill(drill: Drill) -> None:
    until(lambda: drill.api.watches == 4, 60.0)
    drill.api.stop()
    drill.wait(lambda: not drill.service.watch.answers)
    with pytest.raises(StackError, match="the cluster's API has not answered for 30 s"):
        drill.service.round(31.0)
    with pytest.raises(StackError, match="the cluster's API does not answer"):
        drill.service.change([Change("gateway.timeout", 1.0, 2.5, "alice")])
    drill.api.start()
    drill.by("kubectl-scale", DEPLOYMENTS, CHAMPION, {"spec": {"replicas": 9}})
    drill.wait(lambda: any(one.after == 9 for one in drill.changes))


def test_parts_of_services_are_restarted_within_them(drill: Drill) -> None:
    drill.service.change([Change("retraining.restarted", "", "all#1", "alice")])
    pipeline = drill.api.objects[DEPLOYMENTS, "pipeline"]
    assert pipeline["metadata"]["annotations"]["drillbox.dev/restarted"] == "all#1"
    assert "drillbox.dev/restarted" not in pipeline["spec"]["template"]["metadata"].get("annotations", {})
    told = drill.services.orders[-1][1]
    assert isinstance(told, dict)
    assert told["retraining.restarted"] == "all#1"
    drill.service.change([Change("features.restarted", "", "all#3", "alice")])
    store = drill.api.objects[DEPLOYMENTS, "feature-store"]
    assert store["metadata"]["annotations"]["drillbox.dev/restarted"] == "all#3"
    assert "drillbox.dev/restarted" not in store["spec"]["template"]["metadata"].get("annotations", {})
    (order,) = [body for url, body in drill.services.orders if url.endswith("feature-store:8080/proxy/control/settings")]
    assert order == {"restarted": "all#3"}
    drill.service.change([Change("monitoring.restarted", "", "all#2", "alice")])
    template = drill.api.objects[DEPLOYMENTS, "prometheus"]["spec"]["template"]
    assert template["metadata"]["annotations"]["drillbox.dev/restarted"] == "all#2"


def test_a_feature_store_that_is_away_is_told_when_it_is_back(drill: Drill) -> None:
    def told() -> list[object]:
        return [body for url, body in drill.services.orders if url.endswith("feature-store:8080/proxy/control/settings")]

    drill.services.away = "feature-store"
    drill.service.change([Change("features.feed", "latest", "v1", "alice")])
    drill.service.change([Change("features.restarted", "", "all#3", "alice")])
    drill.service.round(drill.service.clock.now() + 9.0)
    drill.services.away = ""
    drill.service.round(drill.service.clock.now() + 9.0)
    assert told() == [], "nobody serves"
    store = running("feature-store-1", "feature-store", "containerd://1")
    store["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    drill.api.put("pods", store)
    until(lambda: len(drill.service.watch.pods()) == 1, 60.0)
    drill.service.round(0.0)
    drill.service.round(drill.service.clock.now() + 9.0)
    drill.service.round(drill.service.clock.now() + 20.0)
    assert told() == [{"feed": "v1", "restarted": "all#3"}]
    assert sum("is told of feed" in line.text for line in drill.service.take().logs) == 2


@pytest.mark.parametrize("how", ["container", "pod"])
def test_a_pipeline_that_began_anew_ends_the_drill_with_its_reason(drill: Drill, how: str) -> None:
    drill.api.put("pods", running("pipeline-1", "pipeline", "containerd://1"))
    drill.wait(lambda: drill.service._essential.ended(()) == "pipeline")  # it is known
    if how == "container":
        drill.api.put("pods", running("pipeline-1", "pipeline", "containerd://2"))
    else:
        drill.api.delete("pods", "pipeline-1")
    with pytest.raises(StackError, match="pipeline ended in the middle of the drill"):
        drill.wait(lambda: False)


def test_a_grafana_that_cannot_be_had_is_a_warning_and_told_once(drill: Drill) -> None:
    Extras(drill.service, ["DRILLBOX_KIND_GRAFANA=g:1: the nodes have to pull it: a disk is full"])
    one = running("grafana-1", "grafana", "")
    for reason in ("ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff"):
        one["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": reason, "message": f"{reason} of g:1"}}
        drill.api.put("pods", one)
        before = drill.service.watch.version
        drill.wait(lambda before=before: drill.service.watch.version > before)  # type: ignore[misc]  # its own
        drill.look()
    assert [line for line in drill.logs if "g:1" in line] == [
        "DRILLBOX_KIND_GRAFANA=g:1: the nodes have to pull it: a disk is full",
        "is not there, and the drill goes on without it: ImagePullBackOff: ImagePullBackOff of g:1",
    ]


def test_a_drain_deletes_the_replicas_of_a_node_and_a_node_that_is_not_there_is_told(drill: Drill) -> None:
    nodes = list(WORKERS.values())
    for name, node in (("a", nodes[0]), ("b", nodes[1]), ("c", nodes[0])):
        drill.api.put("pods", server(name, node))
    drill.wait(lambda: len(drill.service.pods()) == 3)
    drill.service.change(
        [Change("platform.cordoned", "", "node-1", "alice"), Change("platform.drained", "", "node-1#1", "alice")]
    )
    assert deleted(drill) == ["a", "c"]
    assert drill.api.objects["nodes", nodes[0]]["spec"]["unschedulable"] is True
    drill.look()
    assert drill.changes == []
    drill.service.change([Change("platform.cordoned", "node-1", "node-1,node-9", "alice")])
    drill.wait(lambda: any("there is no node node-9 to cordon" in line for line in drill.logs))
    assert [(one.field, one.after) for one in drill.changes] == [("platform.cordoned", "node-1")]


def test_a_replica_that_is_gone_already_needs_no_killing(drill: Drill) -> None:
    drill.api.put("pods", server("a", next(iter(WORKERS.values()))))
    drill.wait(lambda: any(one.ready for one in drill.service.pods()))
    del drill.api.objects["pods", "a"]  # the watch has not told of it yet
    mechanisms(drill.service, 1)["pods.kill"].begin("beat", "pods.kill", {"count": 1})
    drill.look()
    assert deleted(drill) == ["a"]
    assert "was gone already" in drill.logs


def test_models_from_elsewhere_are_for_replicas_that_wait_for_theirs(drill: Drill) -> None:
    node = next(iter(WORKERS.values()))
    drill.api.put("pods", server("a", node))
    drill.api.put("pods", server("b", node, ready=False))
    drill.wait(lambda: len(drill.service.pods()) == 2)
    drill.service.change([Change("servers.artifacts", "origin", "mirror", "alice")])
    assert deleted(drill) == ["b"]
    assert drill.api.objects[MAPS, "ml"]["data"]["servers.artifacts"] == "mirror"


def test_a_label_is_dropped_once_prometheus_has_its_new_configuration(drill: Drill) -> None:
    before = drill.api.objects[MAPS, "prometheus"]["data"]["prometheus.yml"]
    drill.services.yaml = before
    drill.service.change([Change("monitoring.dropped", "", "request_id", "alice")])
    text = drill.api.objects[MAPS, "prometheus"]["data"]["prometheus.yml"]
    assert drops(text) == ("request_id",)
    now = drill.service.clock.now()
    drill.service.round(now)
    drill.service.round(now + 0.1)
    assert drill.services.reloads == 1, "not in every round"
    drill.services.yaml = text
    drill.service.round(now + 2.5)
    drill.service.round(now + 9.0)
    assert drill.services.reloads == 2, "it has it"
    assert any("drops the labels request_id" in line.text for line in drill.service.take().logs)
    drill.service.change([Change("monitoring.dropped", "request_id", "", "alice")])
    drill.service.round(drill.service.clock.now() + 200.0)
    assert any("its labels are as before" in line.text for line in drill.service.take().logs)


def test_an_image_that_nobody_has_goes_with_the_settings_that_name_it(drill: Drill) -> None:
    def image() -> str:
        [server] = drill.api.objects[DEPLOYMENTS, CHAMPION]["spec"]["template"]["spec"]["containers"]
        return str(server["image"])

    usual, imageless = image(), {"revision-2"}
    Image(drill.service, imageless)
    drill.service.push({"servers.settings": "revision-2"}, "config-pipeline", "a smaller image")
    drill.look()
    assert image() == f"{usual}-slim"
    drill.look()
    drill.service.desire({"servers.settings": "usual"}, "alice")
    drill.look()
    assert image() == usual
    drill.service.push({"servers.settings": "revision-2"}, "config-pipeline", "a smaller image")
    drill.look()
    other = {"spec": {"template": {"spec": {"containers": [{"name": "model-server", "image": "mine:1"}]}}}}
    drill.by("kubectl-set", DEPLOYMENTS, CHAMPION, other)
    drill.wait(lambda: drill.service.seen().container(CHAMPION, "model-server").image == "mine:1")
    drill.service.desire({"servers.settings": "usual"}, "alice")
    drill.look()
    assert image() == "mine:1", "whoever has repaired it by hand is left alone"


def test_the_replicas_are_shown_on_the_nodes_of_scenarios(drill: Drill) -> None:
    (known, node), *_ = WORKERS.items()
    drill.api.put("pods", server("a", node))
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    lost = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
    for number, name in enumerate(WORKERS.values()):
        one = drill.api.objects["nodes", name]
        drill.api.put("nodes", {**one, "status": ready if number else lost})
    drill.wait(lambda: drill.service.replicas().facts["nodes not ready"] == known)
    assert [row[:2] for row in drill.service.replicas().rows] == [(known, "a")]
