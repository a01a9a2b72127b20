"""A cluster can be used once its control plane runs; its workers are waited for beside that."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lightkube.codecs import from_dict

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import CLUSTER, READY, FakeEngine, Heard, nothing_left, playing

from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.kind.cluster import readiness
from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.cluster.making import Wanted
from drillbox.stacks.kind.cluster.readiness import FIRST, NOT_READY
from drillbox.stacks.kind.records.clusters import ClusterFolder

LATE = READY | {"c": "CNI is missing"}


def test_a_cluster_can_be_used_before_its_workers_are_ready(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    found = clusters("", LATE, readiness=0.0)
    heard = Heard()
    cluster = found.begin(Wanted(CLUSTER, session="x-1"), heard)
    assert cluster.made
    assert heard.steps[-1] == (FIRST, 1.0)
    with pytest.raises(StackError, match=r"cluster drillbox-test: node c is not ready \(CNI is missing\) after 0 s"):
        found.settle(cluster, "x-1", heard)
    assert nothing_left(engine, base)


def test_the_control_plane_is_waited_for(clusters: Callable[..., Clusters], engine: FakeEngine, base: Path) -> None:
    found = clusters("", LATE | {f"{CLUSTER}-control-plane": "it starts"}, readiness=0.0)
    with pytest.raises(StackError, match=r"node drillbox-test-control-plane is not ready \(it starts\) after 0 s"):
        found.begin(Wanted(CLUSTER), Heard())
    assert nothing_left(engine, base)


def test_a_cluster_on_which_another_drill_is_by_now_is_left_to_that(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    found = clusters("", LATE, readiness=0.0)
    cluster = found.begin(Wanted(CLUSTER, session="x-1"), Heard())
    with playing(base, "x-2", CLUSTER):
        with pytest.raises(StackError, match="node c is not ready"):
            found.settle(cluster, "x-1", Heard())
        assert len(engine.nodes(CLUSTER)) == 3
    assert found.release(CLUSTER, "x-1", Heard())
    assert not engine.nodes(CLUSTER)
    assert not engine.networks()


def test_a_cluster_that_is_to_stay_by_now_is_not_removed(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    found = clusters("", LATE, readiness=0.0)
    cluster = found.begin(Wanted(CLUSTER, session="x-1"), Heard())
    clusters("", READY).ensure(Wanted(CLUSTER), Heard())
    with pytest.raises(StackError, match="node c is not ready"):
        found.settle(cluster, "x-1", Heard())
    assert len(engine.nodes(CLUSTER)) == 3


def test_a_cluster_that_another_process_has_at_the_moment_is_left_to_that(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = clusters("", LATE, readiness=0.0)
    cluster = found.begin(Wanted(CLUSTER, session="x-1"), Heard())

    def busy(_self: object, _patience: float = 0.0) -> None:
        raise StackError("another process makes or removes it at this moment")

    with monkeypatch.context() as patch:
        patch.setattr(ClusterFolder, "lock", busy)
        with pytest.raises(StackError, match="node c is not ready"):
            found.settle(cluster, "x-1", Heard())
    assert len(engine.nodes(CLUSTER)) == 3


def node(ready: str, *taints: str) -> dict[str, object]:
    status = {"conditions": [{"type": "Ready", "status": ready, "message": "container runtime is down"}]}
    return {
        "metadata": {"name": "a"},
        "status": status,
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]},
    }


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (node("True"), ""),
        (node("True", "node-role.kubernetes.io/control-plane"), ""),
        (node("True", NOT_READY), f"it has the taint {NOT_READY}"),
        (node("False", NOT_READY), "container runtime is down"),
        ({"metadata": {"name": "a"}, "status": {}}, "it has not reported yet"),
    ],
)
def test_a_node_is_ready_once_pods_are_placed_on_it(given: dict[str, object], why: str) -> None:
    assert readiness.why_not_ready(from_dict({"apiVersion": "v1", "kind": "Node", **given})) == why
