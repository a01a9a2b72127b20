"""Clusters are made step by step, used again and told apart."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import CLUSTER, FakeEngine, Heard, nothing_left, playing

from drillbox.sandbox.model.errors import Exit, StackError, UsageError
from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.cluster.engine import HOME, OWNER
from drillbox.stacks.kind.cluster.making import Steps, Wanted
from drillbox.stacks.kind.cluster.node_hands import NODE, undo_log
from drillbox.stacks.kind.cluster.readiness import FIRST, STEP
from drillbox.stacks.kind.housekeeping import KindHousekeeping


def test_the_configuration_says_what_kind_is_to_make() -> None:
    told = yaml.safe_load(Wanted(CLUSTER, workers=2, port=16443).configuration())
    assert told["apiVersion"] == "kind.x-k8s.io/v1alpha4"
    assert told["networking"] == {"ipFamily": "ipv4", "apiServerAddress": "127.0.0.1", "apiServerPort": 16443}
    assert [node["role"] for node in told["nodes"]] == ["control-plane", "worker", "worker"]
    assert {node["labels"]["drillbox.dev/cluster"] for node in told["nodes"]} == {CLUSTER}
    assert "apiServerPort" not in Wanted(CLUSTER).configuration()


@pytest.mark.parametrize("name", ["mine", "drillbox-", "drillbox-Mine", "drillbox-" + "x" * 31, "drillbox-a_b", "drillbox-a-"])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="begins with drillbox-"):
        Wanted(name)


def test_more_workers_than_a_machine_bears_are_refused() -> None:
    with pytest.raises(UsageError, match="9 workers: a cluster has from 0 to 8"):
        Wanted(CLUSTER, workers=9)


def test_a_cluster_is_made_step_by_step(clusters: Callable[..., Clusters], engine: FakeEngine, base: Path) -> None:
    heard = Heard()
    cluster = clusters().ensure(Wanted(CLUSTER), heard)
    assert cluster.made
    assert sorted(cluster.nodes) == [f"{CLUSTER}-control-plane", f"{CLUSTER}-worker", f"{CLUSTER}-worker2"]
    assert cluster.kubeconfig == base / CLUSTER / "kubeconfig"
    assert heard.steps == [
        ("kind: ensuring node image (kindest/node:v1.34.0)", 0.0),
        ("kind: ensuring node image (kindest/node:v1.34.0)", 1.0),
        ("kind: preparing nodes", 0.0),
        ("kind: preparing nodes", 1.0),
        ("kind: joining worker nodes", 0.0),
        ("kind: joining worker nodes", 1.0),
        (FIRST, 0.0),
        (FIRST, 1.0),
        (STEP, 0.0),
        (STEP, 1.0),
    ]
    (network,) = engine.networks()
    record = clusters().folder(CLUSTER).read()
    assert record is not None
    assert network.labels == {OWNER: record.token, HOME: str(base)}
    assert record.ready
    assert record.creator is None
    assert (base / CLUSTER / "cluster.json").stat().st_mode & 0o077 == 0


def test_a_cluster_is_used_again_and_woken(clusters: Callable[..., Clusters], engine: FakeEngine) -> None:
    clusters().ensure(Wanted(CLUSTER), Heard())
    state = engine.state()
    state["containers"][1]["state"] = "paused"
    engine.put(state)
    again = clusters("fail").ensure(Wanted(CLUSTER), Heard())
    assert not again.made
    assert {node.state for node in again.nodes.values()} == {"running"}


def test_a_wreck_is_made_anew(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, keeper: KindHousekeeping
) -> None:
    clusters().ensure(Wanted(CLUSTER), Heard())
    state = engine.state()
    state["containers"].pop()
    engine.put(state)
    again = clusters().ensure(Wanted(CLUSTER), Heard())
    assert again.made
    assert len(again.nodes) == 3
    assert [one.session for one in keeper.leftovers()] == [CLUSTER]
    assert keeper.down([CLUSTER], lambda _text: None) == []
    assert nothing_left(engine, base)


def test_a_wreck_on_which_a_drill_is_played_is_not_removed(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    clusters().ensure(Wanted(CLUSTER), Heard())
    with engine.changing() as state:
        state["containers"].pop()
    with playing(base, "x-1", CLUSTER), playing(base, "x-2", CLUSTER):
        with pytest.raises(
            StackError, match=r"lost a node, .*the drill x-1 is played on it: .*down --stack kind x-1\)"
        ) as caught:
            clusters().ensure(Wanted(CLUSTER, session="x-2"), Heard())
        with pytest.raises(StackError, match=r"the drills x-1, x-2 are played on it: .*down --stack kind x-1 x-2\)"):
            clusters().ensure(Wanted(CLUSTER), Heard())
    assert caught.value.exit_code is Exit.STACK
    assert len(engine.nodes(CLUSTER)) == 2
    assert clusters().ensure(Wanted(CLUSTER), Heard()).made


def test_a_node_that_a_living_drill_has_paused_is_not_woken(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    clusters().ensure(Wanted(CLUSTER), Heard())
    with engine.changing() as state:
        worker = state["containers"][1]
        worker["state"] = "paused"
    with playing(base, "x-1", CLUSTER) as folder:
        log = undo_log(folder, engine)
        log.note(worker["name"], NODE, {"container": worker["id"], "name": worker["name"], "networks": {}})
        with pytest.raises(StackError, match=f"the node {worker['name']} is lost to a fault of the drill x-1, .*wait until"):
            clusters().ensure(Wanted(CLUSTER, session="x-2"), Heard())
        assert [node.state for node in engine.nodes(CLUSTER)] == ["running", "paused", "running"]
        log.done(worker["name"])
        clusters().ensure(Wanted(CLUSTER, session="x-2"), Heard())
    assert {node.state for node in engine.nodes(CLUSTER)} == {"running"}


def test_several_by_name_do_not_touch_each_other(clusters: Callable[..., Clusters], keeper: KindHousekeeping) -> None:
    clusters().ensure(Wanted(CLUSTER, workers=0), Heard())
    clusters().ensure(Wanted("drillbox-other", workers=1), Heard())
    assert clusters().names() == ["drillbox-other", CLUSTER]
    assert keeper.down([CLUSTER], lambda _text: None) == []
    assert [one.session for one in keeper.leftovers()] == ["drillbox-other"]
    clusters().check("drillbox-other")


def test_another_than_wanted_is_neither_taken_nor_thrown_away(clusters: Callable[..., Clusters], engine: FakeEngine) -> None:
    clusters().ensure(Wanted(CLUSTER), Heard())
    with pytest.raises(StackError, match=r"workers: 2 there, 1 wanted.*drillbox down --stack kind drillbox-test\), or choose"):
        clusters().ensure(Wanted(CLUSTER, workers=1), Heard())
    assert len(engine.nodes(CLUSTER)) == 3


def test_a_machine_that_was_too_slow_is_given_a_second_chance(clusters: Callable[..., Clusters], engine: FakeEngine) -> None:
    heard = Heard()
    assert clusters("slow").ensure(Wanted(CLUSTER), heard).made
    assert ("kind was too slow: once more", 0.0) in heard.steps
    assert len(engine.nodes(CLUSTER)) == 3
    assert len(engine.networks()) == 1
    assert clusters().names() == [CLUSTER]


def test_clusters_and_networks_of_others_are_left_alone(clusters: Callable[..., Clusters], engine: FakeEngine) -> None:
    state = engine.state()
    stranger = {"id": "x", "name": f"{CLUSTER}-control-plane", "role": "control-plane", "state": "running", "cluster": CLUSTER}
    state["containers"].append(stranger | {"networks": ["kind"], "volumes": ["v"]})
    engine.put(state)
    with pytest.raises(StackError, match="not in this state folder.*kind delete cluster --name drillbox-test"):
        clusters().ensure(Wanted(CLUSTER), Heard())
    assert engine.nodes(CLUSTER)
    state["containers"] = []
    state["networks"].append({"id": "n", "name": CLUSTER, "labels": {HOME: "/other/kind", OWNER: "z"}})
    engine.put(state)
    with pytest.raises(StackError, match="remove it: DRILLBOX_HOME=/other drillbox down --stack kind drillbox-test"):
        clusters().ensure(Wanted(CLUSTER), Heard())


def test_a_port_that_is_taken_is_told_before_anything_is_made(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"API of cluster {CLUSTER}: port {port} of 127.0.0.1 is taken"):
            clusters().ensure(Wanted(CLUSTER, port=port), Heard())
    assert nothing_left(engine, base)


def test_a_cluster_deleted_under_our_feet_is_told(clusters: Callable[..., Clusters], engine: FakeEngine) -> None:
    clusters().ensure(Wanted(CLUSTER), Heard())
    clusters().check(CLUSTER)
    state = engine.state()
    gone = state["containers"].pop()
    engine.put(state)
    with pytest.raises(
        StackError, match="1 of its nodes are gone while it was in use; clear up with: drillbox down --stack kind"
    ):
        clusters().check(CLUSTER)
    state["containers"] = []
    state["volumes"].append(gone["volumes"][0])
    engine.put(state)
    with pytest.raises(StackError, match="cluster drillbox-test: it was deleted"):
        clusters().check(CLUSTER)


def test_what_stands_is_shown(clusters: Callable[..., Clusters], keeper: KindHousekeeping) -> None:
    assert keeper.standing() == []
    clusters().ensure(Wanted(CLUSTER, workers=1), Heard())
    (stands,) = keeper.standing()
    assert [(part.name, part.state) for part in stands.parts] == [
        (f"{CLUSTER}-control-plane", "running"),
        (f"{CLUSTER}-worker", "running"),
    ]
    assert stands.addresses[0].where.startswith("export KUBECONFIG=")
    assert stands.host is None
    assert stands.trouble == ""


def test_what_stands_on_an_engine_that_does_not_answer_or_is_another_is_not_taken_for_gone(
    clusters: Callable[..., Clusters], engine: FakeEngine, keeper: KindHousekeeping
) -> None:
    clusters().ensure(Wanted(CLUSTER, workers=1), Heard())
    engine.gone = True
    (stands,) = keeper.standing()
    assert (stands.session, stands.ground, stands.parts) == (CLUSTER, "cluster", ())
    assert "no container engine answers" in stands.trouble
    engine.gone, engine.number = False, "engine-2"
    (stands,) = keeper.standing()
    assert "is on another container engine" in stands.trouble
    engine.number = "engine-1"
    (stands,) = keeper.standing()
    assert (len(stands.parts), stands.trouble) == (2, "")


def test_lines_that_are_no_steps_are_passed_over() -> None:
    heard = Heard()
    steps = Steps(heard)
    for line in ("Creating cluster ...", " • Joining worker nodes 🚜  ...", "WARNING: x", " ✓ Joining worker nodes 🚜", "Thanks"):
        steps.hear(line)
    assert heard.steps == [("kind: joining worker nodes", 0.0), ("kind: joining worker nodes", 1.0)]
