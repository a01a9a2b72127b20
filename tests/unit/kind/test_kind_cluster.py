"""Clusters are made step by step, used again, and go away with all that they are made of, whatever happens in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from lightkube.codecs import from_dict

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import FakeEngine, playing, programs

from drillbox.sandbox.model.errors import Exit, StackError, UsageError
from drillbox.stacks.kind.cluster import readiness, removal
from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.cluster.engine import HOME, OWNER
from drillbox.stacks.kind.cluster.makers import Makers
from drillbox.stacks.kind.cluster.making import Steps, Wanted
from drillbox.stacks.kind.cluster.node_hands import NODE, undo_log
from drillbox.stacks.kind.cluster.readiness import FIRST, NOT_READY, STEP
from drillbox.stacks.kind.housekeeping import KindHousekeeping
from drillbox.stacks.kind.records.clusters import ClusterFolder, folders

NAME = "drillbox-test"
READY = {f"{NAME}-control-plane": "", "b": "", "c": ""}
DEADLINE = 60.0


class Heard:
    """Progress, as it came."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    def __call__(self, step: str, done: float, /) -> None:
        self.steps.append((step, done))


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "state.json")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "home" / "kind"


@pytest.fixture
def clusters(tmp_path: Path, base: Path, engine: FakeEngine) -> Callable[..., Clusters]:
    def make(mode: str = "", ready: dict[str, str] | None = None, **options: float) -> Clusters:
        found = READY if ready is None else ready
        return Clusters(
            base, engine, environment=programs(tmp_path / "bin", engine.path, mode), look=lambda _file: found, **options
        )

    return make


@pytest.fixture
def keeper(base: Path, engine: FakeEngine) -> KindHousekeeping:
    return KindHousekeeping(base, lambda _base: [], lambda: engine)


def nothing_left(engine: FakeEngine, base: Path) -> bool:
    state = engine.state()
    return not any(state[what] for what in ("containers", "networks", "volumes")) and not any(base.glob("*"))


def test_the_configuration_says_what_kind_is_to_make() -> None:
    told = yaml.safe_load(Wanted(NAME, workers=2, port=16443).configuration())
    assert told["apiVersion"] == "kind.x-k8s.io/v1alpha4"
    assert told["networking"] == {"ipFamily": "ipv4", "apiServerAddress": "127.0.0.1", "apiServerPort": 16443}
    assert [node["role"] for node in told["nodes"]] == ["control-plane", "worker", "worker"]
    assert {node["labels"]["drillbox.dev/cluster"] for node in told["nodes"]} == {NAME}
    assert "apiServerPort" not in Wanted(NAME).configuration()


@pytest.mark.parametrize("name", ["mine", "drillbox-", "drillbox-Mine", "drillbox-" + "x" * 31, "drillbox-a_b", "drillbox-a-"])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="begins with drillbox-"):
        Wanted(name)


def test_more_workers_than_a_machine_bears_are_refused() -> None:
    with pytest.raises(UsageError, match="9 workers: a cluster has from 0 to 8"):
        Wanted(NAME, workers=9)


def test_a_cluster_is_made_step_by_step(clusters: Callable[..., Clusters], engine: FakeEngine, base: Path) -> None:
    heard = Heard()
    cluster = clusters().ensure(Wanted(NAME), heard)
    assert cluster.made
    assert sorted(cluster.nodes) == [f"{NAME}-control-plane", f"{NAME}-worker", f"{NAME}-worker2"]
    assert cluster.kubeconfig == base / NAME / "kubeconfig"
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
    record = clusters().folder(NAME).read()
    assert record is not None
    assert network.labels == {OWNER: record.token, HOME: str(base)}
    assert record.ready
    assert record.creator is None
    assert (base / NAME / "cluster.json").stat().st_mode & 0o077 == 0


def test_a_cluster_is_used_again_and_woken(clusters: Callable[..., Clusters], engine: FakeEngine) -> None:
    clusters().ensure(Wanted(NAME), Heard())
    state = engine.state()
    state["containers"][1]["state"] = "paused"
    engine.put(state)
    again = clusters("fail").ensure(Wanted(NAME), Heard())
    assert not again.made
    assert {node.state for node in again.nodes.values()} == {"running"}


def test_a_wreck_is_made_anew(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, keeper: KindHousekeeping
) -> None:
    clusters().ensure(Wanted(NAME), Heard())
    state = engine.state()
    state["containers"].pop()
    engine.put(state)
    again = clusters().ensure(Wanted(NAME), Heard())
    assert again.made
    assert len(again.nodes) == 3
    assert [one.session for one in keeper.leftovers()] == [NAME]
    assert keeper.down([NAME], lambda _text: None) == []
    assert nothing_left(engine, base)


