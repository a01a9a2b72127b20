"""`drillbox doctor`: whether drills can run on this machine, and what to do if not."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..model.errors import Exit, UsageError, nearest
from ..model.housekeeping import Check, Housekeeping, State
from .listing import table
from .output import say

if TYPE_CHECKING:
    from .wiring import SessionMaker

OLDEST = (3, 11)
ROOM = 300.0
"""MiB for data, models and compiled kernels."""
_NAME = re.compile(r"^([A-Za-z0-9._-]+)")
_ALL = "all"
"""The checks that every stack wants."""


@click.command("doctor")
@click.option("--stack", default="", help="Look for this stack only; otherwise for all.")
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
@click.pass_obj
def doctor_command(wiring: SessionMaker, stack: str, as_json: bool) -> int:
    """Check whether drills can run here, and say what to do if not.

    Nothing is started and nothing is changed. `limited` means that drills run, but not all of them, or not at their best.

    \b
    Examples:
      drillbox doctor                        all stacks
      drillbox doctor --stack sim            only what the simulation needs
      drillbox doctor --stack local --json | jq -r '.[] | select(.state == "wrong").fix'

    \b
    Exit codes: 0 drills can run, 2 there is no such stack, 3 something is wrong: the lines below the table say what to do.
    """
    known = wiring.housekeeping()
    names = {*known, *wiring.stacks()}
    if stack and stack not in names:
        raise UsageError(f"unknown stack {stack!r}; {nearest(stack, names)}")
    found = [(_ALL, check) for check in (_python(), _packages(), _room())]
    for name, keeper in known.items():
        if stack in ("", name):
            found += [(name, check) for check in (*keeper.checks(), *_leftovers(keeper, name))]
    if as_json:
        say(json.dumps([_data(*one) for one in found], indent=2, ensure_ascii=False))
    else:
        say(table([["FOR", "CHECK", "STATE", "FOUND"], *([name, one.name, one.state.value, one.found] for name, one in found)]))
        for _, one in found:
            if one.fix:
                say(f"{'fix' if one.state is State.WRONG else 'better'} {one.name}: {one.fix}")
    return int(Exit.STACK if any(one.state is State.WRONG for _, one in found) else Exit.PASSED)


def _python() -> Check:
    found = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info < OLDEST:
        return Check("Python", State.WRONG, found, f"install Python {'.'.join(map(str, OLDEST))} or later")
    return Check("Python", State.FINE, found)


def _packages() -> Check:
    """Those that drillbox cannot do without."""
    try:
        wanted = [text for text in metadata.requires("drillbox") or () if "extra ==" not in text]
    except metadata.PackageNotFoundError:
        return Check("packages", State.WRONG, "drillbox itself is not installed", "pip install drillbox")
    names = [match[1] for text in wanted if (match := _NAME.match(text))]
    missing = [name for name in names if not _installed(name)]
    if missing:
        return Check("packages", State.WRONG, f"not installed: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Check("packages", State.FINE, f"all {len(names)} of drillbox {metadata.version('drillbox')}")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _room() -> Check:
    """Whether the state folder, or the next one above it that is there, may be written and has room."""
    from ..paths import HOME_VARIABLE, home

    state = home()
    place = next((one for one in (state, *state.parents) if one.exists()), Path(state.anchor))
    fix = f"set {HOME_VARIABLE} to a folder with room that you may write to"
    if not place.is_dir():
        return Check("state folder", State.WRONG, f"{place} is not a folder", fix)
    if not os.access(place, os.W_OK | os.X_OK):
        return Check("state folder", State.WRONG, f"{place} is not writable", fix)
    free = shutil.disk_usage(place).free / 2**20
    if free < ROOM:
        return Check("state folder", State.WRONG, f"{free:.0f} MiB free in {place}, {ROOM:.0f} MiB wanted", fix)
    return Check("state folder", State.FINE, f"{state}, {free:.0f} MiB free")


def _leftovers(keeper: Housekeeping, stack: str) -> Sequence[Check]:
    """What dead hosts left: nothing runs worse for it, but nothing needs it either."""
    dead = [one for one in keeper.leftovers() if one.host is None and one.things and not one.kept]
    if not dead:
        return [Check("leftovers", State.FINE, "none")]
    found = "; ".join(f"{one.session}: {len(one.things)} things, {one.things[0]}" for one in dead)
    return [Check("leftovers", State.LIMITED, found, f"drillbox down --stack {stack} {' '.join(one.session for one in dead)}")]


def _data(stack: str, check: Check) -> dict[str, object]:
    return {"stack": stack, "check": check.name, "state": check.state.value, "found": check.found, "fix": check.fix}
