"""`drillbox status`: which drills run in the background."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ..model.errors import DrillboxError, Exit
from ..model.units import format_clock
from .listing import table
from .output import say, tell

if TYPE_CHECKING:
    from ..api.folders import SessionInfo
    from ..session import Snapshot

PATIENCE = 2.0
"""Wall seconds that a host has to answer."""


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
def status_command(as_json: bool) -> int:
    """List the running drills.

    What hosts that died have left is removed; their journals stay. The phase is new while the stack is brought up; a drill that
    has ended stays for half a minute, so that others can see its last state.

    \b
    Examples:
      drillbox status
      drillbox status --json | jq -r '.[].journal'
    """
    from ..api.folders import sessions, sweep

    for name in sweep():
        tell(f"note: the host of {name} is gone; what it left was removed, its journal stays")
    found = [(info, _look(info)) for info in sessions()]
    if as_json:
        say(json.dumps([_data(info, now) for info, now in found], indent=2, ensure_ascii=False))
    elif not found:
        say("No drill is running. Start one with: drillbox play SCENARIO")
    else:
        say(table([["SESSION", "SCENARIO", "STACK", "TIME", "PHASE", "SPEED", "JOURNAL"], *(_row(*one) for one in found)]))
    return int(Exit.PASSED)


def _look(info: SessionInfo) -> Snapshot | None:
    """What a session says of itself; None if it does not answer: it is listed all the same."""
    from .remote import peek

    try:
        return peek(info, PATIENCE)
    except DrillboxError as error:
        tell(f"note: {info.name}: {error}")
        return None


def _row(info: SessionInfo, now: Snapshot | None) -> list[str]:
    where = [info.name, info.scenario, info.stack]
    if now is None:
        return [*where, "-", "silent", "-", info.journal]
    time = f"{format_clock(max(0.0, now.now))}/{format_clock(now.duration)}"
    phase = f"{now.phase.value}: {now.bringing_up}" if now.bringing_up else now.phase.value
    return [*where, time, phase, f"{now.speed:g}x", info.journal]


def _data(info: SessionInfo, now: Snapshot | None) -> dict[str, object]:
    """As JSON data; what a silent host does not tell is null."""
    return {
        "session": info.name,
        "scenario": info.scenario,
        "title": info.title,
        "stack": info.stack,
        "seed": info.seed,
        "profile": info.profile,
        "journal": info.journal,
        "phase": "silent" if now is None else now.phase.value,
        "drill_seconds": None if now is None else now.now,
        "duration_seconds": None if now is None else now.duration,
        "speed": None if now is None else now.speed,
    }
