"""A real container engine and a real kind: those of the fixture beside the project if it is there, else this machine's own."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.kind.engine import CLUSTER, OWNER, Engine, connect
from drillbox.stacks.kind.programs import DOCKER, KIND, KUBECTL, find

FIXTURE = Path(__file__).parents[2].parent / "shared" / "kindlab"
"""Prepares engine, kind, kubectl, a node image and a base image where no registry can be reached; see its README."""
PREPARATION = 3000.0
"""Wall seconds that it may take from nothing."""
_IMAGES = {
    "DRILLBOX_KIND_IMAGE": "kindest/node:v1.20.2",
    "DRILLBOX_KIND_BASE": "drillbox-base:bookworm",
    "DRILLBOX_KIND_BUILD_NETWORK": "host",
    "DRILLBOX_KIND_PROMETHEUS": "host",
}


@dataclass(frozen=True)
class Things:
    """What an engine holds."""

    containers: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]


@pytest.fixture(scope="session")
def kind_environment() -> Iterator[None]:
    """Engine, programs and images, for the whole session; without them the tests are skipped, and say why."""
    with pytest.MonkeyPatch.context() as patch:
        if (FIXTURE / "prepare").is_file() and os.geteuid() == 0:
            for step in ("prepare", "base-image"):
                done = subprocess.run(
                    ["/bin/bash", FIXTURE / step], capture_output=True, text=True, timeout=PREPARATION, check=False
                )
                if done.returncode:
                    pytest.skip(f"no container engine: {FIXTURE / step} failed: {(done.stdout + done.stderr).strip()[-300:]}")
            path = subprocess.run(
                ["/bin/sh", "-c", f". {FIXTURE / 'env'}; echo $PATH"], capture_output=True, text=True, check=True
            )
            patch.setenv("PATH", path.stdout.strip())
            for name, value in _IMAGES.items():
                patch.setenv(name, os.environ.get(name, value))
        try:
            connect().close()
            for tool in (DOCKER, KIND, KUBECTL):
                find(tool)
        except StackError as error:
            pytest.skip(f"no container engine, or no kind: {error}")
        yield


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """One test at a time: each looks whether the engine is as before, and two cores bear one cluster."""
    with (Path(tempfile.gettempdir()) / f"drillbox-cluster-tests-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
