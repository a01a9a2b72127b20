"""Nodes of a cluster are lost, limited and given back: by the end of the fault, at the end, or by a new process after a crash."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from lightkube.models.core_v1 import NodeCondition, NodeSpec, NodeStatus, Taint
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Node

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.params import Params, Value, parse_params
from drillbox.sandbox.model.scenario import Beat
from drillbox.stacks.deploy.kubernetes.seen import Patch, Seen
from drillbox.stacks.kind.cluster.node_hands import Hands, Reach, stopped
from drillbox.stacks.kind.drill.place import Place
from drillbox.stacks.kind.drill.service import KindService
from drillbox.stacks.kind.faults.evictions import Evictions
from drillbox.stacks.kind.faults.node_faults import NodeCpu, NodeLoss, check_workers
from drillbox.stacks.kind.faults.shelter import shelter_dns

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "local"))
from docker_kit import NETWORK, FakeDocker
from kubernetes_kit import FakeKubernetes

WORKER, OTHER = "drillbox-x-worker", "drillbox-x-worker2"


def given(name: str, **params: Value) -> Params:
    return parse_params(FAULTS[name].params, params, base_units=True)


def node(name: str, *, control_plane: bool = False) -> Node:
    return Node(metadata=ObjectMeta(name=name, labels={"node-role.kubernetes.io/control-plane": ""} if control_plane else {}))


NODES = {"node-1": node(WORKER), "node-2": node(OTHER), "node-3": node("drillbox-x-control-plane", control_plane=True)}


@pytest.fixture
def docker() -> FakeDocker:
    return FakeDocker(WORKER, OTHER)


@pytest.fixture
def reach(docker: FakeDocker, tmp_path: Path) -> Reach:
    return Reach.of(docker.engine, tmp_path)


@pytest.mark.parametrize(
    ("how", "done"),
    [
        ("pause", [("pause", WORKER), ("unpause", WORKER)]),
        ("stop", [("kill", WORKER), ("start", WORKER)]),
        ("disconnect", [("disconnect", WORKER, NETWORK), ("connect", WORKER, NETWORK), ("restart", WORKER)]),
    ],
)
def test_a_node_is_lost_and_comes_back(docker: FakeDocker, reach: Reach, how: str, done: list[tuple[str, ...]]) -> None:
    loss = NodeLoss(reach, lambda: NODES)
    loss.begin("beat", "nodes.loss", given("nodes.loss", node="node-1", how=how))
    assert docker.done == done[:1]
    assert [entry.kind for entry in reach.undo.pending()] == ["node"]
    loss.end("beat")
    assert docker.done == done  # with another address than before the node has to start anew
    assert reach.undo.pending() == []


@pytest.mark.parametrize("how", ["pause", "stop", "disconnect"])
def test_a_new_process_gives_a_node_back(docker: FakeDocker, reach: Reach, tmp_path: Path, how: str) -> None:
    NodeLoss(reach, lambda: NODES).begin("beat", "nodes.loss", given("nodes.loss", node="node-1", how=how))
    NodeCpu(reach, lambda: NODES).begin("more", "nodes.cpu_limit", given("nodes.cpu_limit", node="node-2", cores=0.5))
    Reach.of(docker.engine, tmp_path).take_back()
    found = docker.containers[WORKER]
    assert (found["State"], set(found["NetworkSettings"]["Networks"])) == ({"Running": True, "Paused": False}, {NETWORK})
    assert docker.containers[OTHER]["HostConfig"]["CpuQuota"] == -1
    again = len(docker.done)
    Reach.of(docker.engine, tmp_path).take_back()
    assert len(docker.done) == again  # twice does nothing


def test_what_is_undone_is_known_before_it_is_done(docker: FakeDocker, reach: Reach) -> None:
    loss = NodeLoss(reach, lambda: NODES)
    docker.pause = None  # type: ignore[method-assign,assignment]  # the host dies in the middle
    with pytest.raises(TypeError):
        loss.begin("beat", "nodes.loss", given("nodes.loss", node="node-1"))
    assert [entry.data["name"] for entry in reach.undo.pending()] == [WORKER]
    reach.take_back()
    assert docker.done == []  # it ran all the time


def test_a_node_lost_twice_is_back_when_both_are_over(docker: FakeDocker, reach: Reach) -> None:
    loss = NodeLoss(reach, lambda: NODES)
    loss.begin("one", "nodes.loss", given("nodes.loss", node="node-1"))
    loss.begin("two", "nodes.loss", given("nodes.loss", node="node-1", how="stop"))
    loss.begin("three", "nodes.loss", given("nodes.loss", node="node-2"))
    loss.end("one")
    assert docker.containers[WORKER]["State"]["Paused"]
    loss.end("two")
    assert not docker.containers[WORKER]["State"]["Paused"]
    assert docker.containers[OTHER]["State"]["Paused"]
    assert [entry.data["name"] for entry in reach.undo.pending()] == [OTHER]


def test_the_lowest_limit_of_a_node_is_in_force(docker: FakeDocker, reach: Reach) -> None:
    cpu = NodeCpu(reach, lambda: NODES)
    docker.containers[WORKER]["HostConfig"] = {"CpuQuota": 0, "CpuPeriod": 0, "NanoCpus": 1_500_000_000}
    cpu.begin("one", "nodes.cpu_limit", given("nodes.cpu_limit", node="node-1", cores=0.5))
    cpu.begin("two", "nodes.cpu_limit", given("nodes.cpu_limit", node="node-1", cores=0.2))
    cpu.end("two")
    cpu.end("one")
    assert [quota for *_, quota, _ in docker.done] == [50_000, 20_000, 50_000, 150_000]
    assert reach.undo.pending() == []


def test_a_container_with_a_higher_limit_than_the_node_shall_have_is_told(reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_hands: Hands, data: Mapping[str, object]) -> None:
        if data["quota"] == 50_000:  # as cgroups v1 do; taking it back is no trouble
            raise StackError("CPU of the node: write cpu.cfs_quota_us: invalid argument")

    monkeypatch.setattr(Hands, "set_cpu", refuse)
    with pytest.raises(StackError, match=r"invalid argument \(with cgroups v1 no container on a node may have a higher limit"):
        NodeCpu(reach, lambda: NODES).begin("beat", "nodes.cpu_limit", given("nodes.cpu_limit", node="node-1", cores=0.5))
    reach.take_back()
    assert reach.undo.pending() == []


def test_a_node_that_is_gone_needs_no_undoing(docker: FakeDocker, reach: Reach) -> None:
    NodeLoss(reach, lambda: NODES).begin("beat", "nodes.loss", given("nodes.loss", node="node-1"))
    NodeCpu(reach, lambda: NODES).begin("more", "nodes.cpu_limit", given("nodes.cpu_limit", node="node-1", cores=0.5))
    docker.containers.clear()
    reach.take_back()
    assert reach.undo.pending() == []


def test_a_node_that_somebody_removed_is_told(docker: FakeDocker, reach: Reach) -> None:
    docker.containers.clear()
    with pytest.raises(StackError, match=f"looking at the node {WORKER}: no such container: {WORKER}"):
        NodeLoss(reach, lambda: NODES).begin("beat", "nodes.loss", given("nodes.loss", node="node-1"))
    with pytest.raises(StackError, match=f"no such container: {WORKER}"):
        NodeCpu(reach, lambda: NODES).begin("more", "nodes.cpu_limit", given("nodes.cpu_limit", node="node-1", cores=0.5))
    with pytest.raises(StackError, match=f"signal STOP on the node {WORKER}: no such container"):
        reach.hands.stop_process(WORKER, "containerd://abc123")
    assert reach.undo.pending() == []


def test_an_engine_that_does_not_answer_is_told_and_asked_again(docker: FakeDocker, reach: Reach) -> None:
    NodeLoss(reach, lambda: NODES).begin("beat", "nodes.loss", given("nodes.loss", node="node-1"))
    docker.silent = True
    with pytest.raises(
        StackError, match=r"nodes are not as they were: drillbox-x-worker \(node\): .*no container engine answers"
    ):
        reach.take_back()
    docker.silent = False
    reach.take_back()
    assert docker.done[-1] == ("unpause", WORKER)


def test_nodes_that_cannot_be_hit_are_refused(docker: FakeDocker, reach: Reach) -> None:
    loss = NodeLoss(reach, lambda: NODES)
    with pytest.raises(StackError, match="there is no node node-4 in this cluster; it has node-1, node-2, node-3"):
        loss.begin("beat", "nodes.loss", given("nodes.loss", node="node-4"))
    with pytest.raises(StackError, match="node-3 is the control plane's node"):
        loss.begin("beat", "nodes.loss", given("nodes.loss", node="node-3"))
    assert docker.done == []


def test_a_scenario_says_how_many_workers_it_needs() -> None:
    plain = load_scenario(Library.packaged().find("slow-afternoon"), "short")
    check_workers(plain, 0, "drillbox-x", there=True)
    lossy = replace(plain, timeline=(Beat("beat", "nodes.loss", given("nodes.loss", node="node-3"), at=1.0),))
    check_workers(lossy, 3, "drillbox-x", there=True)
    more = "slow-afternoon is played on 3 worker nodes or more, and the cluster drillbox-x"
    with pytest.raises(StackError) as there:
        check_workers(lossy, 2, "drillbox-x", there=True)
    assert str(there.value) == (
        f"{more} has 2: remove it (drillbox down --stack kind drillbox-x), then set DRILLBOX_KIND_WORKERS=3"
    )
    with pytest.raises(StackError) as none_yet:
        check_workers(lossy, 2, "drillbox-x", there=False)
    assert str(none_yet.value) == f"{more} would have 2: set DRILLBOX_KIND_WORKERS=3"


def test_a_process_is_stopped_in_its_container_and_goes_on(docker: FakeDocker, reach: Reach) -> None:
    docker.processes["abc123"] = "running"
    assert reach.hands.stop_process(WORKER, "containerd://abc123")
    assert docker.processes == {"abc123": "stopped"}
    assert not reach.hands.stop_process(WORKER, "containerd://fff000")
    with pytest.raises(StackError, match="is no id of a container"):
        reach.hands.stop_process(WORKER, "containerd://$(reboot)")
    reach.hands.carry_on({"node": WORKER, "container": "containerd://abc123"})
    assert docker.processes == {"abc123": "running"}


def test_a_process_on_a_node_that_was_paused_before_goes_on_after_it(docker: FakeDocker, reach: Reach) -> None:
    NodeLoss(reach, lambda: NODES).begin("loss", "nodes.loss", given("nodes.loss", node="node-1", how="pause"))
    reach.undo.note("hang", *stopped(WORKER, "containerd://abc123"))
    docker.processes["abc123"] = "stopped"
    reach.take_back()
    assert docker.processes == {"abc123": "running"}
    assert not docker.containers[WORKER]["State"]["Paused"]
    assert reach.undo.pending() == []


class Nodes:
    """A service whose nodes are the test's."""

    def __init__(self, **nodes: Node) -> None:
        self.nodes = nodes
        self.chores: list[object] = []
        self.patched: list[Patch] = []
        self.trouble = ""
        self.logs: list[str] = []

    def seen(self) -> Seen:
        return Seen(nodes=self.nodes)

    def patch(self, one: Patch) -> None:
        if self.trouble:
            raise StackError(self.trouble)
        self.patched.append(one)

    def log(self, _component: str, _severity: str, text: str) -> None:
        self.logs.append(text)


