"""What keeps a drill on a cluster from coming up is told in one line, with exit code 3, and nothing is left of it."""

from __future__ import annotations

import os
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from api_kit import FakeApi
from kind_kit import FakeEngine, programs

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import Exit, StackError
from drillbox.stacks.kind import bring_up, settings
from drillbox.stacks.kind.cluster import clusters
from drillbox.stacks.kind.cluster.engine import trouble
from drillbox.stacks.kind.cluster.node_hands import Reach
from drillbox.stacks.kind.cluster.preparing import have_cluster
from drillbox.stacks.kind.drill import ground
from drillbox.stacks.kind.drill.leaving import remove
from drillbox.stacks.kind.housekeeping import KindHousekeeping
from drillbox.wiring import run_drill

NAME = "drillbox-test"


def silent(_step: str, _done: float) -> None:
    """Nobody is watching."""


@pytest.fixture
def api() -> Iterator[FakeApi]:
    made = FakeApi(control_plane=f"{NAME}-control-plane")
    yield made
    made.close()


class Place:
    """Where a drill is to come up, with what a test says is wrong."""

    def __init__(self, folder: Path, api: FakeApi, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.api, self.patch = folder, api, patch
        self.base, self.engine = folder / "home" / "kind", FakeEngine(folder / "state.json")
        self.engine.put(self.engine.state() | {"images": {"python:3.12-slim": {"Id": "sha256:0"}}})
        self.have()
        patch.setenv(settings.CLUSTER, NAME)
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(ground, "connect", lambda: self.engine)

    def have(self, mode: str = "", version: str = "0.33.0") -> None:
        """The programs."""
        given = programs(self.folder / "bin", self.engine.path, mode, version, self.api.kubeconfig(self.folder / "config"))
        self.patch.setenv("PATH", given["PATH"])

    def up(self) -> StackError:
        """What is told."""
        scenario = load_scenario(Library.packaged().find("slow-afternoon"), "short")
        models = {name: SimpleNamespace(id="model-of-a-test") for name in scenario.deployable}
        self.patch.setattr(bring_up, "models_of", lambda *_: models)
        with pytest.raises(StackError) as caught:
            bring_up.bring_up(scenario, 1, self.base, silent)
        return caught.value

    def left(self) -> list[object]:
        state = self.engine.state()
        things = [*state["containers"], *state["networks"], *state["volumes"]]
        return [*things, *KindHousekeeping(self.base, lambda _base: [], lambda: self.engine).leftovers()]


@pytest.fixture
def place(tmp_path: Path, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, api, monkeypatch)


def old_kind(place: Place) -> None:
    place.have(version="0.19.0")


def failing_build(place: Place) -> None:
    place.engine.told = [
        {"stream": "Step 3/9 : RUN pip install"},
        {"stream": "no space left"},
        {"error": "returned a non-zero code: 1"},
    ]


def taken_by_kind(place: Place) -> None:
    place.have("fail")


def full_node(place: Place) -> None:
    place.have("full")


def deleted(place: Place) -> None:
    place.have("vanish")


def never_ready(place: Place) -> None:
    place.api.objects["", "nodes", "n1"]["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "message": "CNI is missing"}
    ]
    place.patch.setattr(
        clusters.Clusters.__init__, "__kwdefaults__", clusters.Clusters.__init__.__kwdefaults__ | {"readiness": 0.0}
    )


def refusing(place: Place) -> None:
    place.api.refused["services"] = 403


def no_base_image(place: Place) -> None:
    place.engine.put(place.engine.state() | {"images": {}})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (old_kind, r"kind 0\.19\.0 .* is too old, it takes 0\.20 or later: https"),
        (
            failing_build,
            r"application image: the build failed at 'RUN pip install': exit code 1; its last lines:\n  no space left",
        ),
        (
            taken_by_kind,
            "kind failed at the step 'preparing nodes': .*port is already allocated; a port is taken by another program",
        ),
        (full_node, "it cannot be loaded into cluster drillbox-test: .*no space left on device"),
        (deleted, "cluster drillbox-test: it was deleted while it was in use"),
        (never_ready, r"node n1 is not ready \(CNI is missing\)"),
        (refusing, "Service .*: the cluster's API says: no"),
        (no_base_image, "its base python:3.12-slim is not here and cannot be pulled: pull access denied"),
    ],
)
def test_it_is_told_and_nothing_is_left(place: Place, wrong: Callable[[Place], None], message: str) -> None:
    wrong(place)
    error = place.up()
    assert re.search(message, str(error), re.DOTALL), str(error)
    assert error.exit_code is Exit.STACK
    assert place.left() == []


