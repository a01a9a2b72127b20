"""What the data plane's kernel does on one core: requests a second, linearity, memory, and the ratio to plain SimPy.

The service has 8 replicas of 4 slots and a queue of 40 each, log-normal service times of 50 ms, two random choices: 640
requests a second. Clients give up after 2 s and come back twice; the gateway's timeout is 500 ms, it tries once more within a
retry budget of 20%. Load comes at 0.8 and at 10 times the capacity. At 10 a request is three attempts of its client, nearly all
of them refused or late: all of the kernel's code is at work.

Times are those of `Plane.advance`, the least of a few runs: another program can only add to a time. Compiling the kernel and
drawing the arrivals are not in them. The SimPy model is the same queue, one process per request, at 0.8 only and without
timeouts and retries, which favours it.

`--check` exits with 1 when a limit is broken.
"""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import simpy
from _lines import Line, run
from numpy.typing import NDArray

from drillbox.sandbox.model.service import Fallback, Gateway
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.plane import ClientPolicy, Model, Plane, ServiceTime

REPLICAS, SLOTS, QUEUE = 8, 4, 40
MEAN, CV = 0.05, 0.4
CAPACITY = REPLICAS * SLOTS / MEAN
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
GATEWAY = Gateway(timeout=0.5, retries=1, retry_budget=0.2)
CLIENTS = ClientPolicy(timeout=2.0, retries=2)
LOADS = (0.8, 10.0)

UNIT = 250_000  # requests at 1x
FACTORS = (1, 4, 16)
BATCH = 50_000  # requests in one call
RUNS = 3
SIMPY_REQUESTS = 50_000
CIW_REQUESTS = 20_000
STEP_REQUESTS, STEPS = 120, 3000

LEAST_RATE = 3e6  # logical requests a second
LEAST_SIMPY_RATIO = 20.0
MOST_CURVATURE = 1.25  # time per request at 16x over that at 1x
MOST_MEMORY = 16.0  # MiB that the process grows between 1x and 16x
MOST_STEP = 100e-6  # seconds for a step of 120 requests


@dataclass(frozen=True)
class Run:
    """Seconds for so many logical requests, and what they left behind."""

    requests: int
    seconds: float
    attempts: float  # of clients, per request
    good: float  # share of requests answered
    room: int  # rows for what is in flight

    @property
    def rate(self) -> float:
        """Logical requests a second."""
        return self.requests / self.seconds


def service() -> Plane:
    """The service as it begins."""
    model = Model(ServiceTime.lognormal(MEAN, CV))
    plane = Plane(seed=1, start=0.0, latency_bounds=BOUNDS, slow_bound=0.5, clients=CLIENTS, models=[model])
    plane.set_gateway(GATEWAY, Fallback.OFF)
    for _ in range(REPLICAS):
        plane.set_ready(plane.add_replica(0, 0, SLOTS, QUEUE), True)
    return plane


def kernel(load: float, requests: int) -> Run:
    """Time of the kernel for so many requests at a multiple of the capacity."""
    plane, random = service(), np.random.default_rng(2)
    seconds = 0.0
    for first in range(0, requests, BATCH):
        times = plane.now + np.cumsum(random.standard_exponential(BATCH)) / (load * CAPACITY)
        begin = perf_counter()
        plane.advance(float(times[-1]), times, first)
        seconds += perf_counter() - begin
    answered = int(plane.state.answered.sum())
    return Run(requests, seconds, plane.state.histogram.sum() / requests, answered / requests, int(plane.state.i[lay.I_ROOM]))


def step() -> float:
    """Seconds for one call with a second of 120 requests."""
    plane, random = service(), np.random.default_rng(3)
    batches = [now + np.sort(random.random(STEP_REQUESTS)) for now in range(STEPS)]
    begin = perf_counter()
    for now, times in enumerate(batches):
        plane.advance(now + 1.0, times, now * STEP_REQUESTS)
    return (perf_counter() - begin) / STEPS


def simpy_model(load: float, requests: int) -> float:
    """Seconds that a plain SimPy model of the same queue takes: one process per request."""
    random = np.random.default_rng(2)
    gaps = random.standard_exponential(requests) / (load * CAPACITY)
    variance = np.log1p(CV**2)
    spans = random.lognormal(np.log(MEAN) - variance / 2.0, np.sqrt(variance), requests)
    pairs = np.array([random.choice(REPLICAS, 2, replace=False) for _ in range(requests)])
    begin = perf_counter()
    env = simpy.Environment()
    replicas = [simpy.Resource(env, SLOTS) for _ in range(REPLICAS)]
    sojourns: list[float] = []

    def request(pair: NDArray[np.int64], span: float) -> Generator[simpy.Event, None, None]:
        chosen = min((replicas[place] for place in pair), key=lambda replica: replica.count + len(replica.queue))
        if len(chosen.queue) >= QUEUE:
            return
        came = env.now
        with chosen.request() as slot:
            yield slot
            yield env.timeout(span)
        sojourns.append(env.now - came)

    def arrivals() -> Generator[simpy.Event, None, None]:
        for gap, pair, span in zip(gaps.tolist(), pairs.tolist(), spans.tolist(), strict=True):
            yield env.timeout(gap)
            env.process(request(pair, span))

    env.process(arrivals())
    env.run()
    assert len(sojourns) > 0.99 * requests
    return perf_counter() - begin


