"""A cluster goes away with all that it is made of, whatever happens in the middle of making it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import CLUSTER, READY, FakeEngine, Heard, nothing_left

from drillbox.sandbox.model.errors import Exit, StackError
from drillbox.stacks.kind.cluster import removal
from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.cluster.engine import HOME, OWNER
from drillbox.stacks.kind.cluster.makers import Makers
from drillbox.stacks.kind.cluster.making import Wanted
from drillbox.stacks.kind.housekeeping import KindHousekeeping
from drillbox.stacks.kind.records.clusters import ClusterFolder, folders

DEADLINE = 60.0


@pytest.mark.parametrize(
    ("mode", "ready", "message"),
    [
        ("fail", None, r"kind failed at the step 'preparing nodes': .*port is already allocated; a port is taken by another"),
        ("vanish", None, r"cluster drillbox-test: it was deleted while it was in use"),
        (
            "",
            READY | {"c": "container runtime is down"},
            r"node c is not ready \(container runtime is down\) after 0 s",
        ),
        ("", {"a": "", "b": ""}, r"only 2 of 3 nodes joined after 0 s"),
    ],
)
def test_what_fails_leaves_nothing(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, mode: str, ready: dict[str, str] | None, message: str
) -> None:
    with pytest.raises(StackError, match=message) as caught:
        clusters(mode, ready, readiness=0.0).ensure(Wanted(CLUSTER), Heard())
    assert caught.value.exit_code is Exit.STACK
    assert nothing_left(engine, base)


def test_a_creation_that_hangs_is_ended_at_its_deadline(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    with pytest.raises(StackError, match=r"at the step 'preparing nodes': kind create did not end within 3 s"):
        clusters("hang", creation=3.0).ensure(Wanted(CLUSTER), Heard())
    assert nothing_left(engine, base)


HOST = """
import sys; sys.path.insert(0, {here!r})
from pathlib import Path
from kind_kit import FakeEngine, programs
from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.cluster.making import Wanted
engine = FakeEngine(Path({state!r}))
environment = programs(Path({bin!r}), engine.path, {mode!r})
Clusters(Path({base!r}), engine, environment=environment).ensure(Wanted({name!r}), lambda *_: None)
"""


def killed(tmp_path: Path, engine: FakeEngine, base: Path, mode: str, when: Callable[[], bool]) -> None:
    """Let a host make a cluster, and kill it at a moment."""
    here = str(Path(__file__).parent)
    host = HOST.format(here=here, state=str(engine.path), bin=str(tmp_path / "bin"), mode=mode, base=str(base), name=CLUSTER)
    process = subprocess.Popen([sys.executable, "-c", host])
    deadline = time.monotonic() + DEADLINE
    while not when():
        assert time.monotonic() < deadline
        assert process.poll() is None
        os.sched_yield()
    process.send_signal(signal.SIGKILL)
    process.wait()


def creating(engine: FakeEngine) -> int:
    return len(engine.state().get("creating", ()))


def test_a_host_killed_while_kind_works_leaves_nothing_after_down(
    tmp_path: Path, engine: FakeEngine, base: Path, keeper: KindHousekeeping
) -> None:
    def all_there() -> bool:
        if len(engine.nodes(CLUSTER)) < 3:
            return False
        (busy,) = keeper.leftovers()
        assert busy.host is not None
        return True

    killed(tmp_path, engine, base, "hang", all_there)
    (found,) = keeper.leftovers()
    assert found.host is None
    assert any(thing.startswith("process ") for thing in found.things)
    heard: list[str] = []
    assert keeper.down([CLUSTER], heard.append) == []
    assert any("killed kind" in line for line in heard)
    assert nothing_left(engine, base)
    assert keeper.down([CLUSTER], heard.append) == []
    assert keeper.leftovers() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StackError("the image does not build")])
def test_containers_that_are_being_created_when_it_ends_do_not_survive(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, error: BaseException
) -> None:
    def progress(_step: str, _done: float) -> None:
        if creating(engine) == 3:
            raise error

    with pytest.raises(type(error)):
        clusters("creating").ensure(Wanted(CLUSTER), progress)
    engine.settle()
    assert nothing_left(engine, base)


@pytest.mark.parametrize("clients", ["live", "killed"])
def test_nor_do_they_after_a_crash(
    tmp_path: Path, engine: FakeEngine, base: Path, keeper: KindHousekeeping, monkeypatch: pytest.MonkeyPatch, clients: str
) -> None:
    killed(tmp_path, engine, base, "creating", lambda: creating(engine) == 3)
    (folder,) = folders(base)
    record = folder.read()
    assert record is not None
    assert record.nodes == ()
    if clients == "killed":
        makers = Makers(record)
        while makers.end(force=True):
            os.sched_yield()
        monkeypatch.setattr(removal, "QUIET", 3.0)
    assert keeper.down([CLUSTER], lambda _text: None) == []
    engine.settle()
    assert nothing_left(engine, base)


def test_a_client_that_hangs_is_not_waited_for_for_ever(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def progress(_step: str, _done: float) -> None:
        if creating(engine) == 3:
            with engine.changing() as state:
                for one in state["creating"]:
                    one["looks"] = 20
            raise KeyboardInterrupt

    monkeypatch.setattr(removal, "GRACE", 0.5)
    monkeypatch.setattr(removal, "QUIET", 4.0)
    with pytest.raises(KeyboardInterrupt):
        clusters("creating").ensure(Wanted(CLUSTER), progress)
    engine.settle()
    assert nothing_left(engine, base)


def test_what_was_created_for_a_network_that_is_gone_is_in_nobodys_way(
    clusters: Callable[..., Clusters], engine: FakeEngine
) -> None:
    debris = {"id": "x", "name": f"{CLUSTER}-worker", "role": "worker", "state": "created", "cluster": CLUSTER}
    with engine.changing() as state:
        state["containers"].append(debris | {"networks": [], "volumes": ["v"], "awaits": [CLUSTER]})
        state["volumes"].append("v")
    clusters().ensure(Wanted(CLUSTER), Heard())
    assert len(engine.nodes(CLUSTER)) == 3
    assert "v" not in engine.volumes()


def test_what_others_are_creating_is_left_alone(clusters: Callable[..., Clusters], engine: FakeEngine, base: Path) -> None:
    clusters().ensure(Wanted(CLUSTER, workers=0), Heard())
    theirs = {"id": "x", "name": f"{CLUSTER}-worker", "role": "worker", "state": "created", "cluster": CLUSTER}
    with engine.changing() as state:
        state["networks"].append({"id": "n", "name": CLUSTER, "labels": {HOME: "/other/kind", OWNER: "z"}})
        state["containers"].append(theirs | {"networks": [], "volumes": [], "awaits": [CLUSTER]})
    clusters().remove(CLUSTER, Heard())
    assert [node.id for node in engine.nodes(CLUSTER)] == ["x"]
    with pytest.raises(StackError, match="not in this state folder"):
        clusters().ensure(Wanted(CLUSTER), Heard())


def test_without_an_engine_down_says_so_and_can_be_repeated(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, keeper: KindHousekeeping
) -> None:
    clusters().ensure(Wanted(CLUSTER), Heard())
    engine.gone = True
    heard: list[str] = []
    (left,) = keeper.down([CLUSTER], heard.append)
    assert "no container engine answers" in left.things[0]
    assert "no container engine answers" in heard[0]

    def unreachable() -> FakeEngine:
        raise StackError("no container engine answers at unix:///fake.sock: start it")

    (left,) = KindHousekeeping(base, lambda _base: [], unreachable).down([CLUSTER], heard.append)
    assert f"folder {base / CLUSTER}" in left.things
    assert heard[-1].endswith("start it; then repeat: drillbox down --stack kind drillbox-test")
    engine.gone = False
    assert keeper.down([CLUSTER], heard.append) == []
    assert nothing_left(engine, base)


def test_what_does_not_go_is_named(
    clusters: Callable[..., Clusters], engine: FakeEngine, keeper: KindHousekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters().ensure(Wanted(CLUSTER, workers=0), Heard())
    monkeypatch.setattr(removal, "PATIENCE", 0.0)
    engine.stuck = {f"{CLUSTER}-control-plane-id"}
    heard: list[str] = []
    (left,) = keeper.down([CLUSTER], heard.append)
    assert any("it is stuck" in line for line in heard)
    assert f"container {CLUSTER}-control-plane (running)" in left.things
    engine.stuck.clear()
    assert keeper.down([CLUSTER], heard.append) == []


def test_a_cluster_of_another_engine_is_not_taken_for_gone(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, keeper: KindHousekeeping
) -> None:
    clusters().ensure(Wanted(CLUSTER), Heard())
    there, engine.number = engine.state(), "engine-2"
    engine.put({"containers": [], "networks": [], "volumes": [], "images": {}, "loaded": []})
    other = r"cluster drillbox-test is on another container engine, which answered at unix:///fake\.sock \(now .* is asked\)"
    with pytest.raises(StackError, match=other):
        clusters().ensure(Wanted(CLUSTER), Heard())
    with pytest.raises(StackError, match=other):
        clusters().remove(CLUSTER, Heard())
    heard: list[str] = []
    (left,) = keeper.down([CLUSTER], heard.append)
    assert f"if it is gone for good: rm -r {base / CLUSTER}" in heard[0]
    assert "is on another container engine" in left.things[0]
    assert engine.state()["containers"] == []
    engine.put(there)
    engine.number = "engine-1"
    assert not clusters().ensure(Wanted(CLUSTER), Heard()).made
    assert keeper.down([CLUSTER], heard.append) == []
    assert nothing_left(engine, base)


def test_what_stays_of_a_wreck_is_told_before_another_is_made(
    clusters: Callable[..., Clusters], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters().ensure(Wanted(CLUSTER), Heard())
    state = engine.state()
    engine.put(state | {"containers": state["containers"][:-1]})
    monkeypatch.setattr(removal, "PATIENCE", 0.0)
    engine.stuck = {state["containers"][0]["id"]}
    with pytest.raises(StackError, match="what could not be removed of an earlier one: container drillbox-test-control-plane"):
        clusters().ensure(Wanted(CLUSTER), Heard())
    engine.stuck.clear()
    assert clusters().ensure(Wanted(CLUSTER), Heard()).made


def test_a_folder_that_somebody_waited_for_is_theirs(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the lock makes it anew the moment that it is gone."""
    folder, unlink = ClusterFolder(base / CLUSTER), Path.unlink
    folder.path.mkdir(parents=True)
    (folder.path / "lock").touch()

    def awaited(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        if path.name == "lock":
            path.touch()

    monkeypatch.setattr(Path, "unlink", awaited)
    folder.remove()
    assert (folder.path / "lock").exists()


def test_a_folder_without_a_record_needs_no_engine(base: Path) -> None:
    (base / CLUSTER).mkdir(parents=True)
    (base / CLUSTER / "lock").touch()

    def unreachable() -> FakeEngine:
        raise StackError("no container engine answers at unix:///fake.sock: start it")

    keeper = KindHousekeeping(base, lambda _base: [], unreachable)
    assert [one.things for one in keeper.leftovers()] == [(f"folder {base / CLUSTER}",)]
    assert keeper.down([CLUSTER], lambda _text: None) == []
    assert keeper.leftovers() == []


def test_a_cluster_is_removed_by_name(clusters: Callable[..., Clusters], engine: FakeEngine, base: Path) -> None:
    clusters().ensure(Wanted(CLUSTER, workers=0), Heard())
    clusters().remove(CLUSTER, Heard())
    assert nothing_left(engine, base)
    clusters().remove(CLUSTER, Heard())
    assert nothing_left(engine, base)
