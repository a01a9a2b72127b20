"""A drillbox whose stack is one formula, so that the command can be tested at once: also a program, for tests with a process.

`FAKE_AT="interrupt 100"` (or `break`, `bug`, `hang`) makes the stack misbehave at that drill time. `FAKE_MARK` names a file that
exists for as long as the stack is up.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from drillbox.sandbox.engine import Readings
from drillbox.sandbox.loading import Library
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.errors import StackError, UsageError, nearest
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import ServiceSpec
from drillbox.sandbox.model.stack import ApplySpec, Capabilities, ClearFault, Effect, InjectFault, Progress
from drillbox.sandbox.model.telemetry import SCRAPE_INTERVAL, Ledger, LogLine, Scrape, Series, Telemetry
from drillbox.sandbox.provenance import hash_of_code
from drillbox.sandbox.session import DrillSession, Range, Sink

SCENARIO = """\
schema: 1
id: toy-rush
title: Toy rush
group: traffic
difficulty: 2
skills: [patience, overload]
pager: The toys are slow.
duration: 10m
world:
  name: flights
  start: 2013-07-08T06:00
  pace: 12
  traffic: {rate: 120/s}
  prices: {failed: 0.1, slow: 0.03, missed: 0.05, false_alarm: 0.01, replica_hour: 0.6}
  train: {from: 2013-05-20, until: 2013-07-05}
service:
  champion: {replicas: 3, concurrency: 4, queue: 40}
  gateway: {timeout: 1s, retries: 1}
runtime: {service_time: 50ms}
timeline:
  - id: crowd
    at: 1m
    fault: traffic.spike
    with: {factor: 4}
objectives:
  - {id: available, sli: availability, target: 99%}
  - {id: fast, sli: latency, target: 95%, bound: 300ms}
answer: {component: clients, cause: traffic.spike}
operators:
  reference:
    steps:
      - when: saturation > 0.9
        for: 10s
        do: scale
        with: {replicas: 8}
  tempting:
    wait-longer:
      why: The log is full of timeouts.
      steps:
        - at: 2m
          do: set-timeout
          with: {timeout: 10s}
debrief:
  story: It was full.
  sooner: Look at saturation.
  sources: ["A book about queues: https://example.org/queues"]
profiles:
  short:
    duration: 4m
    timeline:
      - {id: crowd, at: 20s, fault: traffic.spike, with: {factor: 4}}
    operators:
      reference: {notice: 20s}
