"""What starting costs: Python alone, `import drillbox`, the commands that answer at once, and the terminal UI's first module.

The least of a few runs of a process each, in milliseconds; another program can only add to it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter

from _lines import Line, run

RUNS = 7
SLOWEST = 600.0
"""Milliseconds that a command may take which only looks something up."""
STARTS = (
    ("python -c pass", ("-c", "pass"), None),
    ("import drillbox", ("-c", "import drillbox"), None),
    ("drillbox --version", ("-m", "drillbox", "--version"), SLOWEST),
    ("drillbox --help", ("-m", "drillbox", "--help"), SLOWEST),
    ("drillbox list", ("-m", "drillbox", "list"), SLOWEST),
    ("import of the terminal UI", ("-c", "import drillbox.tui.app"), None),
)


def milliseconds(arguments: Sequence[str]) -> float:
    """The least of a few runs."""
    times = []
    for _ in range(RUNS):
        begin = perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(perf_counter() - begin)
    return 1000.0 * min(times)


def measure() -> Sequence[Line]:
    """All starts."""
    return [Line(name, milliseconds(arguments), "ms", limit, least=False) for name, arguments, limit in STARTS]


if __name__ == "__main__":
    run(measure, __doc__)
