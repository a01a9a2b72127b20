"""A real container engine, a real kind, and a cluster that tests share; without an engine they are skipped, and say why."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own
from cluster_fixture import NoClusterError, prepare
from cluster_kit import Played, Standing

from drillbox.stacks.kind import settings
from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.cluster.engine import CLUSTER, OWNER, Engine, connect
from drillbox.stacks.kind.cluster.images import Builder
from drillbox.stacks.kind.cluster.making import Wanted


@dataclass(frozen=True)
class Things:
    """What an engine holds."""

    containers: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with clusters of their own come first: the machine is to bear one at a time, and `standing` stays once it is there."""
    ours = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ordered = sorted((items[place] for place in ours), key=lambda item: "standing" in getattr(item, "fixturenames", ()))
    for place, item in zip(ours, ordered, strict=True):
        items[place] = item


@pytest.fixture(scope="session")
def kind_environment() -> Iterator[None]:
    """Engine, programs and images, for the whole session; without them the tests are skipped, and say why."""
    try:
        wanted = prepare()
    except NoClusterError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in wanted.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """One test at a time: each looks whether the engine is as before, and two cores bear one cluster."""
    with (Path(tempfile.gettempdir()) / f"drillbox-cluster-tests-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def standing(kind_environment: None, session_home: Path) -> Iterator[Standing]:
    """A cluster with two workers, made when it is first wanted, and removed at the end."""
    name = f"drillbox-tests-{os.getpid()}"
    with pytest.MonkeyPatch.context() as patch, contextlib.closing(connect()) as engine:
        patch.setenv(settings.CLUSTER, name)
        found = settings.Settings.read()
        image = Builder(engine, found).ensure(silent)
        clusters = Clusters(session_home / "kind", engine)
        try:
            made = clusters.ensure(Wanted(name, found.workers, found.node_image, found.api_port), silent)
            Builder(engine, found).load(image, name, silent)
            yield Standing(name, session_home, made.kubeconfig, image.reference)
        finally:
            clusters.remove(name, silent)


@pytest.fixture
def played(standing: Standing) -> Iterator[Played]:
    """A drill on that cluster, to be brought up by the test; it goes with the test."""
    one = Played(standing)
    yield one
    one.stack.down()


def silent(_step: str, _done: float) -> None:
    """Nobody is watching."""


@pytest.fixture
def engine(kind_environment: None) -> Iterator[Engine]:
    """The engine."""
    found = connect()
    yield found
    found.close()


@pytest.fixture
def things(engine: Engine) -> Callable[[str], Things]:
    """What the engine holds at a moment, without other clusters than that: they may come and go."""

    def look(cluster: str = "") -> Things:
        api = engine.client.api
        containers = api.containers(all=True)
        others = [one for one in containers if (one["Labels"] or {}).get(CLUSTER, cluster) != cluster]
        theirs = {mount.get("Name") for one in others for mount in one["Mounts"]}
        networks = [one for one in api.networks() if OWNER not in (one["Labels"] or {}) or one["Name"] == cluster]
        return Things(
            frozenset(one["Id"] for one in containers if one not in others),
            frozenset(one["Id"] for one in networks),
            frozenset(one["Name"] for one in api.volumes()["Volumes"] or () if one["Name"] not in theirs),
        )

    return look