"""

_SERIES = tuple(Series(name) for name in ("rate", "good", "fast", "total", "load", "replicas", "p95"))


class FakeStack:
    """Each second as many requests are answered as the replicas have room for; the rest fails."""

    def __init__(self) -> None:
        self.ups = self.downs = 0
        self._mark = os.environ.get("FAKE_MARK", "")
        kind, _, at = os.environ.get("FAKE_AT", "").partition(" ")
        self._trouble, self._trouble_at = kind, float(at or 0)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(frozenset(FAULTS), frozenset(ACTIONS), paced=False)

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        if self._trouble == "no-up":
            raise StackError("the toy does not start")
        self.ups += 1
        if self._mark:
            Path(self._mark).touch()
        progress("bringing up", 1.0)
        self._scenario = scenario
        self._spec: ServiceSpec = scenario.service
        self._now = -scenario.warmup
        self._factor = 1.0
        self._good = self._fast = self._total = 0.0
        self._ledger = Ledger()
        self._jitter = np.random.default_rng(seed)

    def apply(self, effect: Effect) -> None:
        match effect:
            case InjectFault(_, _, params):
                self._factor = float(params.get("factor", 1.0))
            case ClearFault():
                self._factor = 1.0
            case ApplySpec(spec, _):
                self._spec = spec

    def advance(self, until: float) -> Telemetry:
        if self._trouble and until >= self._trouble_at:
            self._misbehave()
        scrapes, logs = [], []
        while self._now < until:
            self._second(min(1.0, until - self._now))
            self._now = min(until, self._now + 1.0)
            if self._now % SCRAPE_INTERVAL == 0:
                scrapes.append(self._scrape())
                if self._load() > 1.0:
                    logs.append(LogLine(self._now, "gateway", "error", f"503 for {self._rate():.0f} requests | queue full"))
        return Telemetry(until, tuple(scrapes), tuple(logs), (), self._ledger, ("model-champion-1",))

    def finish(self) -> Telemetry:
        return Telemetry(self._now, ledger=self._ledger)

    def down(self) -> None:
        self.downs += 1
        if self._mark:
            Path(self._mark).unlink(missing_ok=True)

    def _misbehave(self) -> None:
        if self._trouble == "interrupt":
            raise KeyboardInterrupt
        if self._trouble == "break":
            raise StackError("the toy broke")
        if self._trouble == "bug":
            raise RuntimeError("a toy's bug")
        if self._trouble == "hang":
            print("hanging", flush=True)  # noqa: T201  # for the test to know
            threading.Event().wait(60.0)  # until the test sends a signal
            raise AssertionError("no signal came")

    def _rate(self) -> float:
        return self._scenario.world.traffic.rate * self._factor

    def _load(self) -> float:
        room = self._spec.champion.replicas * self._spec.champion.concurrency / self._scenario.runtime.service_time
        return self._rate() / room if room else 2.0

    def _second(self, seconds: float) -> None:
        requests = round(self._rate() * seconds + float(self._jitter.integers(0, 3)))
        answered = round(requests * min(1.0, 1.0 / self._load()))
        slow = answered if self._load() > 1.0 else 0
        self._total += requests
        self._good += answered
        self._fast += answered - slow
        if self._now >= 0:
            old = self._ledger
            self._ledger = replace(
                old,
                failed=old.failed + requests - answered,
                slow=old.slow + slow,
                ok=old.ok + answered - slow,
                prediction_cost=old.prediction_cost + 0.005 * answered,
                replica_seconds=old.replica_seconds + self._spec.champion.replicas * seconds,
            )

    def _scrape(self) -> Scrape:
        load, replicas = self._load(), float(self._spec.champion.replicas)
        p95 = 0.08 if load <= 1.0 else 0.9
        values = (self._rate(), self._good, self._fast, self._total, load, replicas, p95)
        return Scrape(self._now, _SERIES, np.array(values))


class FakeMonitor:
    """Shares since the last scrape."""

    def __init__(self) -> None:
        self._before = (0.0, 0.0, 0.0)

    def observe(self, scrape: Scrape) -> Readings:
        rate, good, fast, total, load, replicas, p95 = scrape.values.tolist()
        was, self._before = self._before, (good, fast, total)
        requests = total - was[2]
        slis = {
            "request_rate": rate,
            "availability": (good - was[0]) / requests,
            "error_ratio": 1.0 - (good - was[0]) / requests,
            "latency": (fast - was[1]) / requests,
            "latency_p95": p95,
            "saturation": min(1.0, load),
            "replicas": replicas,
            "replicas_wanted": replicas,
            "queue_length": 0.0,
        }
        return Readings(slis, {"available": (good, total), "fast": (fast, total)})

    def query(self, expr: str, start: float, end: float, step: float) -> Range:
        raise NotImplementedError

    def metrics(self) -> tuple[str, ...]:
        return ("saturation",)


class FakeWiring:
    """Sessions on fake stacks, which it keeps to be looked at."""

    def __init__(self, folder: Path) -> None:
        self._library = Library([folder])
        self.stacks_made: list[FakeStack] = []

    def library(self) -> Library:
        return self._library

    def stacks(self) -> Mapping[str, Capabilities]:
        return {"sim": FakeStack().capabilities}

    def session(self, scenario: Scenario, seed: int, stack: str, sinks: Iterable[Sink] = ()) -> DrillSession:
        if stack != "sim":
            raise UsageError(f"unknown stack {stack!r}; {nearest(stack, ['sim'])}")
        self.stacks_made.append(FakeStack())
        return DrillSession(scenario, seed, self.stacks_made[-1], FakeMonitor(), sinks)

    def data_hash(self, progress: Callable[[str, float], None]) -> str:
        progress("reading toys", 1.0)
        return "toys"

    def code_hash(self) -> str:
        return hash_of_code(Path(__file__).parent)

    def check_world(self, scenario: Scenario) -> None:
        if scenario.world.prices.failed < 0.05:
            raise UsageError("a failed request must cost something")


if __name__ == "__main__":
    from drillbox.sandbox.cli.main import run

    sys.exit(run(sys.argv[2:], FakeWiring(Path(sys.argv[1]))))
