"""A drill on a cluster is written down before it is made, and goes away with all that it has, whenever its host died."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from api_kit import FakeApi
from kind_kit import FakeEngine, playing, programs

from drillbox.sandbox.model.housekeeping import Leftover
from drillbox.stacks.kind.cluster import removal
from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.cluster.making import Wanted
from drillbox.stacks.kind.cluster.node_hands import NODE, undo_log
from drillbox.stacks.kind.housekeeping import KindHousekeeping
from drillbox.stacks.kind.records.drills import folders

NAME = "drillbox-test"


class World:
    """An engine, a kind, an API, and the hosts of drills."""

    def __init__(self, folder: Path, api: FakeApi) -> None:
        self.api, self.base = api, folder / "home" / "kind"
        self.engine = FakeEngine(folder / "state.json")
        self.engine.put(self.engine.state() | {"images": {"python:3.12-slim": {"Id": "sha256:0"}}})
        self.environment = programs(folder / "bin", self.engine.path, api=api.kubeconfig(folder / "config"))
        self.environment |= {"DRILLBOX_KIND_CLUSTER": NAME, "DRILLBOX_HOME": str(self.base.parent), "TMPDIR": str(folder)}
        self.keeper = KindHousekeeping(self.base, lambda _base: [], lambda: self.engine)
        self.told: list[str] = []
        self.hosts: list[subprocess.Popen[str]] = []

    def host(self, step: str) -> subprocess.Popen[str]:
        """One whose drill has come to a step."""
        script = Path(__file__).parent / "drill_host.py"
        argv = [sys.executable, str(script), str(self.base), str(self.engine.path), step]
        process = subprocess.Popen(argv, env={**os.environ, **self.environment}, stdout=subprocess.PIPE, text=True)
        self.hosts.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        return process

    def killed(self, step: str) -> str:
        """The label of a drill whose host was killed at a step."""
        process = self.host(step)
        (label,) = [one.session for one in self.keeper.leftovers() if one.host == process.pid and one.session != NAME]
        kill(process)
        return label

    def keep(self) -> None:
        """Have a cluster that stays."""
        clusters = Clusters(
            self.base,
            self.engine,
            environment=self.environment,
            look=lambda _file: dict.fromkeys((f"{NAME}-control-plane", "b", "c"), ""),
        )
        clusters.ensure(Wanted(NAME), lambda _step, _done: None)

    def down(self, *sessions: str, force: bool = False) -> list[Leftover]:
        return self.keeper.down(sessions, self.told.append, force=force)

    def things(self) -> list[str]:
        state = self.engine.state()
        return [*(one["name"] for one in state["containers"]), *(one["name"] for one in state["networks"]), *state["volumes"]]

    def spaces(self) -> list[str]:
        return [name for (_, plural, name) in self.api.objects if plural in {"namespaces", "clusterroles", "clusterrolebindings"}]


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(removal, "QUIET", 0.5)
    api = FakeApi(control_plane=f"{NAME}-control-plane")
    made = World(tmp_path, api)
    yield made
    for process in made.hosts:
        kill(process)
    api.close()


@pytest.mark.parametrize("step", ["kind: preparing nodes", "loading the image", "pods"])
def test_the_cluster_of_a_killed_drill_goes_with_it(world: World, step: str) -> None:
    label = world.killed(step)
    found = {one.session: one for one in world.keeper.leftovers()}
    assert found.keys() == {label, NAME}
    assert all(one.host is None for one in found.values())
    assert any(label in thing and NAME in thing for thing in found[label].things)
    assert world.down(label) == []
    assert world.things() == []
    assert world.keeper.leftovers() == []
    assert world.down(label) == []


@pytest.mark.parametrize("step", ["objects", "pods"])
def test_a_kept_cluster_stays_without_the_drill(world: World, step: str) -> None:
    world.keep()
    before = world.things()
    label = world.killed(step)
    assert world.down(label) == []
    assert world.spaces() == []
    assert not any(key[0] for key in world.api.objects)
    assert world.things() == before
    assert [one.session for one in world.keeper.leftovers()] == [NAME]
    assert world.down(NAME) == []
    assert world.things() == []


def test_a_living_host_is_asked_to_end_its_drill_and_killed_by_force(world: World) -> None:
    world.keep()
    process = world.host("pods")
    (label,) = [path.name for path in folders(world.base)]
    (stands,) = [one for one in world.keeper.standing() if one.session == label]
    assert (stands.host, stands.scenario) == (process.pid, "slow-afternoon")
    assert world.down(NAME, force=True) == []
    assert any("asks it to end" in line for line in world.told)
    assert world.things() == []
    assert process.wait(60) != 0


def test_without_an_engine_it_says_so_and_can_be_repeated(world: World) -> None:
    world.keep()
    label = world.killed("pods")
    world.engine.gone = True
    (left,) = world.down(label)
    assert left.session == label
    assert any(thing.startswith(f"namespace drill-{label} of cluster {NAME}") for thing in left.things)
    assert any("no container engine answers" in line for line in world.told)
    world.engine.gone = False
    assert world.down(label) == []
    assert world.spaces() == []


def test_on_another_engine_nothing_is_taken_for_gone(world: World) -> None:
    world.keep()
    label = world.killed("pods")
    there, world.engine.number = world.engine.state(), "engine-2"
    world.engine.put({"containers": [], "networks": [], "volumes": [], "images": {}, "loaded": []})
    (left,) = world.down(label)
    assert left.session == label
    assert any("is on another container engine" in line and f"--stack kind {label}" in line for line in world.told)
    assert f"drill-{label}" in world.spaces()
    world.engine.put(there)
    world.engine.number = "engine-1"
    assert world.down(label) == []
    assert world.spaces() == []


def test_a_cluster_that_was_deleted_under_its_feet_holds_nothing_up(world: World) -> None:
    world.keep()
    label = world.killed("pods")
    state = world.engine.state()
    world.engine.put(state | {"containers": [], "volumes": []})
    asked = len(world.api.asked)
    assert world.down(label) == []
    assert len(world.api.asked) == asked
    assert [one.session for one in world.keeper.leftovers()] == [NAME]
    assert world.down(NAME) == []
    assert world.keeper.leftovers() == []


def test_nodes_that_sleep_are_woken_to_clear_up(world: World) -> None:
    world.keep()
    label = world.killed("pods")
    state = world.engine.state()
    for one in state["containers"]:
        one["state"] = "paused"
    world.engine.put(state)
    assert world.down(label) == []
    assert {one["state"] for one in world.engine.state()["containers"]} == {"running"}


def test_a_node_that_a_living_drill_has_lost_is_not_woken_to_clear_up_after_another(world: World) -> None:
    world.keep()
    label = world.killed("pods")
    with world.engine.changing() as state:
        first, second, *_ = [one for one in state["containers"] if one["role"] == "worker"]
        first["state"] = second["state"] = "paused"
    with playing(world.base, "x-1", NAME) as folder:
        entry = {"container": first["id"], "name": first["name"], "networks": {}}
        undo_log(folder, world.engine).note(first["name"], NODE, entry)
        assert world.down(label) == []
    states = {one["name"]: one["state"] for one in world.engine.state()["containers"]}
    assert [states[first["name"]], states[second["name"]]] == ["paused", "running"]
    assert not any(label in name for name in world.spaces())


def test_what_cannot_be_removed_is_named(world: World) -> None:
    world.keep()
    label = world.killed("pods")
    world.api.refused["namespaces"] = 403
    world.api.refused["clusterroles"] = world.api.refused["clusterrolebindings"] = 403
    (left,) = world.down(label)
    assert any("namespace" in thing for thing in left.things)
    assert any("the cluster's API says: no" in line for line in world.told)
    world.api.refused.clear()
    assert world.down(label) == []


def test_the_cluster_of_a_drill_stays_for_others_that_are_on_it_and_goes_with_the_last(world: World) -> None:
    first = world.host("pods")
    (one,) = [path.name for path in folders(world.base)]
    second = world.host("pods")
    (two,) = [path.name for path in folders(world.base) if path.name != one]
    kill(first)
    assert world.down(one) == []
    assert len(world.engine.nodes(NAME)) == 3
    assert all(two in name for name in world.spaces())
    kill(second)
    assert world.down(two) == []
    assert world.things() == []


def test_a_drill_that_is_interrupted_leaves_nothing(world: World) -> None:
    process = world.host("pods")
    process.send_signal(2)
    assert process.wait(60) != 0
    assert world.things() == []
    assert world.keeper.leftovers() == []


@pytest.mark.parametrize("step", ["!kind: preparing nodes", "!nodes are ready", "!loading the image", "!objects", "!models"])
def test_a_drill_that_is_not_wanted_any_more_leaves_nothing(world: World, step: str) -> None:
    script = Path(__file__).parent / "drill_host.py"
    argv = [sys.executable, str(script), str(world.base), str(world.engine.path), step]
    done = subprocess.run(argv, env={**os.environ, **world.environment}, capture_output=True, text=True, timeout=300, check=False)
    assert done.stderr.strip().splitlines()[-1] == "KeyboardInterrupt"
    assert world.things() == []
    assert world.keeper.leftovers() == []


def test_an_engine_that_goes_during_a_drill_is_told_and_the_drill_stays_written_down(world: World) -> None:
    process = world.host("pods")
    (label,) = [path.name for path in folders(world.base)]
    world.engine.off.touch()
    process.send_signal(2)
    assert process.wait(60) != 0
    world.engine.off.unlink()
    assert label in {one.session for one in world.keeper.leftovers()}
    assert world.down(label) == []
    assert world.things() == []
