"""The life of a real cluster: made, used again, woken, broken, removed; and a host that is killed while it is made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_kit import context_of

from drillbox.sandbox.model.errors import Exit, StackError
from drillbox.stacks.kind.cluster import images
from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.cluster.context import Context
from drillbox.stacks.kind.cluster.engine import Engine
from drillbox.stacks.kind.cluster.making import Wanted
from drillbox.stacks.kind.cluster.preparing import have_cluster
from drillbox.stacks.kind.cluster.programs import KUBECTL, find
from drillbox.stacks.kind.cluster.readiness import nodes_of
from drillbox.stacks.kind.housekeeping import KindHousekeeping
from drillbox.stacks.kind.settings import Settings

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

DEADLINE = 900.0
HOST = """
import sys
from pathlib import Path
from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.cluster.making import Wanted
from drillbox.stacks.kind.cluster.engine import connect
from drillbox.stacks.kind.settings import Settings
wanted = Wanted(sys.argv[2], workers=1, image=Settings.read().node_image)
Clusters(Path(sys.argv[1]), connect()).ensure(wanted, lambda step, done: print(step, done, flush=True))
"""


def kubectl(kubeconfig: Path, *arguments: str) -> str:
    command = [find(KUBECTL).path, f"--kubeconfig={kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE).stdout


def name(what: str) -> str:
    return f"drillbox-{what}-{os.getpid()}"


def test_the_life_of_a_cluster(engine: Engine, things: Callable[[str], object], tmp_path: Path) -> None:
    base = tmp_path / "kind"
    keeper = KindHousekeeping(base, lambda _base: [])
    clusters = Clusters(base, engine)
    wanted = Wanted(name("life"), workers=1, image=Settings.read().node_image)
    before = things(wanted.name)
    steps: list[str] = []
    try:
        cluster = clusters.ensure(wanted, lambda step, _done: steps.append(step))
        assert cluster.made
        assert len(cluster.nodes) == 2
        assert "kind: preparing nodes" in steps
        assert kubectl(cluster.kubeconfig, "get", "nodes", "--output", "name").splitlines() == [
            f"node/{wanted.name}-control-plane",
            f"node/{wanted.name}-worker",
        ]
        assert "https://127.0.0.1:" in cluster.kubeconfig.read_text(encoding="utf-8")
        assert set(nodes_of(cluster.kubeconfig).values()) == {""}
        (stands,) = keeper.standing()
        assert {part.state for part in stands.parts} == {"running"}
        worker = cluster.nodes[f"{wanted.name}-worker"]
        engine.client.api.pause(worker.id)
        again = clusters.ensure(wanted, lambda _step, _done: None)
        assert not again.made
        assert {node.state for node in again.nodes.values()} == {"running"}
        engine.client.api.pause(worker.id)  # removal takes what cannot react, too
        engine.client.api.remove_container(cluster.nodes[f"{wanted.name}-control-plane"].id, v=True, force=True)
        with pytest.raises(StackError, match="1 of its nodes are gone while it was in use"):
            clusters.check(wanted.name)
    finally:
        told: list[str] = []
        left = keeper.down([wanted.name], told.append)
    assert left == []
    assert things(wanted.name) == before
    assert list(base.iterdir()) == []
    assert keeper.down([wanted.name], told.append) == []
    with pytest.raises(StackError, match="it was deleted"):
        clusters.check(wanted.name)


def test_a_host_that_is_killed_while_it_makes_a_cluster(engine: Engine, things: Callable[[str], object], tmp_path: Path) -> None:
    base, called = tmp_path / "kind", name("crash")
    before = things(called)
    keeper = KindHousekeeping(base, lambda _base: [])
    with subprocess.Popen([sys.executable, "-c", HOST, base, called], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        for line in host.stdout:
            if line.startswith(("kind: writing configuration", "kind: preparing nodes 1.0")):
                break
        host.send_signal(signal.SIGKILL)
    (found,) = keeper.leftovers()
    assert found.host is None
    assert any(thing.startswith("container ") for thing in found.things)
    assert keeper.down([called], lambda _text: None) == []
    assert things(called) == before
    deadline = time.monotonic() + 30.0
    while kinds(called):
        assert time.monotonic() < deadline
        os.sched_yield()


@pytest.mark.soak
def test_a_build_that_fails_while_kind_works_leaves_nothing(
    engine: Engine, things: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.read().of(name("unbuilt"), 0, None)
    before = things(settings.cluster)
    recipe = f"FROM {settings.base_image}\nRUN sleep 2 && echo this is the trouble && exit 7\n"
    made = Context(context_of(recipe), f"of-a-test-{os.getpid()}")
    monkeypatch.setattr(images, "context", lambda *_: made)
    with pytest.raises(StackError, match=r"application image: the build failed at 'RUN sleep 2.*exit code 7") as caught:
        have_cluster(Clusters(tmp_path / "kind", engine), engine, settings, "", lambda _step, _done: None)
    assert "  this is the trouble" in str(caught.value).splitlines()
    assert caught.value.exit_code is Exit.STACK
    assert things(settings.cluster) == before
    assert list((tmp_path / "kind").iterdir()) == []


@pytest.mark.soak
def test_a_node_that_never_gets_ready_is_named_and_nothing_is_left(
    engine: Engine, things: Callable[[str], object], tmp_path: Path
) -> None:
    wanted = Wanted(name("unready"), workers=1, image=Settings.read().node_image)
    before = things(wanted.name)
    worker = f"{wanted.name}-worker"

    def without_network(step: str, done: float) -> None:
        """Before the worker joins: nobody can write a network's configuration there, so there will not be one."""
        if (step, done) == ("kind: joining worker nodes", 0.0):
            folder = "/etc/cni/net.d"
            made = engine.client.api.exec_create(worker, ["sh", "-c", f"mkdir -p {folder} && mount -t tmpfs -o ro none {folder}"])
            said = engine.client.api.exec_start(made["Id"])
            assert engine.client.api.exec_inspect(made["Id"])["ExitCode"] == 0, said

    with pytest.raises(StackError, match=f"cluster {wanted.name}: node {worker} is not ready .* after 20 s") as caught:
        Clusters(tmp_path / "kind", engine, readiness=20.0).ensure(wanted, without_network)
    assert caught.value.exit_code is Exit.STACK
    assert things(wanted.name) == before
    assert list((tmp_path / "kind").iterdir()) == []


def kinds(cluster: str) -> list[int]:
    """The processes of kind that work at a cluster."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if cluster.encode() in words and words[0].endswith(b"kind"):
            found.append(int(path.parent.name))
    return found
