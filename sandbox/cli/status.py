"""`drillbox status`: which drills run in the background."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import click

from ..model.errors import DrillboxError, Exit
from ..model.units import format_clock
from .listing import table
from .output import say, tell

if TYPE_CHECKING:
    from ..api.folders import SessionInfo


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print an array of sessions.")
def status_command(as_json: bool) -> int:
    """List the drills that are running, and clear up after hosts that died.

    \b
    Examples:
      drillbox status
      drillbox status --json
    """
    from ..api.folders import sessions, sweep

    for name in sweep():
        tell(f"note: the host of {name} is gone; what it left was removed, its journal stays")
    found = [_facts(info) for info in sessions()]
    if as_json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
    elif not found:
        say("No drill is running. Start one with: drillbox play")
    else:
        head = ["SESSION", "SCENARIO", "STACK", "TIME", "PHASE", "SPEED", "JOURNAL"]
        say(table([head, *([str(one[name.lower()]) for name in head] for one in found)]))
    return int(Exit.PASSED)


def _facts(info: SessionInfo) -> dict[str, object]:
    """What a session says of itself; one that does not answer is listed all the same."""
    from ..api.client import RemoteSession

    facts: dict[str, object] = {"session": info.name, "scenario": info.scenario, "stack": info.stack, "journal": info.journal}
    try:
        with closing(RemoteSession(info)) as remote:
            now = remote.snapshot()
    except DrillboxError as error:
        return facts | {"time": "-", "phase": "silent", "speed": "-", "error": str(error)}
    time = f"{format_clock(now.now)}/{format_clock(now.duration)}"
    return facts | {"time": time, "phase": now.phase.value, "speed": f"{now.speed:g}x"}
