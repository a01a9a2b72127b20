"""Faults of nodes and containers on a real cluster: what they do, who notices, how it recovers, and that nothing stays undone."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cluster_kit import Played

from drillbox.stacks.kind.cluster.engine import Engine, connect
from drillbox.stacks.kind.cluster.node_hands import Reach
from drillbox.stacks.kind.records.drills import folders
from drillbox.stacks.kind.settings import Settings
from drillbox.stacks.services.controller.pods import node_ready

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.soak]


@pytest.fixture
def container(engine: Engine) -> Iterator[str]:
    """A container on a network of its own, as a node is."""
    image, name = Settings.read().base_image, f"drillbox-tests-{secrets.token_hex(4)}"
    if engine.image(image) is None:
        pytest.skip(f"the engine does not have the image {image}")
    api = engine.client.api
    api.create_network(name, driver="bridge")
    try:
        made = api.create_container(image, ["sleep", "600"], name=name, host_config=api.create_host_config(network_mode=name))
        api.start(made["Id"])
        yield name
    finally:
        api.remove_container(name, force=True)
        api.remove_network(name)


def test_what_is_done_to_a_container_is_undone_by_whoever_comes_next(engine: Engine, container: str, tmp_path: Path) -> None:
    def state() -> tuple[str, list[str]]:
        found = engine.client.api.inspect_container(container)
        addresses = [one["IPAddress"] for one in found["NetworkSettings"]["Networks"].values()]
        return found["State"]["Status"], addresses

    before = state()
    for how, lost in (("pause", "paused"), ("stop", "exited"), ("disconnect", "running")):
        reach = Reach.of(engine, tmp_path)
        reach.undo.note(container, *reach.hands.as_it_is(container))
        reach.hands.lose(container, how)
        assert state() != before
        assert state()[0] == lost
        Reach.of(engine, tmp_path).take_back()
        assert state() == before
    reach = Reach.of(engine, tmp_path)
    reach.undo.note("cpu", *reach.hands.cpu_as_it_is(container))
    reach.hands.limit_cpu(container, 0.25)
    assert engine.client.api.inspect_container(container)["HostConfig"]["CpuQuota"] == 25_000
    Reach.of(engine, tmp_path).take_back()
    assert engine.client.api.inspect_container(container)["HostConfig"]["CpuQuota"] == -1
    assert Reach.of(engine, tmp_path).undo.pending() == []


def test_faults_of_containers_and_nodes_are_real_and_leave_nothing_behind(played: Played) -> None:
    """One after the other in one drill: to bring it up takes longer than a fault."""
    played.settle()
    a_process_hangs_and_is_restarted(played)
    a_replica_is_unready_and_not_restarted(played)
    a_leak_is_killed_at_the_limit(played)
    pods_move_from_a_lost_node_and_the_service_recovers(played, "pause")

    played.begin("nodes.loss", node="node-1", how="stop")  # the drill ends with a node that is lost
    played.stack.down()
    assert not folders(played.base)
    with closing(connect()) as engine:
        assert {one.state for one in engine.nodes(played.standing.name)} == {"running"}


def test_images_and_nodes_and_what_is_done_about_them(played: Played, engine: Engine) -> None:
    played.settle()
    an_image_that_nobody_has_and_a_rollout_undone(played)
    a_node_has_less_cpu(played, engine)
    a_node_is_drained_and_used_again(played)
    a_label_is_dropped(played)
    pods_move_from_a_lost_node_and_the_service_recovers(played, "disconnect")
    pods_move_from_a_lost_node_and_the_service_recovers(played, "stop")


def a_process_hangs_and_is_restarted(played: Played) -> None:
    played.begin("pods.hang", count=1)
    assert played.pending() == ["container-process"]
    played.until(lambda _told: any(one.restarts == 1 for one in played.service.pods()))
    played.end("pods.hang")
    assert played.pending() == []
    played.until(lambda _told: played.serve(3))


def a_replica_is_unready_and_not_restarted(played: Played) -> None:
    played.begin("pods.unready", count=1)
    played.until(lambda _told: sum(one.ready for one in played.service.pods()) == 2)
    played.end("pods.unready")
    played.until(lambda _told: played.serve(3))
    assert sum(one.restarts for one in played.service.pods()) == 1


def a_leak_is_killed_at_the_limit(played: Played) -> None:
    played.begin("pods.memory_leak", leak=8.0)
    played.until(lambda _told: any(one.died for one in played.service.pods()))
    played.end("pods.memory_leak")
    ends = [pod["status"]["containerStatuses"][0] for pod in replicas(played)]
    reasons = {(end.get(state) or {}).get("terminated", {}).get("reason") for end in ends for state in ("state", "lastState")}
    assert "OOMKilled" in reasons
    spread(played)  # a replica that was not killed keeps what has leaked until it goes, and is told for as long
    played.until(lambda _told: played.serve(3) and not played.firing)


def pods_move_from_a_lost_node_and_the_service_recovers(played: Played, how: str) -> None:
    lost = node_named(played, "node-1")
    assert any(one.node == lost for one in played.service.pods())
    played.fired.clear()
    played.begin("nodes.loss", node="node-1", how=how)
    assert played.pending() == ["node"]
    played.until(lambda _told: not ready(played, "node-1"), f"{how}: it stays ready")
    played.until(lambda _told: "NodeNotReady" in played.fired, f"{how}: nobody is told")
    played.until(
        lambda _told: played.serve(3) and all(one.node != lost for one in played.service.pods()), f"{how}: no pod has moved"
    )
    failed, answered = played.failed, played.answered
    played.end("nodes.loss")
    assert played.pending() == []
    played.until(lambda _told: ready(played, "node-1") and not played.firing, f"{how}: it does not come back")
    played.until(lambda _told: played.answered > answered + 500)
    assert played.failed - failed < 50, "the service has recovered"
    spread(played)


def an_image_that_nobody_has_and_a_rollout_undone(played: Played) -> None:
    def reasons() -> set[str]:
        states = [status["state"] for pod in replicas(played) for status in pod["status"].get("containerStatuses", ())]
        return {state["waiting"]["reason"] for state in states if "waiting" in state}

    played.begin("pods.bad_image")
    played.until(lambda _told: bool(reasons() & {"ErrImagePull", "ImagePullBackOff"}), "an image that nobody has was pulled")
    assert sum(one.ready for one in played.service.pods()) == 3
    played.kubectl("rollout", "undo", "deployment/model-champion")
    played.until(lambda _told: played.serve(3), "the rollout was not undone")
    played.end("pods.bad_image")
    played.until(lambda _told: not reasons(), "the pod is still there")


def a_node_has_less_cpu(played: Played, engine: Engine) -> None:
    def quota() -> int:
        found = engine.client.api.inspect_container(node_named(played, "node-1"))
        return int(found["HostConfig"]["CpuQuota"])

    before = quota()
    played.begin("nodes.cpu_limit", node="node-1", cores=0.5)
    assert quota() == 50_000
    assert played.pending() == ["node-cpu"]
    answered = played.answered
    played.until(lambda _told: played.answered > answered + 300)
    played.end("nodes.cpu_limit")
    assert quota() == before or quota() == -1
    assert played.pending() == []


def a_node_is_drained_and_used_again(played: Played) -> None:
    node = node_named(played, "node-1")
    played.act(platform__cordoned="node-1", platform__drained="node-1#1")
    played.until(lambda _told: played.serve(3) and all(one.node != node for one in played.service.pods()))
    assert "SchedulingDisabled" in played.standing.kubectl("get", "node", node)
    played.standing.kubectl("uncordon", node)
    played.until(lambda _told: ("node-1", "") in played.changed("platform.cordoned", "kubectl"))
    spread(played)


def a_label_is_dropped(played: Played) -> None:
    played.act(monitoring__dropped="request_id")
    played.until(lambda _told: played.logged("drops the labels request_id"))


def spread(played: Played) -> None:
    """Replicas are made anew, on all nodes."""
    node = node_named(played, "node-1")
    played.kubectl("rollout", "restart", "deployment/model-champion")
    played.until(lambda _told: played.serve(3) and any(one.node == node for one in played.service.pods()), "node-1 stays empty")


def node_named(played: Played, name: str) -> str:
    """What Kubernetes and the engine call a node."""
    metadata = played.service.seen().nodes[name].metadata
    assert metadata is not None
    return str(metadata.name)


def ready(played: Played, name: str) -> bool:
    return node_ready(played.service.seen().nodes[name])


def replicas(played: Played) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        played.kubectl("get", "pods", "--output=json", "--selector=drillbox.dev/pool=model-champion")
    )["items"]
    return found