def heard_of(name: str, *taints: Taint, ready: bool) -> Node:
    condition = NodeCondition(type="Ready", status="True" if ready else "Unknown")
    meta = ObjectMeta(name=name, labels={"drillbox.dev/node": name})
    return Node(metadata=meta, spec=NodeSpec(taints=list(taints)), status=NodeStatus(conditions=[condition]))


def test_a_lost_node_gets_the_taint_that_its_control_plane_forgets() -> None:
    alone = Taint(effect="NoSchedule", key="node.kubernetes.io/unreachable")
    known = Taint(effect="NoExecute", key="node.kubernetes.io/not-ready")
    service = Nodes(a=heard_of("a", alone, ready=False), b=heard_of("b", known, ready=False), c=heard_of("c", ready=True))
    evictions = Evictions(cast("KindService", service))
    assert len(service.chores) == 1
    for now in (0.0, 6.0, 12.0):
        evictions.look(now)
    assert service.patched == []
    evictions.look(13.0)
    evictions.look(14.0)
    [patch] = service.patched
    taints = [
        {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
    ]
    assert (patch.name, patch.body) == ("a", {"spec": {"taints": taints}})
    service.trouble = "forbidden"
    evictions.look(30.0)
    assert service.logs == ["a: its pods stay: forbidden"]


def test_a_node_that_is_back_in_between_has_its_time_again() -> None:
    service = Nodes(a=heard_of("a", ready=False))
    evictions = Evictions(cast("KindService", service))
    evictions.look(0.0)
    service.nodes["a"] = heard_of("a", ready=True)
    evictions.look(10.0)
    service.nodes["a"] = heard_of("a", ready=False)
    evictions.look(11.0)
    evictions.look(20.0)
    assert service.patched == []


@pytest.mark.parametrize("there", [True, False])
def test_dns_is_kept_where_the_control_plane_is(tmp_path: Path, *, there: bool) -> None:
    api = FakeKubernetes()
    try:
        if there:
            spec = {"selector": {}, "template": {"spec": {"containers": []}}}
            api.put("deployments", {"kind": "Deployment", "metadata": {"name": "coredns"}, "spec": spec})
        (tmp_path / "kubeconfig").write_text(api.kubeconfig())
        with Place(tmp_path / "kubeconfig", "drill-x", "x").client() as client:
            shelter_dns(client)
        if there:
            pod = api.objects["deployments", "coredns"]["spec"]["template"]["spec"]
            [term, old] = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
            assert term["matchExpressions"] == [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]
            assert old["matchExpressions"] == [{"key": "node-role.kubernetes.io/master", "operator": "Exists"}]
    finally:
        api.close()
