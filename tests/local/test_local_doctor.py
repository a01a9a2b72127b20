"""What the doctor says of a machine that lacks something."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.extras import install
from drillbox.sandbox.model.housekeeping import Check, State
from drillbox.stacks.local import doctor


def found(base: Path) -> dict[str, Check]:
    return {check.name: check for check in doctor.checks(base)}


def failing(message: str) -> Callable[[], None]:
    def fail() -> None:
        raise StackError(message)

    return fail


def test_what_is_missing_is_named_with_its_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "usable_envoy", failing("gateway: Envoy 1.20 (/envoy) is too old, it takes 1.39"))
    monkeypatch.setattr(doctor, "free_port", failing("all ports are taken"))
    monkeypatch.setattr("shutil.which", lambda _name, **_how: None)
    monkeypatch.setattr("drillbox.stacks.real.machine.cgroups.mounts", list)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, 1024))
    monkeypatch.setattr(doctor, "MEMORY", 1e9)
    monkeypatch.setattr(doctor, "DISK", 1e9)
    checks = found(tmp_path / "local")
    wrong = {name for name, check in checks.items() if check.state is State.WRONG}
    assert wrong == {"Envoy", "ports", "open files", "memory", "state folder"}
    limited = {name for name, check in checks.items() if check.state is State.LIMITED}
    assert {"Prometheus", "cgroups"} <= limited
    assert checks["Envoy"] == Check(
        "Envoy",
        State.WRONG,
        "gateway: Envoy 1.20 (/envoy) is too old, it takes 1.39",
        install("local", upgrade=True),
    )
    assert "the built-in monitor evaluates the same rules" in checks["Prometheus"].found
    assert checks["open files"].fix == "ulimit -n 4096, after raising the hard limit, 1024: man limits.conf"
    assert checks["cgroups"].found.startswith("no cgroup controller for memory: it is not mounted")
    assert "free some space" in checks["state folder"].fix
    assert all(check.fix for check in checks.values() if check.state is not State.FINE)


def test_packages_that_only_save_time_are_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def without(name: str) -> str:
        if name == "uvloop":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without)
    check = found(tmp_path)["Python packages"]
    assert check.state is State.LIMITED
    assert check.found.startswith("uvloop not installed: services are slower; ")
    assert check.fix == install("local")


def test_no_inotify_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ctypes.set_errno(24)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_keywords: SimpleNamespace(inotify_init1=lambda _flags: -1))
    check = found(tmp_path)["inotify"]
    assert (check.state, check.fix) == (State.WRONG, "sudo sysctl fs.inotify.max_user_instances=512")


def test_elsewhere_than_on_linux_there_is_the_simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    (check,) = doctor.checks(tmp_path)
    assert (check.state, check.fix) == (State.WRONG, "play on --stack sim, which runs everywhere")
    assert "needs Linux" in check.found


def test_a_folder_that_is_no_folder_or_not_ours_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert found(tmp_path / "file" / "local")["state folder"].found == f"{tmp_path / 'file'} is not a folder"
    monkeypatch.setattr(os, "access", lambda *_: False)
    check = found(tmp_path)["state folder"]
    assert (check.state, check.found) == (State.WRONG, f"{tmp_path} is not writable")


def test_doctor_looks_at_the_prometheus_that_a_drill_would_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLBOX_PROMETHEUS", str(tmp_path / "nothing"))
    wrong = found(tmp_path)["Prometheus"]
    assert (wrong.state, wrong.fix) == (State.WRONG, "unset DRILLBOX_PROMETHEUS")
    assert "is not there" in wrong.found
    monkeypatch.setenv("DRILLBOX_PROMETHEUS", "off")
    assert found(tmp_path)["Prometheus"].state is State.LIMITED
