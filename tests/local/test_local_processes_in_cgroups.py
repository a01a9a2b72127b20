"""Where cgroups of our own are made, and what is written there: a machine of each kind, as far as files tell of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.real.machine import cgroups
from drillbox.stacks.real.machine.mounts import Mount, mounts, own_cgroups


def tree(root: Path, controllers: str, *handed_out: str) -> None:
    """Cgroups of version 2; those of `handed_out` give memory and CPU to the cgroups in them."""
    place = root
    for name in ("", "user.slice", "app.slice", "terminal.scope"):
        place = place / name
        place.mkdir(exist_ok=True)
        (place / "cgroup.procs").write_text("")
        (place / "cgroup.controllers").write_text(controllers)
        (place / "cgroup.subtree_control").write_text("cpu memory pids" if name in handed_out else "")


@pytest.fixture
def unified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "cgroup"
    tree(root, "cpuset cpu io memory pids", "", "user.slice", "app.slice")
    monkeypatch.setattr(cgroups, "mounts", lambda: [Mount("/", root, "cgroup2", frozenset({"rw"}))])
    monkeypatch.setattr(cgroups, "own_cgroups", lambda: {"": "/user.slice/app.slice/terminal.scope"})
    return root


def test_version_2_is_made_beside_us_where_memory_and_cpu_are_handed_out(unified: Path) -> None:
    assert cgroups.available() == ""
    place = unified / "user.slice" / "app.slice" / "drillbox-drill-1" / "model"
    assert cgroups.Cgroups("drill-1").plan("model") == (place,)
    made = cgroups.Cgroups("drill-1").make("model")
    assert made.folders == (place,)
    assert (place.parent / "cgroup.subtree_control").read_text() == "+memory +cpu"
    made.limit_memory(64.0)
    made.limit_cpu(0.25)
    assert ((place / "memory.max").read_text(), (place / "cpu.max").read_text()) == (str(64 * 2**20), "25000 100000")
    made.limit_memory(None)
    made.limit_cpu(None)
    assert ((place / "memory.max").read_text(), (place / "cpu.max").read_text()) == ("max", "max 100000")
    (place / "memory.current").write_text(f"{3 * 2**20}\n")
    (place / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 1\n")
    (place / "cpu.stat").write_text("usage_usec 5\nnr_periods 20\nnr_throttled 4\nthrottled_usec 1500000\n")
    assert made.counters() == cgroups.Counters(3.0, 1, 20, 4, 1.5)
    assert cgroups.ours("drill-1") == [place, place.parent]


def test_version_2_kills_a_program_as_a_whole_and_does_not_swap(unified: Path) -> None:
    place = unified / "user.slice" / "app.slice" / "drillbox-drill-1" / "model"
    place.mkdir(parents=True)
    for name in ("memory.oom.group", "memory.swap.max"):
        (place / name).write_text("")
    cgroups.Cgroups("drill-1").make("model")
    assert ((place / "memory.oom.group").read_text(), (place / "memory.swap.max").read_text()) == ("1", "0")


def test_version_2_that_nobody_delegated_is_told(unified: Path, tmp_path: Path) -> None:
    tree(unified, "cpuset cpu io memory pids")
    assert cgroups.available().endswith("or run as root outside a container")
    assert "ours to write and hands out memory and CPU" in cgroups.available()
    with pytest.raises(StackError, match="no cgroup above"):
        cgroups.Cgroups("drill-1").make("model")
    assert cgroups.ours("drill-1") == []


def version_1(root: Path, *options: str) -> list[Mount]:
    """Controllers of version 1, beside an empty version 2, as systemd's hybrid set-up has them."""
    found = [Mount("/", root / "unified", "cgroup2", frozenset({"rw"}))]
    (root / "unified").mkdir(parents=True)
    (root / "unified" / "cgroup.controllers").write_text("hugetlb\n")
    for names in ("memory", "cpu,cpuacct"):
        (root / names / "own").mkdir(parents=True)
        found.append(Mount("/docker/1", root / names, "cgroup", frozenset({*options, *names.split(",")})))
    return found


def test_version_1_is_made_below_us_also_in_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = version_1(tmp_path, "rw")
    monkeypatch.setattr(cgroups, "mounts", lambda: known)
    monkeypatch.setattr(cgroups, "own_cgroups", lambda: {"memory": "/docker/1/own", "cpu": "/docker/1", "": "/"})
    places = tuple(tmp_path / names / "drillbox-drill-1" / "model" for names in ("memory/own", "cpu,cpuacct"))
    made = cgroups.Cgroups("drill-1").make("model")
    assert made.folders == places
    for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
        (places[0] / name).write_text(str(2**62))
    assert [path.name for path, _ in made.memory_settings(64.0)] == ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
    made.limit_memory(64.0)  # the limit with swap is never below the other
    assert [path.name for path, _ in made.memory_settings(65.0)] == ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"]
    made.limit_cpu(0.001)
    assert (places[1] / "cpu.cfs_quota_us").read_text() == "1000"


def test_version_1_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = version_1(tmp_path, "ro")
    monkeypatch.setattr(cgroups, "mounts", lambda: known)
    monkeypatch.setattr(cgroups, "own_cgroups", dict)
    assert "is not ours to write: run as root, or where it is delegated" in cgroups.available()


def test_what_the_kernel_refuses_is_told(tmp_path: Path) -> None:
    made = cgroups.Cgroup(2, dict.fromkeys(("memory", "cpu"), tmp_path / "gone"))
    with pytest.raises(StackError, match="the kernel refuses '67108864' for .*/memory.max: No such file"):
        made.limit_memory(64.0)
    assert made.counters() == cgroups.Counters(0.0, 0, 0, 0, 0.0)
    assert made.pids() == []
    cgroups.remove(tmp_path / "gone")
    (tmp_path / "in" / "use").mkdir(parents=True)
    with pytest.raises(StackError, match="cannot be removed: Directory not empty"):
        cgroups.remove(tmp_path / "in", patience=0.0)


def test_this_machine_can_be_read() -> None:
    assert any(mount.path == Path("/") for mount in mounts())
    assert all(path.startswith("/") for path in own_cgroups().values())