def test_a_wreck_on_which_a_drill_is_played_is_not_removed(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    clusters().ensure(Wanted(NAME), Heard())
    with engine.changing() as state:
        state["containers"].pop()
    with playing(base, "x-1", NAME), playing(base, "x-2", NAME):
        with pytest.raises(
            StackError, match=r"lost a node, .*the drill x-1 is played on it: .*down --stack kind x-1\)"
        ) as caught:
            clusters().ensure(Wanted(NAME, session="x-2"), Heard())
        with pytest.raises(StackError, match=r"the drills x-1, x-2 are played on it: .*down --stack kind x-1 x-2\)"):
            clusters().ensure(Wanted(NAME), Heard())
    assert caught.value.exit_code is Exit.STACK
    assert len(engine.nodes(NAME)) == 2
    assert clusters().ensure(Wanted(NAME), Heard()).made


def test_a_node_that_a_living_drill_has_paused_is_not_woken(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    clusters().ensure(Wanted(NAME), Heard())
    with engine.changing() as state:
        worker = state["containers"][1]
        worker["state"] = "paused"
    with playing(base, "x-1", NAME) as folder:
        log = undo_log(folder, engine)
        log.note(worker["name"], NODE, {"container": worker["id"], "name": worker["name"], "networks": {}})
        with pytest.raises(StackError, match=f"the node {worker['name']} is lost to a fault of the drill x-1, .*wait until"):
            clusters().ensure(Wanted(NAME, session="x-2"), Heard())
        assert [node.state for node in engine.nodes(NAME)] == ["running", "paused", "running"]
        log.done(worker["name"])
        clusters().ensure(Wanted(NAME, session="x-2"), Heard())
    assert {node.state for node in engine.nodes(NAME)} == {"running"}


def test_several_by_name_do_not_touch_each_other(clusters: Callable[..., Clusters], keeper: KindHousekeeping) -> None:
    clusters().ensure(Wanted(NAME, workers=0), Heard())
    clusters().ensure(Wanted("drillbox-other", workers=1), Heard())
    assert clusters().names() == ["drillbox-other", NAME]
    assert keeper.down([NAME], lambda _text: None) == []
    assert [one.session for one in keeper.leftovers()] == ["drillbox-other"]
    clusters().check("drillbox-other")


def test_another_than_wanted_is_neither_taken_nor_thrown_away(clusters: Callable[..., Clusters], engine: FakeEngine) -> None:
    clusters().ensure(Wanted(NAME), Heard())
    with pytest.raises(StackError, match=r"workers: 2 there, 1 wanted.*drillbox down --stack kind drillbox-test\), or choose"):
        clusters().ensure(Wanted(NAME, workers=1), Heard())
    assert len(engine.nodes(NAME)) == 3


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
        clusters(mode, ready, readiness=0.0).ensure(Wanted(NAME), Heard())
    assert caught.value.exit_code is Exit.STACK
    assert nothing_left(engine, base)


LATE = READY | {"c": "CNI is missing"}


def test_a_cluster_can_be_used_before_its_workers_are_ready(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    found = clusters("", LATE, readiness=0.0)
    heard = Heard()
    cluster = found.begin(Wanted(NAME, session="x-1"), heard)
    assert cluster.made
    assert heard.steps[-1] == (FIRST, 1.0)
    with pytest.raises(StackError, match=r"cluster drillbox-test: node c is not ready \(CNI is missing\) after 0 s"):
        found.settle(cluster, "x-1", heard)
    assert nothing_left(engine, base)


def test_the_control_plane_is_waited_for(clusters: Callable[..., Clusters], engine: FakeEngine, base: Path) -> None:
    found = clusters("", LATE | {f"{NAME}-control-plane": "it starts"}, readiness=0.0)
    with pytest.raises(StackError, match=r"node drillbox-test-control-plane is not ready \(it starts\) after 0 s"):
        found.begin(Wanted(NAME), Heard())
    assert nothing_left(engine, base)


def test_a_cluster_on_which_another_drill_is_by_now_is_left_to_that(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    found = clusters("", LATE, readiness=0.0)
    cluster = found.begin(Wanted(NAME, session="x-1"), Heard())
    with playing(base, "x-2", NAME):
        with pytest.raises(StackError, match="node c is not ready"):
            found.settle(cluster, "x-1", Heard())
        assert len(engine.nodes(NAME)) == 3
    assert found.release(NAME, "x-1", Heard())
    assert not engine.nodes(NAME)
    assert not engine.networks()


def test_a_cluster_that_is_to_stay_by_now_is_not_removed(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    found = clusters("", LATE, readiness=0.0)
    cluster = found.begin(Wanted(NAME, session="x-1"), Heard())
    clusters("", READY).ensure(Wanted(NAME), Heard())
    with pytest.raises(StackError, match="node c is not ready"):
        found.settle(cluster, "x-1", Heard())
    assert len(engine.nodes(NAME)) == 3


def test_a_cluster_that_another_process_has_at_the_moment_is_left_to_that(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = clusters("", LATE, readiness=0.0)
    cluster = found.begin(Wanted(NAME, session="x-1"), Heard())

    def busy(_self: object, _patience: float = 0.0) -> None:
        raise StackError("another process makes or removes it at this moment")

    with monkeypatch.context() as patch:
        patch.setattr(ClusterFolder, "lock", busy)
        with pytest.raises(StackError, match="node c is not ready"):
            found.settle(cluster, "x-1", Heard())
    assert len(engine.nodes(NAME)) == 3


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


def test_a_creation_that_hangs_is_ended_at_its_deadline(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    with pytest.raises(StackError, match=r"at the step 'preparing nodes': kind create did not end within 3 s"):
        clusters("hang", creation=3.0).ensure(Wanted(NAME), Heard())
    assert nothing_left(engine, base)


def test_a_machine_that_was_too_slow_is_given_a_second_chance(clusters: Callable[..., Clusters], engine: FakeEngine) -> None:
    heard = Heard()
    assert clusters("slow").ensure(Wanted(NAME), heard).made
    assert ("kind was too slow: once more", 0.0) in heard.steps
    assert len(engine.nodes(NAME)) == 3
    assert len(engine.networks()) == 1
    assert clusters().names() == [NAME]


def test_clusters_and_networks_of_others_are_left_alone(clusters: Callable[..., Clusters], engine: FakeEngine) -> None:
    state = engine.state()
    stranger = {"id": "x", "name": f"{NAME}-control-plane", "role": "control-plane", "state": "running", "cluster": NAME}
    state["containers"].append(stranger | {"networks": ["kind"], "volumes": ["v"]})
    engine.put(state)
    with pytest.raises(StackError, match="not in this state folder.*kind delete cluster --name drillbox-test"):
        clusters().ensure(Wanted(NAME), Heard())
    assert engine.nodes(NAME)
    state["containers"] = []
    state["networks"].append({"id": "n", "name": NAME, "labels": {HOME: "/other/kind", OWNER: "z"}})
    engine.put(state)
    with pytest.raises(StackError, match="remove it: DRILLBOX_HOME=/other drillbox down --stack kind drillbox-test"):
        clusters().ensure(Wanted(NAME), Heard())


def test_a_port_that_is_taken_is_told_before_anything_is_made(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path
) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"API of cluster {NAME}: port {port} of 127.0.0.1 is taken"):
            clusters().ensure(Wanted(NAME, port=port), Heard())
    assert nothing_left(engine, base)


def test_a_cluster_deleted_under_our_feet_is_told(clusters: Callable[..., Clusters], engine: FakeEngine) -> None:
    clusters().ensure(Wanted(NAME), Heard())
    clusters().check(NAME)
    state = engine.state()
    gone = state["containers"].pop()
    engine.put(state)
    with pytest.raises(
        StackError, match="1 of its nodes are gone while it was in use; clear up with: drillbox down --stack kind"
    ):
        clusters().check(NAME)
    state["containers"] = []
    state["volumes"].append(gone["volumes"][0])
    engine.put(state)
    with pytest.raises(StackError, match="cluster drillbox-test: it was deleted"):
        clusters().check(NAME)


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
    host = HOST.format(here=here, state=str(engine.path), bin=str(tmp_path / "bin"), mode=mode, base=str(base), name=NAME)
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
        if len(engine.nodes(NAME)) < 3:
            return False
        (busy,) = keeper.leftovers()
        assert busy.host is not None
        return True

    killed(tmp_path, engine, base, "hang", all_there)
    (found,) = keeper.leftovers()
    assert found.host is None
    assert any(thing.startswith("process ") for thing in found.things)
    heard: list[str] = []
    assert keeper.down([NAME], heard.append) == []
    assert any("killed kind" in line for line in heard)
    assert nothing_left(engine, base)
    assert keeper.down([NAME], heard.append) == []
    assert keeper.leftovers() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StackError("the image does not build")])
def test_containers_that_are_being_created_when_it_ends_do_not_survive(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, error: BaseException
) -> None:
    def progress(_step: str, _done: float) -> None:
        if creating(engine) == 3:
            raise error

    with pytest.raises(type(error)):
        clusters("creating").ensure(Wanted(NAME), progress)
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
    assert keeper.down([NAME], lambda _text: None) == []
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
        clusters("creating").ensure(Wanted(NAME), progress)
    engine.settle()
    assert nothing_left(engine, base)


def test_what_was_created_for_a_network_that_is_gone_is_in_nobodys_way(
    clusters: Callable[..., Clusters], engine: FakeEngine
) -> None:
    debris = {"id": "x", "name": f"{NAME}-worker", "role": "worker", "state": "created", "cluster": NAME}
    with engine.changing() as state:
        state["containers"].append(debris | {"networks": [], "volumes": ["v"], "awaits": [NAME]})
        state["volumes"].append("v")
    clusters().ensure(Wanted(NAME), Heard())
    assert len(engine.nodes(NAME)) == 3
    assert "v" not in engine.volumes()


def test_what_others_are_creating_is_left_alone(clusters: Callable[..., Clusters], engine: FakeEngine, base: Path) -> None:
    clusters().ensure(Wanted(NAME, workers=0), Heard())
    theirs = {"id": "x", "name": f"{NAME}-worker", "role": "worker", "state": "created", "cluster": NAME}
    with engine.changing() as state:
        state["networks"].append({"id": "n", "name": NAME, "labels": {HOME: "/other/kind", OWNER: "z"}})
        state["containers"].append(theirs | {"networks": [], "volumes": [], "awaits": [NAME]})
    clusters().remove(NAME, Heard())
    assert [node.id for node in engine.nodes(NAME)] == ["x"]
    with pytest.raises(StackError, match="not in this state folder"):
        clusters().ensure(Wanted(NAME), Heard())


def test_without_an_engine_down_says_so_and_can_be_repeated(
    clusters: Callable[..., Clusters], engine: FakeEngine, base: Path, keeper: KindHousekeeping
) -> None:
    clusters().ensure(Wanted(NAME), Heard())
    engine.gone = True
    heard: list[str] = []
    (left,) = keeper.down([NAME], heard.append)
    assert "no container engine answers" in left.things[0]
    assert "no container engine answers" in heard[0]

    def unreachable() -> FakeEngine:
        raise StackError("no container engine answers at unix:///fake.sock: start it")

    (left,) = KindHousekeeping(base, lambda _base: [], unreachable).down([NAME], heard.append)
    assert f"folder {base / NAME}" in left.things
    assert heard[-1].endswith("start it; then repeat: drillbox down --stack kind drillbox-test")
    engine.gone = False
    assert keeper.down([NAME], heard.append) == []
    assert nothing_left(engine, base)


def test_what_does_not_go_is_named(
    clusters: Callable[..., Clusters], engine: FakeEngine, keeper: KindHousekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters().ensure(Wanted(NAME, workers=0), Heard())
    monkeypatch.setattr(removal, "PATIENCE", 0.0)
    engine.stuck = {f"{NAME}-control-plane-id"}
    heard: list[str] = []
    (left,) = keeper.down([NAME], heard.append)
    assert any("it is stuck" in line for line in heard)
    assert f"container {NAME}-control-plane (running)" in left.things
    engine.stuck.clear()
    assert keeper.down([NAME], heard.append) == []


def test_a_folder_without_a_record_needs_no_engine(base: Path) -> None:
    (base / NAME).mkdir(parents=True)
    (base / NAME / "lock").touch()

    def unreachable() -> FakeEngine:
        raise StackError("no container engine answers at unix:///fake.sock: start it")

    keeper = KindHousekeeping(base, lambda _base: [], unreachable)
    assert [one.things for one in keeper.leftovers()] == [(f"folder {base / NAME}",)]
    assert keeper.down([NAME], lambda _text: None) == []
    assert keeper.leftovers() == []


def test_a_cluster_is_removed_by_name(clusters: Callable[..., Clusters], engine: FakeEngine, base: Path) -> None:
    clusters().ensure(Wanted(NAME, workers=0), Heard())
    clusters().remove(NAME, Heard())
    assert nothing_left(engine, base)
    clusters().remove(NAME, Heard())
    assert nothing_left(engine, base)


def test_what_stands_is_shown(clusters: Callable[..., Clusters], keeper: KindHousekeeping) -> None:
    assert keeper.standing() == []
    clusters().ensure(Wanted(NAME, workers=1), Heard())
    (stands,) = keeper.standing()
    assert [(part.name, part.state) for part in stands.parts] == [
        (f"{NAME}-control-plane", "running"),
        (f"{NAME}-worker", "running"),
    ]
    assert stands.addresses[0].where.startswith("export KUBECONFIG=")
    assert stands.host is None


def test_lines_that_are_no_steps_are_passed_over() -> None:
    heard = Heard()
    steps = Steps(heard)
    for line in ("Creating cluster ...", " • Joining worker nodes 🚜  ...", "WARNING: x", " ✓ Joining worker nodes 🚜", "Thanks"):
        steps.hear(line)
    assert heard.steps == [("kind: joining worker nodes", 0.0), ("kind: joining worker nodes", 1.0)]
