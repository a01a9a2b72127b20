"""How fast the compiled data plane is: throughput, growth with the number of requests, memory, and a plain SimPy model beside it.

    python benchmarks/kernel.py

Everything is measured in one run on one core. The script prints a table and fails when a claim of `benchmarks/README.md` does not hold.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import simpy
from numpy.typing import NDArray

from drillbox.sandbox.model.service import Fallback, Gateway
from drillbox.sandbox.model.slis import LATENCY_BUCKETS
from drillbox.stacks.sim.plane import ClientPolicy, Model, Plane, ServiceTime

Floats = NDArray[np.float64]

CLIENTS = ClientPolicy(timeout=0.5, retries=2, backoff=0.1, limit=1.0)
GATEWAY = Gateway(timeout=0.4, retries=1, retry_budget=0.2)
MEAN_SERVICE = 0.05
EXAMPLES = 1000


@dataclass(frozen=True)
class Fleet:
    """Replicas that are all alike."""

    replicas: int = 8
    concurrency: int = 4
    queue: int = 16

    @property
    def capacity(self) -> float:
        """Requests a second."""
        return self.replicas * self.concurrency / MEAN_SERVICE


FLEET = Fleet()
ONE = Fleet(1, 4, 16)


def arrivals(rate: float, count: int) -> Floats:
    """A Poisson process."""
    times: Floats = np.cumsum(np.random.default_rng(1).standard_exponential(count)) / rate
    return times


def plane_of(fleet: Fleet, gateway: Gateway, service: ServiceTime) -> Plane:
    """A data plane with bounded queues, timeouts and retries on."""
    costs = np.linspace(0.0, 1.0, EXAMPLES)
    plane = Plane(
        seed=1, start=0.0, latency_bounds=LATENCY_BUCKETS, slow_bound=0.25, clients=CLIENTS, models=[Model(service, costs)],
        rules_costs=costs,
    )  # fmt: skip
    plane.set_gateway(gateway, Fallback.OFF)
    for _ in range(fleet.replicas):
        plane.set_ready(plane.add_replica(0, 0, fleet.concurrency, fleet.queue), True)
    return plane


def kernel_seconds(load: float, count: int, repeats: int = 3) -> tuple[float, Plane]:
    """Best time for `count` logical requests at `load` times the capacity, arrivals in steps of five seconds of drill time."""
    best, times = float("inf"), arrivals(load * FLEET.capacity, count)
    examples = (np.arange(count) % EXAMPLES).astype(np.int32)
    edges = np.arange(0.0, times[-1] + 5.0, 5.0)
    cuts = np.searchsorted(times, edges, side="right")
    plane = plane_of(FLEET, GATEWAY, ServiceTime.lognormal(MEAN_SERVICE, 0.5))
    for _ in range(repeats):
        plane = plane_of(FLEET, GATEWAY, ServiceTime.lognormal(MEAN_SERVICE, 0.5))
        begin = time.perf_counter()
        for edge, low, high in zip(edges[1:], cuts[:-1], cuts[1:], strict=True):
            plane.advance(float(edge), times[low:high], int(low), examples[low:high])
        best = min(best, time.perf_counter() - begin)
    assert plane.decided + plane.in_flight == count
    return best, plane


def step_seconds(per_step: int = 120, steps: int = 3000) -> float:
    """Mean time of one short step."""
    times = arrivals(0.8 * FLEET.capacity, per_step * steps).reshape(steps, per_step)
    examples = np.zeros(per_step, np.int32)
    plane = plane_of(FLEET, GATEWAY, ServiceTime.lognormal(MEAN_SERVICE, 0.5))
    begin = time.perf_counter()
    for step, batch in enumerate(times):
        plane.advance(float(batch[-1]), batch, step * per_step, examples)
    return (time.perf_counter() - begin) / steps


def memory(plane: Plane) -> int:
    """Bytes of the plane's state."""
    return sum(array.nbytes for array in plane.state)


