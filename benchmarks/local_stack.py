"""What the local stack takes: until it answers, how much memory and processor, and until it is gone.

monday-rush in its short profile, three replicas, models cached: the time from nothing until a client has one (requests of
the warm-up start when all is ready), memory as the sum of what each process has resident (pages that they share count each time),
the share of a processor that all of them take at the usual rate, and the time to take it down. Then the same as commands, with
all that Python imports: `drillbox up` until a prediction is answered, and `drillbox down` until nothing is left.

`--check` exits with 1 if it takes 10 s to answer, 1.2 GiB, or 5 s to end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import httpx
from _lines import Line, run

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.paths import home
from drillbox.stacks.local.stack import LocalStack
from drillbox.stacks.real.machine.processes import Supervisor

UP, MEMORY, DOWN = 10.0, 1229.0, 5.0
"""Seconds, MiB, seconds."""
CALM = 20.0
"""Seconds at the usual rate."""


def processor(supervisor: Supervisor) -> float:
    """Seconds of processor that the processes have taken so far."""
    ticks = 0
    for process in supervisor.running:
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def answered(stack: LocalStack) -> bool:
    """Whether a client has got a prediction."""
    text = httpx.get(f"{stack.drill.service.urls.load}/metrics", timeout=5.0, trust_env=False).text
    return any(line.startswith('load_requests_total{outcome="ok"}') and not line.endswith(" 0.0") for line in text.splitlines())


def commands() -> tuple[float, float]:
    """Seconds that `up` and `down` take, in a state folder with nothing but data and models."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cache", "models"):
            (Path(folder) / name).symlink_to(home() / name, target_is_directory=True)
        took = []
        for command in (("up", "-q"), ("down",)):
            began = perf_counter()
            environment = {**os.environ, "DRILLBOX_HOME": folder}
            subprocess.run([sys.executable, "-m", "drillbox", *command], env=environment, stdout=subprocess.DEVNULL, check=True)
            took.append(perf_counter() - began)
    return took[0], took[1]


def measure() -> Sequence[Line]:
    """All of them."""
    scenario = load_scenario(Library.packaged().find("monday-rush"), "short")
    with tempfile.TemporaryDirectory() as folder:
        LocalStack(Path(folder)).capabilities  # noqa: B018  # imports are not the stack's
        stack = LocalStack(Path(folder))
        began = perf_counter()
        stack.up(scenario, 1, lambda _step, _done: None)
        up = perf_counter() - began
        try:
            supervisor = stack.drill.service.supervisor
            while not answered(stack):
                stack.advance(stack.drill.service.clock.now() + 0.05)
            first = perf_counter() - began
            before, since = processor(supervisor), perf_counter()
            stack.advance(stack.drill.service.clock.now() + CALM)
            share = (processor(supervisor) - before) / (perf_counter() - since)
            memory = sum(process.resident() for process in supervisor.running)
        finally:
            began = perf_counter()
            stack.down()
            down = perf_counter() - began
    rate, (command_up, command_down) = scenario.world.traffic.rate, commands()
    return (
        Line("local stack: until all is ready", up, "s"),
        Line("local stack: until a client has the first prediction", first, "s", UP, least=False),
        Line("local stack: resident, all processes, 3 replicas", memory, "MiB", MEMORY, least=False),
        Line(f"local stack: processors taken at {rate:g} requests/s", share, "processors"),
        Line("local stack: until it is gone", down, "s", DOWN, least=False),
        Line("drillbox up: until a prediction is answered", command_up, "s", UP, least=False),
        Line("drillbox down: until nothing is left", command_down, "s", DOWN, least=False),
    )


if __name__ == "__main__":
    run(measure, __doc__)
