"""What runs for a session on this machine, and on which ports it listens: looked up by anybody."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from ....sandbox.model.housekeeping import Part, Standing
from ...deploy.envoy.names import POOLS
from .records import Identity, Record, group, resident, stat
from .where import Where

_LISTENS = "0A"  # of proc_net_tcp's states
_STATES = {"T": "stopped", "t": "stopped"}
_TICKS = os.sysconf("SC_CLK_TCK")


def standing_of(session: Path, host: Identity | None, records: Iterable[Record]) -> Standing:
    """What runs of a session; `host` is the process that plays it, None if that is dead."""
    living = [(one.name, one.identity) for one in records if one.identity is not None and one.identity.alive()]
    groups = {identity.pid: group(identity.pid) for _, identity in living}
    listening = _listening(pid for found in groups.values() for pid in found)
    parts = [_part(name, identity, groups[identity.pid], listening) for name, identity in living]
    if host is not None:
        parts.insert(0, _part("host", host, [host.pid], {}))
    where = Where.of(session)
    since = min((part.since for part in parts if part.since is not None), default=None)
    return Standing(session.name, host.pid if host else None, where.scenario, since, tuple(parts), where.addresses, where.trial)


def _part(name: str, identity: Identity, pids: list[int], listening: Mapping[int, set[int]]) -> Part:
    ports = sorted({port for pid in pids for port in listening.get(pid, ())})
    since = datetime.fromtimestamp(_booted() + identity.started / _TICKS, UTC)
    memory = sum(resident(pid) for pid in pids)
    found = stat(identity.pid)
    state = _STATES.get(found.state, "running") if found else "ended"
    return Part(name, state, since, round(memory, 1), tuple(ports), identity.pid, name.startswith(tuple(POOLS)))


@functools.cache
def _booted() -> float:
    """When the system was started, in seconds since 1970."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _listening(pids: Iterable[int]) -> dict[int, set[int]]:
    """The TCP ports on which processes listen. Source: proc_pid_net(5) on `net/tcp`, proc_pid_fd(5)."""
    ports = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS:
                ports[f"socket:[{fields[9]}]"] = int(fields[1].rpartition(":")[2], 16)
    found: dict[int, set[int]] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    port = ports.get(str(entry.readlink()))
                    if port is not None:
                        found.setdefault(pid, set()).add(port)
    return found
