"""Images beside that of the application: which they are by the settings, and how nodes get them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import FakeEngine, programs

from drillbox.sandbox.model.errors import UsageError
from drillbox.stacks.deploy.kubernetes.setup import Images
from drillbox.stacks.kind import settings
from drillbox.stacks.kind.cluster.loading import Loader
from drillbox.stacks.kind.drill.ground import Ground
from drillbox.stacks.kind.drill.images import asks_kubernetes, bring, images_of
from drillbox.stacks.kind.settings import Settings

CLUSTER = "drillbox-a"


def silent(_step: str, _done: float) -> None:
    """Nobody is watching."""


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Prometheus on the PATH that can ask the Kubernetes API."""
    program = tmp_path / "prometheus"
    program.write_bytes(b"\x7fELF github.com/prometheus/prometheus/discovery/kubernetes.init")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return program


def test_without_settings_all_is_in_the_application_image() -> None:
    assert images_of(Settings.read({})) == Images("", discovery="controller")


def test_images_that_are_named_are_used_and_their_prometheus_asks_the_api() -> None:
    named = {settings.ENVOY_IMAGE: "e:1", settings.PROMETHEUS_IMAGE: "p:1", settings.GRAFANA_IMAGE: "g:1"}
    found = images_of(Settings.read(named))
    assert found == Images("", "p:1", "g:1", envoy="e:1")
    assert found.asks_kubernetes
    assert not images_of(Settings.read(named | {settings.DISCOVERY: "controller"})).asks_kubernetes


def test_a_program_of_this_machine_asks_the_api_if_it_is_built_for_that(release: Path) -> None:
    host = Settings.read({settings.PROMETHEUS: "host"})
    assert images_of(host).asks_kubernetes
    release.write_bytes(b"\x7fELF github.com/prometheus/prometheus/discovery/http.init")
    assert not images_of(host).asks_kubernetes
    release.write_bytes(b"")
    assert not images_of(host).asks_kubernetes
    assert not asks_kubernetes(None)


@pytest.mark.parametrize("source", ["debian", "host"])
def test_what_prometheus_cannot_is_refused_with_what_can(release: Path, source: str) -> None:
    release.write_bytes(b"\x7fELF")
    with pytest.raises(UsageError, match=f"DISCOVERY=kubernetes: .*PROMETHEUS={source}.* set DRILLBOX_KIND_PROMETHEUS_IMAGE="):
        images_of(Settings.read({settings.DISCOVERY: "kubernetes", settings.PROMETHEUS: source}))
    elsewhere = Settings.read({settings.DISCOVERY: "kubernetes", settings.APP_IMAGE: "r/app:1"})
    assert images_of(elsewhere).asks_kubernetes, "nobody here knows how that was built"


def test_an_unknown_discovery_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="DRILLBOX_KIND_DISCOVERY=kubernets: .*did you mean 'kubernetes'"):
        Settings.read({settings.DISCOVERY: "kubernets"})


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    engine = FakeEngine(tmp_path / "state.json")
    node = {"id": "n-id", "name": "n", "role": "worker", "state": "running", "cluster": CLUSTER, "networks": [], "volumes": []}
    here = {"e:1": {"Id": "1"}, "g:latest": {"Id": "2"}}
    engine.put(engine.state() | {"containers": [node], "images": here})
    monkeypatch.setattr("drillbox.stacks.kind.drill.images.Loader", lambda engine: Loader(engine, environment))
    environment = programs(tmp_path / "bin", engine.path)
    return SimpleNamespace(engine=engine, cluster=CLUSTER)


NAMED = Settings(envoy="e:1", prometheus_image="p:1", grafana="g")


def test_images_of_this_machines_engine_are_brought_onto_the_nodes(ground: SimpleNamespace) -> None:
    assert bring(NAMED, cast("Ground", ground), silent) == []
    assert ground.engine.state()["loaded"] == [["n", "e:1"], ["n", "g:latest"]]
    assert bring(NAMED, cast("Ground", ground), silent) == []
    assert len(ground.engine.state()["loaded"]) == 2, "once"
    ground.engine = None
    assert bring(NAMED, cast("Ground", ground), silent) == [], "somebody else's cluster pulls"


def test_what_cannot_be_brought_is_told_and_ends_nothing(ground: SimpleNamespace, tmp_path: Path) -> None:
    programs(tmp_path / "bin", ground.engine.path, "full")
    (envoy, grafana) = bring(NAMED, cast("Ground", ground), silent)
    assert envoy.startswith("DRILLBOX_KIND_ENVOY=e:1: the nodes have to pull it: ")
    assert "no space left on device" in grafana
