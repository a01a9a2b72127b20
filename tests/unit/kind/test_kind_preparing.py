"""The application image goes onto the nodes beside the making of the cluster, once the control plane can spare what that takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import CLUSTER, FakeEngine, Heard, programs

from drillbox.sandbox.model.stack import Progress
from drillbox.stacks.kind.cluster import preparing
from drillbox.stacks.kind.cluster.clusters import Cluster, Clusters
from drillbox.stacks.kind.cluster.images import Builder, Image
from drillbox.stacks.kind.cluster.making import Wanted
from drillbox.stacks.kind.settings import Settings

IMAGE = Image("drillbox-app:1", "sha256:1", 640.0, built=False)


class Early:
    """What of a load that is told: which calls, and whether it may begin."""

    made: Early

    def __init__(self, *_: object, **__: object) -> None:
        self.begin, self.there, self.calls = Flag(), Flag(), list[str]()
        Early.made = self

    def stop(self) -> None:
        self.calls.append("stop")

    def pack(self, _reference: str, _progress: Progress) -> None:
        self.calls.append("pack")

    def load(self, _reference: str, _progress: Progress) -> None:
        self.calls.append("load")


class Flag:
    """An event on which nobody waits."""

    def __init__(self) -> None:
        self.up = False

    def set(self) -> None:
        self.up = True

    def clear(self) -> None:
        self.up = False


def test_a_cluster_that_is_there_has_to_be_as_asked_for_and_is_else_taken_as_it_is(
    clusters: Callable[..., Clusters],
) -> None:
    clusters().ensure(Wanted(CLUSTER, workers=1, image="node:1"), Heard())
    has = clusters().folder(CLUSTER).read()
    assert has is not None
    given = Settings.read({"DRILLBOX_KIND_WORKERS": "5", "DRILLBOX_KIND_API_PORT": "16443", "DRILLBOX_KIND_IMAGE": "node:2"})

    def wanted(workers: int | None = None, port: int | None = None) -> tuple[int, int, str]:
        found = preparing.wanted_of(clusters(), given.of(CLUSTER, workers, port), "")
        return found.workers, found.port, found.image

    assert wanted() == (1, has.port, "node:1")
    assert wanted(workers=3) == (3, has.port, "node:2")
    assert wanted(port=17443) == (1, 17443, "node:2")


@pytest.fixture
def settings(tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PATH", programs(tmp_path / "bin", engine.path)["PATH"])
    monkeypatch.setattr(Builder, "ensure", lambda *_: IMAGE)
    monkeypatch.setattr(preparing, "Early", Early)
    return Settings.read({}).of(CLUSTER, 2, None)


def test_nodes_get_the_image_once_the_control_plane_runs_and_not_while_kind_tries_again(
    clusters: Callable[..., Clusters], engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    may: list[tuple[str, bool]] = []
    begin = Clusters.begin

    def twice(self: Clusters, wanted: Wanted, progress: Progress) -> Cluster:
        for step in ("preparing nodes", "starting control-plane", "installing CNI", "preparing nodes", "joining worker nodes"):
            progress(f"kind: {step}", 0.0)
            may.append((step, Early.made.begin.up))
        return begin(self, wanted, progress)

    monkeypatch.setattr(Clusters, "begin", twice)
    preparing.begin_cluster(clusters(), engine, settings, "x-1", Heard())
    assert may == [
        ("preparing nodes", False),
        ("starting control-plane", False),
        ("installing CNI", True),
        ("preparing nodes", False),
        ("joining worker nodes", True),
    ]
    assert Early.made.begin.up
    assert Early.made.there.up
    assert Early.made.calls == ["pack", "load"]


def test_on_a_cluster_that_is_there_nothing_is_packed_before_it_is_known_what_its_nodes_lack(
    clusters: Callable[..., Clusters], engine: FakeEngine, settings: Settings
) -> None:
    preparing.begin_cluster(clusters(), engine, settings, "x-1", Heard())
    cluster, image = preparing.begin_cluster(clusters(), engine, settings, "x-1", Heard())
    assert (cluster.made, image) == (False, IMAGE)
    assert Early.made.calls == ["load"]
