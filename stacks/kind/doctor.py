"""Whether clusters of kind can run on this machine: what they need, what is there, what to do about it. Nothing is started."""

from __future__ import annotations

import functools
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from ...sandbox.model.errors import DrillboxError, StackError, UsageError
from ...sandbox.model.extras import install
from ...sandbox.model.housekeeping import Check, State
from ..real.machine.installed import packages_of
from ..real.machine.ports import HOST, check_port, free_port, give_back
from .cluster.engine import HOME, OWNER, Engine, Facts, connect
from .cluster.images import REPOSITORY
from .cluster.programs import DOCKER, KIND, KUBECTL, Tool, find
from .records.clusters import folders
from .settings import API_PORT, NAMES, Settings
from .stack import ELSEWHERE, LINUX, check_machine

MEMORY, ROOMY_MEMORY = 2200.0, 3000.0
"""MiB that a cluster of three nodes and a drill take, and that leave something to the machine."""
DISK, ROOMY_DISK = 4000.0, 8000.0
"""MiB of the engine's disk for the node image, the application image, and its copies on the nodes."""
OLDEST_ENGINE = (20, 10)
INSTANCES, WATCHES = 512, 524288
"""Of inotify, as kind recommends: https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files"""
FEWEST_INSTANCES, FEWEST_WATCHES = 100, 65536
_INOTIFY = Path("/proc/sys/fs/inotify")
_MEMINFO = Path("/proc/meminfo")


def checks(base: Path, environment: Mapping[str, str] = os.environ, reach: Callable[[], Engine] = connect) -> list[Check]:
    """All checks; `base` is where the clusters' folders are, or will be."""
    found = [_system(), _packages()]
    if found[0].state is State.WRONG:  # much of the rest is about Linux
        return found[:1]
    if found[1].state is State.WRONG:  # the rest is asked through them
        return found
    settings, told = _settings(environment)
    found += [told, _tool(DOCKER, environment), *_engine(base, settings, reach)]
    found += [_tool(KIND, environment), _tool(KUBECTL, environment), _inotify(), _port(settings)]
    return found


def _settings(environment: Mapping[str, str]) -> tuple[Settings, Check]:
    """What the environment says; where that cannot be, the rest is looked at as if it said nothing."""
    try:
        settings = Settings.read(environment)
    except UsageError as error:
        what, _, fix = str(error).partition(": ")
        return Settings(), Check("settings", State.WRONG, what, fix)
    given = [name for name in NAMES if environment.get(name, "").strip()]
    return settings, Check("settings", State.FINE, ", ".join(given) or "none")


def _system() -> Check:
    try:
        check_machine()
    except StackError:
        return Check("system", State.WRONG, f"{sys.platform}: {LINUX}", ELSEWHERE)
    return Check("system", State.FINE, f"Linux {os.uname().release}")


def _packages() -> Check:
    versions = dict(sorted(packages_of("kind").items()))
    missing = [name for name, version in versions.items() if not version]
    if missing:
        return Check("Python packages", State.WRONG, f"not installed: {', '.join(missing)}", install("kind"))
    return Check("Python packages", State.FINE, ", ".join(f"{name} {version}" for name, version in versions.items()))


def _tool(tool: Tool, environment: Mapping[str, str]) -> Check:
    """A program; kind runs `docker`."""
    name = "docker program" if tool is DOCKER else tool.name
    try:
        program = find(tool, environment)
    except StackError as error:
        return Check(name, State.WRONG, str(error).partition(": ")[0], _fix(error, tool))
    return Check(name, State.FINE, f"{program.version}, {program.path}")


def _fix(error: StackError, tool: Tool) -> str:
    """What the message says after its first part, or where to get the program."""
    return str(error).partition(": ")[2] or f"install {tool.name}: {tool.install}"


# ------------------------------------------------------------------------------------------------------------------- engine


def _engine(base: Path, settings: Settings, reach: Callable[[], Engine]) -> list[Check]:
    """The engine, and what is asked of it."""
    with ExitStack() as ends:
        try:
            engine = reach()
            ends.callback(engine.close)
            facts = engine.facts()
            every: Sequence[Callable[[], Check]] = (
                functools.partial(_engine_version, engine, facts),
                functools.partial(_memory, facts),
                functools.partial(_disk, facts),
                functools.partial(_images, engine, settings),
                functools.partial(_strays, engine, base),
            )
            return [check() for check in every]
        except DrillboxError as error:
            what, _, fix = str(error).partition(": ")
            return [Check("container engine", State.WRONG, what, fix or "look at its log: journalctl -u docker")]


def _engine_version(engine: Engine, facts: Facts) -> Check:
    kind = f"cgroup v{facts.cgroup}" if facts.cgroup else "cgroups unknown"
    found = f"{facts.version} at {engine.address}, {facts.cpus} CPUs, {kind}{', rootless' if facts.rootless else ''}"
    numbers = re.match(r"(\d+)\.(\d+)", facts.version)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST_ENGINE:
        return Check("container engine", State.WRONG, f"{found}: too old", f"install a newer one: {DOCKER.install}")
    if facts.rootless and facts.cgroup != 2:
        fix = "use cgroup v2 (https://kind.sigs.k8s.io/docs/user/rootless/), or an engine that runs as root"
        return Check("container engine", State.WRONG, f"{found}: kind cannot limit anything there", fix)
    if facts.cgroup == 1:
        fix = "boot with systemd.unified_cgroup_hierarchy=1, or set DRILLBOX_KIND_IMAGE to a node image before Kubernetes 1.35"
        return Check("container engine", State.LIMITED, f"{found}: Kubernetes 1.35 and later want v2", fix)
    return Check("container engine", State.FINE, found)


