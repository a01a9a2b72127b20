"""Cgroups of our own: limits of memory and CPU that the kernel keeps, and its counters; in version 2 and in version 1.

Where they may be made: in version 2 below the nearest cgroup above us that is ours to write and already hands out memory and CPU
(as that of a user's systemd, `Delegate=yes`); in version 1 below our own. No process but those started here is ever moved, and
no cgroup but ours is changed. Sources: the kernel's admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, scheduler/sched-bwc.rst.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ....sandbox.model.errors import StackError
from .mounts import Mount, mounts, own_cgroups

PERIOD = 100_000
"""Microseconds in which a limit of CPU is handed out, as on Kubernetes."""
PREFIX = "drillbox-"
_WANTED = ("memory", "cpu")
_V1_UNLIMITED = 2**60
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Counters:
    """What a cgroup used. Memory in MiB, times in seconds; events since it was made."""

    memory: float
    oom_kills: int
    periods: int
    throttled_periods: int
    throttled: float


@dataclass(frozen=True, slots=True)
class Site:
    """Where cgroups can be made: a folder for each controller, in version 2 one for all."""

    version: int
    parents: dict[str, Path]


def available() -> str:
    """Why there can be no cgroups of our own; empty if there can."""
    try:
        _site()
    except (StackError, OSError) as error:  # where there is no /proc there are no cgroups
        return str(error)
    return ""


class Cgroup:
    """The cgroup of one program."""

    def __init__(self, version: int, paths: dict[str, Path]) -> None:
        self.version, self._paths = version, paths

    @property
    def folders(self) -> tuple[Path, ...]:
        """Of all controllers."""
        return tuple(dict.fromkeys(self._paths.values()))

    def limit_memory(self, mebibytes: float | None) -> None:
        """Set the limit, now; None lifts it.

        Raises:
            StackError: the kernel refuses, as version 1 does for a limit below what is in use.
        """
        for name, value in self.memory_settings(mebibytes):
            _write(name, value)

    def limit_cpu(self, cores: float | None) -> None:
        """Set the limit, now; None lifts it.

        Raises:
            StackError: the kernel refuses.
        """
        for name, value in self.cpu_settings(cores):
            _write(name, value)

    def memory_settings(self, mebibytes: float | None) -> list[tuple[Path, str]]:
        """The files that a limit of memory is in, in the order of writing, and what they take."""
        place = self._paths["memory"]
        size = None if mebibytes is None else int(mebibytes * 2**20)
        if self.version == 2:
            return [(place / "memory.max", "max" if size is None else str(size))]
        new = _V1_UNLIMITED if size is None else size
        files = [place / "memory.limit_in_bytes"]
        both = place / "memory.memsw.limit_in_bytes"  # with swap; it is never below the other
        if both.exists():
            rising = new > int(_read(files[0]) or 0)
            files = [both, *files] if rising else [*files, both]
        return [(file, str(new)) for file in files]

    def cpu_settings(self, cores: float | None) -> list[tuple[Path, str]]:
        """The files that a limit of CPU is in, and what they take."""
        place = self._paths["cpu"]
        quota = None if cores is None else max(1000, int(cores * PERIOD))  # the kernel's least
        if self.version == 2:
            return [(place / "cpu.max", f"{'max' if quota is None else quota} {PERIOD}")]
        return [(place / "cpu.cfs_period_us", str(PERIOD)), (place / "cpu.cfs_quota_us", str(-1 if quota is None else quota))]

    def counters(self) -> Counters:
        """What it used until now; all zero when it is gone."""
        memory, cpu = self._paths["memory"], _table(self._paths["cpu"] / "cpu.stat")
        if self.version == 2:
            used, oom, throttled = "memory.current", _table(memory / "memory.events"), cpu.get("throttled_usec", 0) / 1e6
        else:
            used, oom, throttled = (
                "memory.usage_in_bytes",
                _table(memory / "memory.oom_control"),
                cpu.get("throttled_time", 0) / 1e9,
            )
        usage = int(_read(memory / used) or 0) / 2**20
        return Counters(usage, oom.get("oom_kill", 0), cpu.get("nr_periods", 0), cpu.get("nr_throttled", 0), throttled)

    def working_set(self) -> float:
        """MiB of memory that the kernel cannot take back at once: what cAdvisor calls the working set. 0 when it is gone."""
        memory, used, idle = self._paths["memory"], "memory.usage_in_bytes", "total_inactive_file"
        if self.version == 2:
            used, idle = "memory.current", "inactive_file"
        return max(0, int(_read(memory / used) or 0) - _table(memory / "memory.stat").get(idle, 0)) / 2**20

    def pids(self) -> list[int]:
        """The processes in it."""
        return [int(line) for line in _read(self._paths["memory"] / "cgroup.procs").split()]


class Cgroups:
    """The cgroups of a session; made on demand."""

    def __init__(self, name: str) -> None:
        """`name` has to be the session's alone, on this machine."""
        self._name = PREFIX + name

    def plan(self, program: str) -> tuple[Path, ...]:
        """The folders that `make` will make, to be written down before.

        Raises:
            StackError: there can be none.
        """
        return Cgroup(*self._place(program)).folders

    def make(self, program: str) -> Cgroup:
        """A new cgroup for a program.

        Raises:
            StackError: it cannot be made.
        """
        version, paths = self._place(program)
        made = Cgroup(version, paths)
        try:
            for path in made.folders:
                path.parent.mkdir(exist_ok=True)
                if version == 2:
                    _write(path.parent / "cgroup.subtree_control", " ".join(f"+{name}" for name in _WANTED))
                path.mkdir(exist_ok=True)
        except OSError as error:
            raise StackError(f"cannot make the cgroup {error.filename}: {error.strerror}") from error
        if version == 2:  # the whole container dies of an OOM kill, as in Kubernetes; and it does not swap
            for name, value in (("memory.oom.group", "1"), ("memory.swap.max", "0")):
                if (made.folders[0] / name).exists():
                    _write(made.folders[0] / name, value)
        return made

    def _place(self, program: str) -> tuple[int, dict[str, Path]]:
        site = _site()
        return site.version, {controller: parent / self._name / program for controller, parent in site.parents.items()}