@pytest.mark.parametrize("program", ["kind", "kubectl", "docker"])
def test_a_program_that_is_missing_is_told_before_a_model_is_trained(
    place: Place, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    (place.folder / "bin" / program).unlink()
    monkeypatch.setenv("PATH", str(place.folder / "bin"))
    monkeypatch.setattr(bring_up, "models_of", lambda *_: pytest.fail("a model is trained"))
    scenario = load_scenario(Library.packaged().find("slow-afternoon"), "short")
    with pytest.raises(StackError, match=f"^{program} is not on the PATH: install it"):
        bring_up.bring_up(scenario, 1, place.base, silent)
    assert place.left() == []


def test_nodes_have_the_image_before_kind_ends(place: Place) -> None:
    place.have("patient")
    made = clusters.Clusters(place.base, place.engine, creation=60.0)
    image = have_cluster(made, place.engine, settings.Settings.read(), "", silent)
    assert {reference for _, reference in place.engine.state()["loaded"]} == {image.reference}
    assert made.archives.find(image.reference, image.id), "kept for the next one"


def once_nodes_are_created(self: FakeEngine, *_args: object, **_options: object) -> Iterator[dict[str, str]]:
    """A build that fails while the engine creates the containers of nodes."""
    yield {"stream": "Step 3/9 : RUN pip install"}
    while len(self.state().get("creating", ())) < 3:
        os.sched_yield()
    yield {"error": "returned a non-zero code: 7"}


def test_a_build_that_fails_while_nodes_are_created_leaves_nothing(place: Place) -> None:
    place.have("creating")
    place.patch.setattr(FakeEngine, "build", once_nodes_are_created)
    found = settings.Settings.read()
    made = clusters.Clusters(place.base, place.engine)
    with pytest.raises(StackError, match="the build failed at 'RUN pip install': exit code 7") as caught:
        have_cluster(made, place.engine, found, "", silent)
    assert caught.value.exit_code is Exit.STACK
    place.engine.settle()
    assert place.left() == []


def test_a_port_that_is_taken_is_told_before_anything_is_made(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place.patch.setenv(settings.API_PORT, str(taken.getsockname()[1]))
        assert f"API of cluster {NAME}: port {taken.getsockname()[1]} of 127.0.0.1 is taken" in str(place.up())
    assert place.left() == []


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder in which a socket has room."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as made:
        yield Path(made)


def test_a_state_folder_behind_a_link_is_as_good_as_any(place: Place, short: Path) -> None:
    (short / "a").mkdir()
    (short / "b").symlink_to("a")
    place.base = short / "b" / "k"

    def never(*_: object) -> None:
        raise StackError("not ready within 0 s")

    place.patch.setattr(bring_up, "wait_until_ready", never)
    assert str(place.up()) == "not ready within 0 s"
    assert place.left() == []


def test_a_socket_that_can_have_no_folder_is_told_before_anything_is_made(place: Place) -> None:
    place.patch.setattr(bring_up, "socket_of", lambda *_: place.folder / "bin" / "api.sock")
    error = place.up()
    assert str(error).startswith(
        f"the folder {place.folder / 'bin'} for the socket of kubectl proxy cannot be made: File exists;"
    )
    assert error.exit_code is Exit.STACK
    assert (place.folder / "bin").is_dir(), "it is somebody else's"
    assert place.left() == []
    assert place.api.asked == []


def test_a_kept_cluster_that_is_deleted_under_our_feet_is_left_at_that(place: Place) -> None:
    found = settings.Settings.read()
    one = ground.OwnCluster(place.base, "x-1", found)
    have_cluster(one._clusters, place.engine, found, "", silent)
    one.prepare(silent)
    place.engine.put(place.engine.state() | {"containers": [], "volumes": []})
    asked = len(place.api.asked)
    one.leave(silent)
    assert len(place.api.asked) == asked


def test_nodes_that_cannot_be_given_back_now_are_given_back_by_down(place: Place) -> None:
    """The undo log stays for as long as there is something in it, and a cluster that it is about."""
    found = settings.Settings.read()
    have_cluster(clusters.Clusters(place.base, place.engine), place.engine, found, "", silent)
    keeper = KindHousekeeping(place.base, lambda _base: [], lambda: place.engine)
    (kept,) = keeper.leftovers()

    def never(*_: object) -> None:
        raise StackError("not ready within 0 s")

    def busy(_nodes: object) -> None:
        raise StackError("nodes are not as they were: the engine is busy")

    with place.patch.context() as now:
        now.setattr(bring_up, "wait_until_ready", never)
        now.setattr(Reach, "take_back", busy)
        assert str(place.up()) == "nodes are not as they were: the engine is busy"
    (drill,) = [one.session for one in keeper.leftovers() if one.session != kept.session]
    told: list[str] = []
    assert keeper.down([drill], told.append) == []
    assert [one.session for one in keeper.leftovers()] == [kept.session]


def test_a_drill_whose_cluster_was_deleted_says_so(place: Place) -> None:
    one = ground.OwnCluster(place.base, "x-1", settings.Settings.read())
    one.prepare(silent)
    one.check()
    with place.engine.changing() as state:
        state["containers"].pop()
    with pytest.raises(StackError, match=f"1 of its nodes are gone while it was in use; clear up with: .* --stack kind {NAME}"):
        one.check()


def test_nodes_that_a_dead_drill_cordoned_are_free_again(place: Place) -> None:
    found = settings.Settings.read()
    one = ground.OwnCluster(place.base, "x-1", found)
    one.prepare(silent)
    place.api.objects["", "nodes", "n1"]["spec"] = {"unschedulable": True}
    remove(one.place, silent)
    assert not place.api.objects["", "nodes", "n1"]["spec"].get("unschedulable")


def test_without_an_engine_nothing_is_begun(drillbox_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'none.sock'}")
    with pytest.raises(StackError, match=r"no container engine answers at unix://.*none\.sock: start it"):
        run_drill("slow-afternoon", "idle", profile="short", stack="kind")
    assert not (drillbox_home / "kind").exists()


def test_without_permission_it_says_how_to_get_it() -> None:
    assert "usermod -aG docker" in trouble(PermissionError(13, "Permission denied"), "unix:///var/run/docker.sock")