def _memory(facts: Facts) -> Check:
    """What is free if it is this machine's, else what the engine has in all."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(encoding="ascii"), re.MULTILINE) if facts.here else None
    size, what = (int(found[1]) / 1024.0, "free") if found else (facts.memory, "in the engine's machine")
    state = State.WRONG if size < MEMORY else State.LIMITED if size < ROOMY_MEMORY else State.FINE
    need = "" if state is State.FINE else f": a cluster and a drill take {MEMORY:.0f} MiB"
    fix = (
        "" if state is State.FINE else "end other programs, or give the engine's machine more memory (Docker Desktop: Resources)"
    )
    return Check("memory", state, f"{size:.0f} MiB {what}{need}", fix)


def _disk(facts: Facts) -> Check:
    if not facts.here:
        return Check("disk", State.FINE, f"{facts.root} of another machine, not looked at")
    place = facts.root if os.access(facts.root, os.X_OK) else facts.root.parent
    free = shutil.disk_usage(place).free / 2**20
    state = State.WRONG if free < DISK else State.LIMITED if free < ROOMY_DISK else State.FINE
    need = "" if state is State.FINE else f", {ROOMY_DISK:.0f} MiB wanted for images"
    fix = "" if state is State.FINE else f"free some space in {place}: docker system prune"
    return Check("disk", state, f"{free:.0f} MiB free in {place}{need}", fix)


def _images(engine: Engine, settings: Settings) -> Check:
    """What would have to be pulled. Whether it can be is seen when it is done: nothing is started here."""
    extra = (settings.envoy, settings.prometheus_image, settings.grafana)
    wanted = dict.fromkeys((settings.node_image, settings.base_image, *filter(None, extra)))
    there = [name for name in wanted if name and engine.image(name)]
    missing = [name or "kind's node image" for name in wanted if name not in there]
    found = "; ".join(
        part
        for part in (
            f"here: {', '.join(there)}" if there else "",
            f"pulled when needed: {', '.join(missing)}" if missing else "",
            f"{REPOSITORY}: {len(engine.tags(REPOSITORY))} built",
        )
        if part
    )
    return Check("images", State.FINE, found)


def _strays(engine: Engine, base: Path) -> Check:
    """Clusters of other state folders: nobody here will remove them."""
    tokens = {record.token for folder in folders(base) if (record := folder.read())}
    others = [network for network in engine.networks(label=OWNER) if network.labels.get(OWNER) not in tokens]
    if not others:
        return Check("other clusters", State.FINE, "none of other state folders")
    found = ", ".join(f"{one.name} of {one.labels.get(HOME, 'an unknown folder')}" for one in others)
    return Check("other clusters", State.LIMITED, f"they take memory: {found}", "; ".join(_removal(one) for one in others))


def _removal(network: object) -> str:
    name, labels = getattr(network, "name", ""), getattr(network, "labels", {})
    home = Path(labels.get(HOME, "")).parent
    if (home / "kind" / name).is_dir():
        return f"DRILLBOX_HOME={home} drillbox down --stack kind {name}"
    return f"kind delete cluster --name {name} && docker network rm {name}"


# ------------------------------------------------------------------------------------------------------------------ machine


def _inotify() -> Check:
    """Each node is a system with hundreds of watches; all share the limits of the kernel."""
    limits = {}
    for name in ("max_user_instances", "max_user_watches"):
        try:
            limits[name] = int((_INOTIFY / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return Check("inotify", State.FINE, "not of this machine's kernel")
    instances, watches = limits.values()
    found = f"{instances} instances, {watches} watches"
    if instances >= INSTANCES and watches >= WATCHES:
        return Check("inotify", State.FINE, found)
    wanted = {"instances": max(instances, INSTANCES), "watches": max(watches, WATCHES)}
    fix = f"sudo sysctl {' '.join(f'fs.inotify.max_user_{name}={limit}' for name, limit in wanted.items())}"
    state = State.WRONG if instances < FEWEST_INSTANCES or watches < FEWEST_WATCHES else State.LIMITED
    return Check("inotify", state, f"{found}: with more than a few nodes that is too little", fix)


def _port(settings: Settings) -> Check:
    try:
        if settings.api_port:
            check_port(settings.api_port, f"{API_PORT}, the cluster's API")
            return Check("ports", State.FINE, f"{settings.api_port} of {HOST} is free")
        give_back(free_port())
    except DrillboxError as error:
        return Check("ports", State.WRONG, str(error), f"stop what listens there (ss -tlnp), or unset {API_PORT}")
    return Check("ports", State.FINE, f"free ones on {HOST}")