def resident() -> float:
    """The most memory that this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform != "darwin" else 1024.0**2)


def of_load(load: float) -> tuple[float, list[Line]]:
    """Best rate at one load in requests a second, and its part of the table."""
    best, rooms, memory = {}, {}, {}
    for factor in FACTORS:
        runs = [kernel(load, factor * UNIT) for _ in range(RUNS)]
        best[factor], rooms[factor], memory[factor] = max(runs, key=lambda run: run.rate), runs[0].room, resident()
    small, large = best[FACTORS[0]], best[FACTORS[-1]]
    rate = max(run.rate for run in best.values())
    name = f"at {load:g} times the capacity: "
    lines = [
        Line(f"{name}requests", rate / 1e6, "million/s", LEAST_RATE / 1e6),
        Line(f"{name}attempts of clients", large.attempts * rate / 1e6, "million/s"),
        Line(f"{name}requests that get an answer", 100.0 * large.good, "%"),
    ]
    lines += [
        Line(f"{name}time per request at {factor}x over 1x", small.rate / best[factor].rate, "times", MOST_CURVATURE, least=False)
        for factor in FACTORS[1:]
    ]
    first, last = FACTORS[0], FACTORS[-1]
    lines += [
        Line(f"{name}rows in flight at {last}x over 1x", rooms[last] / rooms[first], "times", 1.0, least=False),
        Line(f"{name}memory at {last}x over 1x", memory[last] - memory[first], "MiB more", MOST_MEMORY, least=False),
    ]
    return rate, lines


def measure() -> Sequence[Line]:
    """Everything but the peers that are not installed."""
    begin = perf_counter()
    kernel(LOADS[0], BATCH)
    lines = [Line("kernel: compiled or loaded, first call", perf_counter() - begin, "s")]
    rates = {}
    for load in LOADS:
        rates[load], more = of_load(load)
        lines += more
    plain = SIMPY_REQUESTS / min(simpy_model(LOADS[0], SIMPY_REQUESTS) for _ in range(RUNS))
    one_step = min(step() for _ in range(RUNS))
    lines += [
        Line("SimPy, a process per request: requests", plain / 1e6, "million/s"),
        Line("kernel over SimPy, same queue", rates[LOADS[0]] / plain, "times", LEAST_SIMPY_RATIO),
        *ciw_lines(rates[LOADS[0]]),
        Line(f"a step of {STEP_REQUESTS} requests", 1e6 * one_step, "microseconds", 1e6 * MOST_STEP, least=False),
        Line(f"a step of {STEP_REQUESTS} requests over as many in one long call", one_step * rates[0.8] / STEP_REQUESTS, "times"),
    ]
    return lines


def ciw_lines(rate: float) -> list[Line]:
    """The same queue in Ciw, if it is installed (`pip install ciw`): one node of all slots, without timeouts and retries."""
    try:
        import ciw  # type: ignore[import-not-found,import-untyped]  # a peer, not a dependency
    except ImportError:
        return []
    servers, capacity = REPLICAS * SLOTS, REPLICAS * QUEUE
    arrivals = LOADS[0] * CAPACITY
    span = CIW_REQUESTS / arrivals
    sigma = math.sqrt(math.log1p(CV * CV))
    best = math.inf
    for seed in range(RUNS):
        ciw.seed(seed)
        network = ciw.create_network(
            arrival_distributions=[ciw.dists.Exponential(rate=arrivals)],
            service_distributions=[ciw.dists.Lognormal(mean=math.log(MEAN) - sigma * sigma / 2.0, sd=sigma)],
            number_of_servers=[servers],
            queue_capacities=[capacity],
        )
        simulation = ciw.Simulation(network)
        begin = perf_counter()
        simulation.simulate_until_max_time(span)
        best = min(best, perf_counter() - begin)
    plain = CIW_REQUESTS / best
    return [
        Line("Ciw: requests", plain / 1e6, "million/s"),
        Line("kernel over Ciw, same load", rate / plain, "times", LEAST_SIMPY_RATIO),
    ]


if __name__ == "__main__":
    run(measure, __doc__)