class SimpyQueue:
    """The same queue as a plain SimPy model: a process per request and one per job, no gateway, no telemetry but the outcome."""

    def __init__(self, fleet: Fleet, times: Floats) -> None:
        self._env: simpy.Environment = simpy.Environment()
        self._server = simpy.Resource(self._env, fleet.concurrency)
        self._fleet = fleet
        self._draws = np.random.default_rng(2)
        self.answered = 0
        self._env.process(self._source(times.tolist()))

    def run(self) -> None:
        """Until all is decided."""
        self._env.run()

    def _source(self, times: list[float]) -> Generator[simpy.Event, None, None]:
        for at in times:
            yield self._env.timeout(at - self._env.now)
            self._env.process(self._request())

    def _request(self) -> Generator[simpy.Event, simpy.events.ConditionValue, None]:
        env, server = self._env, self._server
        for attempt in range(CLIENTS.retries + 1):
            if server.count < self._fleet.concurrency or len(server.queue) < self._fleet.queue:
                job = env.process(self._job())
                done = yield job | env.timeout(CLIENTS.timeout)
                if job in done:
                    self.answered += 1
                    return
            if attempt < CLIENTS.retries:
                longest = min(CLIENTS.limit, CLIENTS.backoff * 2.0**attempt)
                yield env.timeout(longest * self._draws.random())

    def _job(self) -> Generator[simpy.Event, None, None]:
        with self._server.request() as slot:
            yield slot
            yield self._env.timeout(MEAN_SERVICE * self._draws.standard_exponential())


def against_simpy(load: float, count: int) -> tuple[float, float]:
    """Requests a second of the SimPy model and of the kernel for one replica; both answer the same share."""
    times = arrivals(load * ONE.capacity, count)
    model = SimpyQueue(ONE, times)
    begin = time.perf_counter()
    model.run()
    simpy_seconds = time.perf_counter() - begin
    plane = plane_of(
        ONE, Gateway(timeout=float("inf"), retries=0, retry_budget=float("inf")), ServiceTime.exponential(MEAN_SERVICE)
    )
    begin = time.perf_counter()
    plane.advance(float(times[-1]), times)
    plane.finish()
    kernel = time.perf_counter() - begin
    counts = plane.counts()
    assert abs((counts.ok + counts.slow) - model.answered) < 0.02 * count, "the two models do not describe the same queue"
    return count / simpy_seconds, count / kernel


def main() -> int:
    """Measure, print, judge."""
    begin = time.perf_counter()
    kernel_seconds(0.8, 1000, 1)
    print(f"kernel ready (compiled, or loaded from numba's cache) in {time.perf_counter() - begin:.1f} s")
    print(f"{FLEET.replicas} replicas x {FLEET.concurrency} slots, queues of {FLEET.queue}; {CLIENTS}; {GATEWAY}\n")

    unit, claims = 500_000, []
    rates, sizes, peaks = {}, {}, {}
    print(f"{'load':>12} {'requests':>12} {'seconds':>9} {'requests/s':>12} {'attempts/s':>12} {'state':>9} {'process':>9}")
    for load, count in ((0.5, unit), (0.8, unit), (0.8, 4 * unit), (0.8, 16 * unit), (1.2, unit), (2.0, unit), (10.0, unit)):
        seconds, plane = kernel_seconds(load, count, 1 if count > 4 * unit else 3)
        rates[load, count], sizes[load, count] = count / seconds, memory(plane)
        peaks[load, count] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        attempts = plane.state.histogram.sum() / seconds
        print(
            f"{load:>10}x  {count:>12,} {seconds:>9.3f} {count / seconds:>12,.0f} {attempts:>12,.0f} "
            f"{memory(plane) / 1e6:>6.1f} MB {peaks[load, count] / 1e3:>6.0f} MB"
        )
    claims += [
        ("requests a second at 0.8 of the capacity", rates[0.8, unit], 3e6, True),
        ("requests a second at ten times the capacity", rates[10.0, unit], 1e6, True),
        ("time per request, 4x over 1x requests", rates[0.8, unit] / rates[0.8, 4 * unit], 1.25, False),
        ("time per request, 16x over 1x requests", rates[0.8, unit] / rates[0.8, 16 * unit], 1.25, False),
        ("state, 16x over 1x requests", sizes[0.8, 16 * unit] / sizes[0.8, unit], 1.0, False),
        ("microseconds for a step of 120 requests", step_seconds() * 1e6, 60.0, False),
    ]
    for load in (0.8, 2.0):
        simpy_rate, kernel_rate = against_simpy(load, 20_000)
        print(f"\nat {load}x, one replica: SimPy {simpy_rate:,.0f} requests/s, kernel {kernel_rate:,.0f}")
        claims.append((f"kernel over SimPy at {load} of the capacity", kernel_rate / simpy_rate, 20.0, True))

    print(f"\n{'claim':<50} {'measured':>14}    {'bound':>12}")
    kept = True
    for name, value, bound, at_least in claims:
        holds = value >= bound if at_least else value <= bound
        kept = kept and holds
        print(f"{name:<50} {value:>14,.2f} {'>=' if at_least else '<='} {bound:>12,.2f}  {'ok' if holds else 'BROKEN'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
