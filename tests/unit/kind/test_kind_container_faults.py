"""Faults of containers on a cluster: who is hit, what the controller is told, and what a damaged model looks like."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from drillbox.sandbox.learning import store
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.params import Params, Value
from drillbox.sandbox.model.scenario import Beat, Scenario
from drillbox.stacks.kind.cluster.node_hands import Reach
from drillbox.stacks.kind.faults.container_faults import BadArtifact, Hang, Suffering, damaged, rebuilt
from drillbox.stacks.real.service import RealService
from drillbox.stacks.services.common.artifacts import unpack
from drillbox.stacks.services.controller import disturbing
from drillbox.stacks.services.controller.pods import ServerPod

sys.path.insert(0, str(Path(__file__).parent))
from docker_kit import FakeDocker


def pod(name: str, node: str) -> ServerPod:
    return ServerPod(
        name,
        "model-champion",
        "v1",
        node,
        "10.0.0.1",
        ready=True,
        running=True,
        leaving=False,
        life=f"containerd://{name}",
        restarts=0,
        died="",
        limit=1024.0,
    )


def test_processes_of_ready_replicas_stop_and_go_on(tmp_path: Path) -> None:
    docker = FakeDocker("w1", "w2")
    docker.processes = dict.fromkeys(("a", "b", "c"), "running")
    reach = Reach.of(docker.engine, tmp_path)
    hang = Hang(reach, 1, lambda: [pod("a", "w1"), pod("b", "w2"), pod("c", "w1")])
    hang.begin("beat", "pods.hang", {"count": 2})
    assert sorted(docker.processes.values()) == ["running", "stopped", "stopped"]
    assert [entry.kind for entry in reach.undo.pending()] == ["container-process"] * 2
    gone = next(name for name, state in docker.processes.items() if state == "stopped")
    del docker.processes[gone]  # its kubelet was faster
    hang.end("beat")
    assert set(docker.processes.values()) == {"running"}
    assert reach.undo.pending() == []


def test_a_new_process_lets_a_stopped_one_go_on(tmp_path: Path) -> None:
    docker = FakeDocker("w1")
    docker.processes = {"a": "running"}
    Hang(Reach.of(docker.engine, tmp_path), 1, lambda: [pod("a", "w1")]).begin("beat", "pods.hang", {"count": 5})
    assert docker.processes == {"a": "stopped"}
    Reach.of(docker.engine, tmp_path).take_back()
    assert docker.processes == {"a": "running"}


def test_a_process_on_a_lost_node_goes_on_when_that_is_back(tmp_path: Path) -> None:
    docker = FakeDocker("w1", "w2")
    docker.processes = {"a": "running", "b": "running"}
    reach = Reach.of(docker.engine, tmp_path)
    docker.pause("w2")
    hang = Hang(reach, 1, lambda: [pod("a", "w1"), pod("b", "w2")])
    hang.begin("beat", "pods.hang", {"count": 2})
    assert docker.processes == {"a": "stopped", "b": "running"}
    reach.undo.note("w1", *reach.hands.as_it_is("w1"))
    docker.pause("w1")
    hang.end("beat")
    assert docker.processes["a"] == "stopped"
    docker.unpause("w2")
    reach.take_back()
    assert docker.processes["a"] == "running"
    assert reach.undo.pending() == []


class Pushed:
    """A service that notes what is pushed."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.pushes: list[dict[str, Value]] = []

    def push(self, values: dict[str, Value], _by: str, _why: str) -> None:
        self.pushes.append(values)

    @contextmanager
    def still(self) -> Iterator[None]:
        yield


def plain() -> Scenario:
    return load_scenario(Library.packaged().find("slow-afternoon"), "short")


def test_the_controller_is_told_of_leaks_and_of_deadly_settings_before_they_are_pushed() -> None:
    told: list[dict[str, object]] = []
    service = Pushed(plain())
    suffering = Suffering(cast("RealService", service), told.append)
    suffering.leak("one", {"leak": 0.5})
    suffering.leak("two", {"leak": 99.9})
    suffering.seal("one")
    suffering.seal("two")
    assert [one["leak"] for one in told] == [0.5, 100.0, 99.9, 0.0]
    suffering.push_deadly("three", {"after": 20.0})
    suffering.push_deadly("four", {"after": 5.0})
    assert told[-1]["deadly"] == {"revision-2": 20.0, "revision-3": 5.0}
    assert service.pushes == [{"servers.settings": "revision-2"}, {"servers.settings": "revision-3"}]


def test_processes_are_large_from_the_beginning_where_memory_will_matter() -> None:
    told: list[dict[str, object]] = []
    leaky = replace(plain(), timeline=(Beat("beat", "pods.memory_leak", {"leak": 1.0}, at=5.0),))
    for scenario in (plain(), leaky):
        Suffering(cast("RealService", Pushed(scenario)), told.append).told()
    assert [one["large"] for one in told] == [False, True]


@pytest.mark.parametrize(
    ("limits", "large", "computes"),
    [
        ({}, 0.0, 0.0),
        ({"limit": 256.0}, 300.0, 0.0),
        ({"cores": 0.5}, 0.0, 1.0),
        ({"cores": 0.5, "slots": 2}, 0.0, 1.0),
        ({"cores": 2.0, "slots": 2}, 0.0, 0.0),
    ],
)
def test_limits_meet_processes_that_are_large_enough_and_compute(limits: dict[str, float], large: float, computes: float) -> None:
    one = replace(pod("a", "w1"), **limits)  # type: ignore[arg-type]  # slots are whole
    told = disturbing.Suffering().told("usual", one)
    assert (told["memory"], told["effort"]) == (large, computes)


class Release:
    """A release that is noted."""

    def __init__(self, done: list[object]) -> None:
        self.done = done

    def begin(self, beat: str, fault: str, params: Params) -> None:
        self.done.append((beat, fault, dict(params)))

    def end(self, beat: str) -> None:
        self.done.append(beat)


@pytest.fixture
def model() -> str:
    """A model of this machine's store."""
    names = sorted(path.name for path in store.models_dir().iterdir() if (path / store.MODEL).is_file())
    if not names:
        pytest.skip("no model is in the store")
    return names[0]


def test_a_damaged_model_is_taken_by_a_registry_and_cannot_be_loaded(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = rebuilt(model)
    assert (name != model, name.rpartition("-")[0]) == (True, model.rpartition("-")[0])
    content = damaged(model, name)
    found = unpack(content, name)  # as registry and model server do with whatever comes
    with zipfile.ZipFile(io.BytesIO(found.model)) as archive:
        assert archive.testzip() is None
    monkeypatch.setenv("DRILLBOX_HOME", str(tmp_path))
    version = found.install()
    with pytest.raises(UsageError, match=r"model\.skops cannot be read"):
        store.load(version)


def test_the_catalogue_leads_to_the_damaged_model_before_the_version_is_rolled_out(model: str) -> None:
    done: list[object] = []
    bad = BadArtifact(
        lambda version: model if version == "v2" else "",
        lambda name, _content: done.append(name),
        lambda version, name: done.append((version, name)),
        Release(done),
    )
    bad.begin("beat", "release.bad_artifact", {"version": "v2"})
    bad.end("beat")
    name = rebuilt(model)
    assert done == [name, ("v2", name), ("beat", "release.bad_artifact", {"version": "v2"}), "beat"]
    done.clear()
    bad.begin("beat", "release.bad_artifact", {"version": "v9"})  # the pipeline says which there are
    assert done == [("beat", "release.bad_artifact", {"version": "v9"})]