def unthrottle(folders: Iterable[Path]) -> None:
    """Lift limits of CPU: a process that is to end needs some for it, and under a low limit that takes seconds."""
    for path in folders:
        for name, value in (("cpu.max", f"max {PERIOD}"), ("cpu.cfs_quota_us", "-1")):
            if (path / name).exists():
                with contextlib.suppress(StackError):  # it is just being removed
                    _write(path / name, value)


def remove(path: Path, patience: float = _PATIENCE) -> None:
    """Remove a cgroup's folder. Those who died a moment ago may still be in it: it waits for them, for so many seconds.

    Raises:
        StackError: there are processes in it.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if time.monotonic() > deadline:
                inside = _read(path / "cgroup.procs").split()
                raise StackError(f"the cgroup {path} cannot be removed: {error.strerror}; in it: {', '.join(inside)}") from error
            time.sleep(0.005)
        else:
            return


def remove_all(folders: Iterable[Path], patience: float = _PATIENCE) -> None:
    """Remove a program's cgroup, and the session's if it was the last in it.

    Raises:
        StackError: there are processes in it.
    """
    for path in folders:
        remove(path, patience)
        with contextlib.suppress(OSError):  # there are others in it
            path.parent.rmdir()


def ours(name: str) -> list[Path]:
    """The folders of a session's cgroups that are there, the innermost first."""
    try:
        parents = dict.fromkeys(_site().parents.values())
    except StackError:
        return []
    found = []
    for parent in parents:
        session = parent / (PREFIX + name)
        if session.is_dir():
            found += [*(path for path in session.iterdir() if path.is_dir()), session]
    return found


# ------------------------------------------------------------------------------------------------------------------ where


def _site() -> Site:
    """Where cgroups can be made; the reason if nowhere."""
    known, own = mounts(), own_cgroups()
    unified = next((mount for mount in known if mount.kind == "cgroup2"), None)
    if unified and set(_WANTED) <= set(_read(unified.path / "cgroup.controllers").split()):
        return Site(2, dict.fromkeys(_WANTED, _unified(unified, own.get("", "/"))))
    parents = {}
    for controller in _WANTED:
        mount = next((one for one in known if one.kind == "cgroup" and controller in one.options), None)
        if mount is None:
            raise StackError(f"no cgroup controller for {controller}: it is not mounted below /sys/fs/cgroup")
        parents[controller] = mount.folder(own.get(controller, "/"))
        if not os.access(parents[controller], os.W_OK) or mount.read_only:
            raise StackError(f"the cgroup {parents[controller]} is not ours to write: run as root, or where it is delegated")
    return Site(1, parents)


def _unified(mount: Mount, own: str) -> Path:
    start = mount.folder(own)
    for place in (start, *start.parents):
        if not place.is_relative_to(mount.path):
            break
        controls = place / "cgroup.subtree_control"
        writable = not mount.read_only and os.access(place, os.W_OK) and os.access(place / "cgroup.procs", os.W_OK)
        if writable and set(_WANTED) <= set(_read(controls).split()):
            return place
    raise StackError(
        f"no cgroup above {start} is ours to write and hands out memory and CPU: log in where systemd delegates them "
        f"(systemd-run --user --scope -p Delegate=yes drillbox ...), or run as root outside a container"
    )


# ------------------------------------------------------------------------------------------------------------------- files


def _write(path: Path, value: str) -> None:
    try:
        path.write_text(value, encoding="ascii")
    except OSError as error:
        raise StackError(f"the kernel refuses {value!r} for {path}: {error.strerror}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _table(path: Path) -> dict[str, int]:
    """Of lines of a name and a number."""
    pairs = (line.split() for line in _read(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
