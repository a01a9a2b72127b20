"""What the doctor says of a machine that lacks something for clusters: what, and the exact fix."""

from __future__ import annotations

import os
import socket
import sys
from importlib import metadata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import FakeEngine, programs

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import Exit, StackError
from drillbox.sandbox.model.extras import install
from drillbox.sandbox.model.housekeeping import Check, State
from drillbox.stacks.kind import doctor
from drillbox.stacks.kind.cluster.engine import HOME, OWNER, Facts
from drillbox.stacks.kind.stack import KindStack


@pytest.fixture
def environment(tmp_path: Path, engine: FakeEngine) -> dict[str, str]:
    return programs(tmp_path / "bin", engine.path)


def found(base: Path, environment: dict[str, str], engine: FakeEngine) -> dict[str, Check]:
    return {check.name: check for check in doctor.checks(base, environment, lambda: engine)}


def limits(folder: Path, instances: int, watches: int) -> Path:
    folder.mkdir()
    (folder / "max_user_instances").write_text(f"{instances}\n")
    (folder / "max_user_watches").write_text(f"{watches}\n")
    return folder


def test_a_machine_with_all_of_it(
    tmp_path: Path, environment: dict[str, str], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_INOTIFY", limits(tmp_path / "inotify", 8192, 524288))
    before = engine.state()
    checks = found(tmp_path / "kind", environment, engine)
    assert {check.state for check in checks.values()} == {State.FINE}
    assert checks["container engine"].found == "28.1.0 at unix:///fake.sock, 4 CPUs, cgroup v2"
    assert checks["kind"].found.startswith("0.33.0, ")
    assert "pulled when needed: kind's node image, python:3.12-slim" in checks["images"].found
    assert not any(check.fix for check in checks.values())
    assert engine.state() == before


@pytest.mark.parametrize(
    ("variable", "value", "fix"),
    [
        ("DRILLBOX_KIND_WORKERS", "abc", "give a number of nodes from 0 to 8"),
        ("DRILLBOX_KIND_API_PORT", "99", "give a port from 1024 to 65535, or 0 for a free one"),
    ],
)
def test_a_setting_that_cannot_be_read_is_a_check_of_its_own(
    tmp_path: Path,
    environment: dict[str, str],
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    fix: str,
) -> None:
    monkeypatch.setattr(doctor, "_INOTIFY", limits(tmp_path / "inotify", 8192, 524288))
    checks = found(tmp_path / "kind", environment | {variable: value}, engine)
    assert checks.pop("settings") == Check("settings", State.WRONG, f"{variable}={value}", fix)
    assert {check.state for check in checks.values()} == {State.FINE}, "as without settings"


def test_settings_and_images_that_are_named_are_told(tmp_path: Path, environment: dict[str, str], engine: FakeEngine) -> None:
    given = environment | {"DRILLBOX_KIND_ENVOY": "e:1", "DRILLBOX_KIND_WORKERS": "1"}
    checks = found(tmp_path / "kind", given, engine)
    assert checks["settings"].found == "DRILLBOX_KIND_WORKERS, DRILLBOX_KIND_ENVOY"
    assert checks["images"].found.startswith("pulled when needed: kind's node image, python:3.12-slim, e:1")


def test_no_engine(tmp_path: Path, environment: dict[str, str]) -> None:
    def reach() -> FakeEngine:
        raise StackError("no container engine answers at unix:///x: start it (sudo systemctl start docker)")

    checks = {check.name: check for check in doctor.checks(tmp_path, environment, reach)}
    assert checks["container engine"] == Check(
        "container engine", State.WRONG, "no container engine answers at unix:///x", "start it (sudo systemctl start docker)"
    )
    assert checks["kind"].state is State.FINE


def test_what_is_missing_or_too_little_is_named_with_its_fix(
    tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_INOTIFY", limits(tmp_path / "inotify", 64, 8192))
    facts = Facts("19.3.1", 1, rootless=False, memory=1500.0, cpus=1, architecture="x", root=tmp_path / "docker", here=True)
    monkeypatch.setattr(engine, "facts", lambda: facts)
    monkeypatch.setattr(doctor, "MEMORY", 1e9)
    monkeypatch.setattr(doctor, "DISK", 1e9)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment = {"PATH": str(tmp_path), "DRILLBOX_KIND_API_PORT": str(taken.getsockname()[1])}
        checks = found(tmp_path / "kind", environment, engine)
    wrong = {name for name, check in checks.items() if check.state is State.WRONG}
    assert wrong == {"docker program", "container engine", "memory", "disk", "kind", "kubectl", "inotify", "ports"}
    assert checks["kind"].found == "kind is not on the PATH"
    assert checks["kind"].fix.startswith("install it (https://kind.sigs.k8s.io/")
    assert checks["container engine"].found.endswith("too old")
    assert checks["inotify"].fix == "sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288"
    assert checks["ports"].fix == "stop what listens there (ss -tlnp), or unset DRILLBOX_KIND_API_PORT"
    assert checks["disk"].fix == f"free some space in {tmp_path}: docker system prune"
    assert all(check.fix for check in checks.values() if check.state is not State.FINE)


@pytest.mark.parametrize(
    ("cgroup", "rootless", "state"), [(1, False, State.LIMITED), (1, True, State.WRONG), (2, True, State.FINE)]
)
def test_cgroups_of_the_engine(
    tmp_path: Path,
    environment: dict[str, str],
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    cgroup: int,
    rootless: bool,
    state: State,
) -> None:
    facts = Facts("28.1.0", cgroup, rootless=rootless, memory=8000.0, cpus=4, architecture="x", root=Path("/x"), here=False)
    monkeypatch.setattr(engine, "facts", lambda: facts)
    check = found(tmp_path / "kind", environment, engine)["container engine"]
    assert check.state is state
    assert bool(check.fix) is (state is not State.FINE)


def test_an_old_kind(tmp_path: Path, engine: FakeEngine) -> None:
    check = found(tmp_path, programs(tmp_path / "bin", engine.path, version="0.11.1"), engine)["kind"]
    assert check.state is State.WRONG
    assert "kind 0.11.1" in check.found
    assert check.fix.startswith("https://kind.sigs.k8s.io/")


def test_clusters_of_other_state_folders_are_named(tmp_path: Path, environment: dict[str, str], engine: FakeEngine) -> None:
    other = tmp_path / "other"
    (other / "kind" / "drillbox-a").mkdir(parents=True)
    engine.make_network("drillbox-a", {OWNER: "x", HOME: str(other / "kind")})
    engine.make_network("drillbox-b", {OWNER: "y", HOME: "/gone/kind"})
    check = found(tmp_path / "kind", environment, engine)["other clusters"]
    assert check.state is State.LIMITED
    assert check.fix == (
        f"DRILLBOX_HOME={other} drillbox down --stack kind drillbox-a; "
        "kind delete cluster --name drillbox-b && docker network rm drillbox-b"
    )


def test_packages_that_are_not_installed(tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def without(name: str) -> str:
        if name == "lightkube":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without)
    (_, check) = doctor.checks(tmp_path, {}, lambda: engine)
    assert check == Check("Python packages", State.WRONG, "not installed: lightkube", install("kind"))


def test_another_system_than_linux_is_told_beforehand_and_when_a_drill_comes_up(
    tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr(sys, "platform", "darwin")
    (check,) = doctor.checks(tmp_path, {}, lambda: engine)
    assert (check.name, check.state) == ("system", State.WRONG)
    assert check.found.startswith("darwin: the host of a drill on a cluster runs on Linux 5.4 or later")
    assert check.fix.startswith("play on --stack sim")
    scenario = load_scenario(Library.packaged().find("slow-afternoon"), "short")
    with pytest.raises(StackError, match="^the host of a drill on a cluster runs on Linux .*: play on --stack sim") as caught:
        KindStack(tmp_path / "kind").bring_up(scenario, 1, lambda _step, _done: None)
    assert caught.value.exit_code == Exit.STACK
    assert not (tmp_path / "kind").exists()
