"""What monitoring costs: the built-in monitor's share of the time of a headless drill.

A drill of 30 minutes at 120 requests/s (slow-afternoon, which has no rush) is played as `drillbox run --operator idle` plays one:
the scenario is read, the warm-up and every step are played, the journal is written, read again and judged. The start of Python,
compiling the kernel and training the models come once and are not in the time. The calls of the monitor are timed within the run,
so that both numbers come from the same moments of the machine. The least share of a few runs counts: another program can only add
to a time.

`--check` exits with 1 beyond 20%.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from _lines import Line, run

from drillbox.sandbox.cli.playing import Request, play_headless
from drillbox.sandbox.engine import Readings
from drillbox.sandbox.loading import Library
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.telemetry import Scrape
from drillbox.sandbox.observing import BuiltInMonitor
from drillbox.sandbox.session import DrillSession, Sink
from drillbox.wiring import STACKS, Wiring

LIMIT = 0.20
MINUTES = 30
RUNS = 5


class TimedMonitor(BuiltInMonitor):
    """Adds up the seconds in `observe`."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.seconds = 0.0
        self.scrapes = 0

    def observe(self, scrape: Scrape) -> Readings:
        """As usual, with a stopwatch."""
        begin = perf_counter()
        readings = super().observe(scrape)
        self.seconds += perf_counter() - begin
        self.scrapes += 1
        return readings


@dataclass(frozen=True)
class Cost:
    """Seconds of one drill, and of the monitor in it; `scrapes` is how many it took in."""

    drill: float
    monitor: float
    scrapes: int

    @property
    def share(self) -> float:
        """Of the monitor."""
        return self.monitor / self.drill


class TimedWiring(Wiring):
    """Gives its sessions a monitor with a stopwatch."""

    monitor: TimedMonitor

    def session(self, scenario: Scenario, seed: int, stack: str, sinks: Iterable[Sink] = ()) -> DrillSession:
        """As usual, but for the stopwatch."""
        self.monitor = TimedMonitor(scenario)
        return DrillSession(scenario, seed, STACKS[stack](), self.monitor, sinks)


def write_scenario(folder: Path) -> Path:
    """The scenario, drawn out to half an hour."""
    entry = next(entry for entry in Library.packaged().entries() if entry.id == "slow-afternoon")
    text = entry.path.read_text(encoding="utf-8")
    assert text.count("\nduration: 20m\n") == 1
    path = folder / entry.path.name
    path.write_text(text.replace("\nduration: 20m\n", f"\nduration: {MINUTES}m\n"), encoding="utf-8")
    return path


def measure(scenario: Path, folder: Path) -> Cost:
    """Play one drill."""
    wiring = TimedWiring()
    begin = perf_counter()
    play_headless(wiring, Request(str(scenario), "idle", 1, out=folder))
    return Cost(perf_counter() - begin, wiring.monitor.seconds, wiring.monitor.scrapes)


def shares() -> Sequence[Line]:
    """The least share of a few drills, and what it is made of."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenario = write_scenario(folder)
        measure(scenario, folder)  # fills the caches
        costs = [measure(scenario, folder) for _ in range(RUNS)]
    best = min(costs, key=lambda cost: cost.share)
    return (
        Line(f"a headless drill of {MINUTES} minutes, Python started", best.drill, "s"),
        Line("monitoring: a scrape and all rules", 1000.0 * best.monitor / best.scrapes, "ms"),
        Line("monitoring: share of a headless drill", 100.0 * best.share, "%", 100.0 * LIMIT, least=False),
    )


if __name__ == "__main__":
    run(shares, __doc__)
