"""`drillbox status`: what is up, drills and services, with what runs for them."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ..model.errors import DrillboxError, Exit, UsageError, nearest
from ..model.units import format_clock
from .completion import STACKS
from .listing import table
from .output import say, tell

if TYPE_CHECKING:
    from datetime import datetime

    from ..api.folders import SessionInfo
    from ..model.housekeeping import Part, Standing
    from ..session import Snapshot
    from .wiring import SessionMaker

PATIENCE = 2.0
"""Wall seconds that a host has to answer."""


@dataclass(frozen=True, slots=True)
class Found:
    """A session: what its host tells, and what its stack has running for it. One of both may be missing."""

    stack: str
    info: SessionInfo | None = None
    now: Snapshot | None = None
    alerts: tuple[str, ...] = ()
    stands: Standing | None = None

    @property
    def name(self) -> str:
        """By which `down` knows it."""
        return self.info.name if self.info is not None else self.stands.session if self.stands is not None else ""

    @property
    def kind(self) -> str:
        """Drill or service, or what they stand on; what died is neither."""
        if self.stands is not None and self.stands.ground:
            return self.stands.ground
        if self.info is not None:
            return "drill" if self.info.incident else "service"
        return "drill" if self.stands is not None and self.stands.host is not None else "leftover"


@click.command("status")
@click.option("--stack", default="", shell_complete=STACKS, help="Only what is on this stack; otherwise on all.")
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
@click.pass_obj
def status_command(wiring: SessionMaker, stack: str, as_json: bool) -> int:
    """Show what is up: drills, services, and what runs for them.

    What hosts that died have left in memory of their sessions is removed; their journals stay. The phase is new while a stack is
    brought up; a drill that has ended stays for half a minute, so that others can see its last state. On stacks with
    processes and pods it shows those, too: since when, memory, ports, and where to find gateway, alerts and logs; and clusters.

    \b
    Examples:
      drillbox status
      drillbox status --stack local
      drillbox status --json | jq -r '.[].journal'
    """
    from ..api.folders import sweep

    for name in sweep():
        tell(f"note: the host of {name} is gone; what it left was removed, its journal stays")
    found = _find(wiring, stack)
    if as_json:
        say(json.dumps([_data(one) for one in found], indent=2, ensure_ascii=False))
    elif not found:
        where = f" on the stack {stack}" if stack else ""
        say(f"Nothing is up{where}: no drill, no service. Start one with: drillbox play SCENARIO, or: drillbox up")
    else:
        head = ["SESSION", "KIND", "SCENARIO", "STACK", "TIME", "PHASE", "SPEED", "JOURNAL"]
        say(table([head, *map(_row, found)]))
        for one in found:
            if one.stands is not None:
                say("\n".join(["", *_details(one, one.stands)]))
    return int(Exit.PASSED)


def _find(wiring: SessionMaker, stack: str) -> list[Found]:
    """Every session, that of a host with what its stack has running for it."""
    from ..api.folders import sessions

    keepers = wiring.housekeeping()
    if stack and stack not in keepers:
        names = {*keepers, *wiring.stacks()}
        if stack not in names:
            raise UsageError(f"unknown stack {stack!r}; {nearest(stack, names)}")
    standing = [(name, one) for name, keeper in keepers.items() if stack in ("", name) for one in keeper.standing()]
    by_host = {one.host: one for _, one in standing if one.host is not None and not one.ground}
    infos = [info for info in sessions() if stack in ("", info.stack)]
    hosts = {info.pid for info in infos}
    found = [Found(info.stack, info, *_look(info), by_host.get(info.pid)) for info in infos]
    return found + [Found(name, stands=one) for name, one in standing if one.ground or one.host not in hosts]


def _look(info: SessionInfo) -> tuple[Snapshot | None, tuple[str, ...]]:
    """What a session says of itself, and what fires; nothing if it does not answer: it is listed all the same."""
    from ..api.client import RemoteSession
    from .console import firing

    try:
        with closing(RemoteSession(info, timeout=PATIENCE)) as session:
            return session.snapshot(), tuple(firing(session))
    except DrillboxError as error:
        tell(f"note: {info.name}: {error}")
        return None, ()


def _row(one: Found) -> list[str]:
    info, now = one.info, one.now
    if info is None:
        scenario = one.stands.scenario if one.stands is not None else ""
        return [one.name, one.kind, scenario or "-", one.stack, "-", _phase(one), "-", "-"]
    where = [info.name, one.kind, info.scenario, info.stack]
    if now is None:
        return [*where, "-", "silent", "-", info.journal]
    time = f"{format_clock(max(0.0, now.now))}/{format_clock(now.duration)}"
    phase = f"{now.phase.value}: {now.bringing_up}" if now.bringing_up else now.phase.value
    return [*where, time, phase, f"{now.speed:g}x", info.journal]


def _phase(one: Found) -> str:
    """Of what no host tells of."""
    if one.stands is not None and one.stands.ground:
        return "unknown" if one.stands.trouble else "up"
    return "headless" if one.kind == "drill" else "dead"


def _details(one: Found, stands: Standing) -> list[str]:
    """What runs for a session of a stack."""
    replicas = [part for part in stands.parts if part.replica]
    memory = sum(part.memory or 0.0 for part in stands.parts)
    takes = f", {memory:.0f} MiB" if memory else ""
    since = f"since {_clock(stands.since)}, " if stands.since is not None else ""
    known = f", as {stands.session} on the stack {one.stack}" if stands.session != one.name else ""
    fires = f"firing: {', '.join(one.alerts)}" if one.alerts else "no alert is firing"
    if one.kind == "leftover":
        fires = f"its host is dead; clear up with: drillbox down {one.name}"
    count = f"{len(replicas)} replica{'s' if len(replicas) != 1 else ''}"
    if stands.ground:
        count, fires = f"{len(stands.parts)} nodes", f"remove it with: drillbox down {one.name}"
    if stands.trouble:
        return [f"{one.name}{known}: {since}what runs of it cannot be told: {stands.trouble}"]
    lines = [f"{one.name}{known}: {since}{count}{takes}; {fires}"]
    wide = max((len(address.name) for address in stands.addresses), default=0)
    lines += [f"  {address.name:{wide}}  {address.where}" for address in stands.addresses]
    rows = [["NAME", "STATE", "PID", "SINCE", "MIB", "PORTS"], *(_part_row(part) for part in stands.parts)]
    return lines + [f"  {line}" for line in table(rows).splitlines()]


def _part_row(part: Part) -> list[str]:
    return [
        part.name,
        part.state,
        "-" if part.number is None else str(part.number),
        "-" if part.since is None else _clock(part.since),
        "-" if part.memory is None else f"{part.memory:.0f}",
        " ".join(map(str, part.ports)) or "-",
    ]


def _clock(moment: datetime) -> str:
    """In the time of this machine."""
    return moment.astimezone().strftime("%H:%M:%S")


def _data(one: Found) -> dict[str, object]:
    """As JSON data; what a silent host does not tell is null."""
    info, now, stands = one.info, one.now, one.stands
    silent = _phase(one) if info is None else "silent"
    return {
        "session": one.name,
        "kind": one.kind,
        "scenario": info.scenario if info is not None else stands.scenario if stands is not None else "",
        "title": None if info is None else info.title,
        "stack": one.stack,
        "seed": None if info is None else info.seed,
        "profile": None if info is None else info.profile,
        "journal": None if info is None else info.journal,
        "phase": silent if now is None else now.phase.value,
        "drill_seconds": None if now is None else now.now,
        "duration_seconds": None if now is None else now.duration,
        "speed": None if now is None else now.speed,
        "alerts": None if now is None else list(one.alerts),
        "stands": None if stands is None else _stands(stands),
    }


def _stands(stands: Standing) -> dict[str, object]:
    return {
        "name": stands.session,
        "since": _iso(stands.since),
        "replicas": sum(part.replica for part in stands.parts),
        "memory_mib": round(sum(part.memory or 0.0 for part in stands.parts), 1),
        "addresses": {address.name: address.where for address in stands.addresses},
        "prediction": None if stands.trial is None else {"url": stands.trial.url, "body": json.loads(stands.trial.body)},
        "parts": [_part_data(part) for part in stands.parts],
        "trouble": stands.trouble,
    }


def _part_data(part: Part) -> dict[str, object]:
    return {
        "name": part.name,
        "state": part.state,
        "pid": part.number,
        "since": _iso(part.since),
        "memory_mib": part.memory,
        "ports": list(part.ports),
        "replica": part.replica,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
