"""What drills cost: half an hour at 120 requests a second, a day at 1,000, memory over that day, and proofs an hour.

A drill is played headless by a process of its own, from the start of Python to the verdict, journal included, with caches warm: a
first one of a few minutes warms them. Memory is the most that the process ever had.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import yaml
from _lines import Line, run

from drillbox.sandbox.loading import Library

HALF_HOUR, DAY = 3.0, 60.0
"""Seconds that they may take."""
MOST_GROWTH = 1.25
"""Memory of a day over that of 12 hours."""
RUNS = 3
JOBS = 2

PLAY = """
import resource, sys
from pathlib import Path
from drillbox.sandbox.cli.playing import Request, prepare
from drillbox.sandbox.drill import result_of
from drillbox.sandbox.journal import read_journal
from drillbox.wiring import Wiring

path, out = sys.argv[1:]
prepared = prepare(Wiring(), Request(path, "idle", 1, out=Path(out)), lambda _step, _done: None)
prepared.session.start(lambda _step, _done: None)
prepared.session.run(prepared.operator)
prepared.journal.close()
result = result_of(read_journal(prepared.journal.path), prepared.journal.path, prepared.scenario)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0, result.judgement.verdict.value)
"""


def scenario(folder: Path, hours: float, rate: float, replicas: int) -> Path:
    """A drill of so many hours at a rate, calm but for five minutes; the calendar keeps pace with the clock."""
    entry = next(entry for entry in Library.packaged().entries() if entry.id == "slow-afternoon")
    content = yaml.safe_load(entry.path.read_text(encoding="utf-8"))
    content |= {"duration": f"{round(hours * 60)}m", "profiles": {}, "stacks": ["sim"]}
    content["world"] |= {"traffic": {"rate": f"{rate:g}/s"}, "pace": 1}
    content["service"]["champion"]["replicas"] = replicas
    content["service"]["fallback"] = "off"  # which YAML 1.1 takes for false
    path = folder / f"for-{round(hours * 60)}-minutes.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def play(path: Path, folder: Path) -> tuple[float, float]:
    """Seconds and MiB."""
    begin = perf_counter()
    done = subprocess.run([sys.executable, "-c", PLAY, str(path), str(folder)], check=True, capture_output=True, text=True)
    return perf_counter() - begin, float(done.stdout.split()[0])


def prove(folder: Path) -> float:
    """Drills an hour that `prove` plays with two workers."""
    command = [
        sys.executable,
        "-m",
        "drillbox",
        "prove",
        "monday-rush",
        "--seeds",
        "4",
        "--jobs",
        str(JOBS),
        "--profile",
        "short",
    ]
    begin = perf_counter()
    done = subprocess.run([*command, "--json", "-q"], check=True, capture_output=True, text=True, env=os.environ, cwd=folder)
    drills = sum(len(proof["harms"]) for proof in json.loads(done.stdout))
    return drills / (perf_counter() - begin) * 3600.0


def measure() -> Sequence[Line]:
    """All of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        play(scenario(folder, 0.4, 1000.0, 27), folder)
        short = min(play(scenario(folder, 0.5, 120.0, 4), folder) for _ in range(RUNS))
        half, day = (play(scenario(folder, hours, 1000.0, 27), folder) for hours in (12.0, 24.0))
        proofs = prove(folder)
    return (
        Line("a drill of 30 minutes at 120/s, start of Python included", short[0], "s", HALF_HOUR, least=False),
        Line("a drill of 24 hours at 1,000/s, start of Python included", day[0], "s", DAY, least=False),
        Line("memory of the drill of 24 hours", day[1], "MiB"),
        Line("memory of 24 hours over that of 12", day[1] / half[1], "times", MOST_GROWTH, least=False),
        Line(f"drills of 4 minutes that prove plays with {JOBS} workers", proofs, "an hour"),
    )


if __name__ == "__main__":
    run(measure, __doc__)
