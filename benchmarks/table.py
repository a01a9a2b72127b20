"""All benchmarks in one table: each script runs by itself, one after the other, and its lines are put together.

    python benchmarks/table.py               # prints the table
    python benchmarks/table.py --write       # ... into docs/benchmarks.md, with commit and machine
    python benchmarks/table.py kernel drills # some of them

Exits with 1 if a limit is broken. The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from _lines import Line

from drillbox.sandbox.provenance import cpu_model, versions

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
SCRIPTS = ("imports", "kernel", "drills", "monitoring", "health", "host", "local_stack", "tui_cockpit")
"""In the order of the table."""
INTRODUCTION = """# Benchmarks

What drillbox promises of its speed, measured: the scripts are in [benchmarks](../benchmarks/README.md), and `python
benchmarks/table.py --write` makes this page. Ratios of one run count; absolute figures belong to the machine.
"""


def lines_of(script: str) -> list[Line]:
    """What a script measures."""
    done = subprocess.run(
        [sys.executable, str(HERE / f"{script}.py"), "--json"], check=True, stdout=subprocess.PIPE, text=True, cwd=HERE
    )
    return [Line(**fields) for fields in json.loads(done.stdout)]


def page(found: dict[str, list[Line]]) -> str:
    """The page of the docs."""
    git = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    machine = f"{cpu_model()}, {os.cpu_count()} cores, {platform.system()}"
    about = f"Commit {commit}, {dt.datetime.now(tz=dt.UTC):%Y-%m-%d}; {machine}; {named}."
    text = [INTRODUCTION, about, "", "| what | value | unit | promised |", "|---|---:|---|---|"]
    for lines in found.values():
        text += [f"| {line.what} | {line.value:.4g} | {line.unit} | {line.promised.replace('<=', '≤').replace('>=', '≥')}"
                 f"{'' if line.holds else ' **broken**'} |" for line in lines]  # fmt: skip
    return "\n".join(text) + "\n"


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scripts", nargs="*", help=f"of {', '.join(SCRIPTS)}; all if none is named")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} in docs")
    asked = parser.parse_args()
    wrong = [script for script in asked.scripts if script not in SCRIPTS]
    if wrong:
        parser.error(f"there is no {wrong[0]!r}; choose from {', '.join(SCRIPTS)}")
    found: dict[str, list[Line]] = {}
    for script in asked.scripts or SCRIPTS:
        found[script] = lines_of(script)
        print(*found[script], sep="\n", flush=True)
    if asked.write:
        PAGE.write_text(page(found), encoding="utf-8")
    return int(not all(line.holds for lines in found.values() for line in lines))


if __name__ == "__main__":
    sys.exit(main())
