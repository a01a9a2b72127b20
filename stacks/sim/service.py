"""The simulated service: the world's requests and the real model's answers, on the data plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...sandbox.learning.models import ensure_model, score_examples
from ...sandbox.model.scenario import Scenario
from ...sandbox.model.slis import LATENCY_BUCKETS
from ...sandbox.model.stack import Progress
from ...sandbox.world.flights import World, open_world
from ...sandbox.world.traffic import Arrivals
from .plane import ClientPolicy, Model, Plane, ServiceTime

Batch = tuple[NDArray[np.float64], int, NDArray[np.int32]]
"""Times of requests (seconds of drill time), index of the first, and the example that each asks for."""


@dataclass(frozen=True, slots=True)
class Service:
    """What runs: the world, its requests, and the data plane that answers them."""

    world: World
    requests: Arrivals
    plane: Plane
    model: str  # id of the version in the store

    def arrivals(self, start: float, end: float, rate: float) -> Batch:
        """The requests in [start, end) at `rate` per second."""
        first, times = self.requests.step(start, end, rate)
        return times, first, self.world.examples_for(first, times)


def open_service(scenario: Scenario, seed: int, progress: Progress) -> Service:
    """Open the world, find or train the model, score what can be asked, and build the data plane without replicas.

    Raises:
        UsageError: the data, the model or the cache cannot be used.
    """
    config, runtime, clients = scenario.world, scenario.runtime, scenario.world.clients
    world = open_world(config, scenario.duration, scenario.warmup, seed, progress)
    version = ensure_model(config, world.data, progress)
    costs = world.costs(score_examples(version, world.examples, progress), version.threshold)
    plane = Plane(
        seed=seed,
        start=-scenario.warmup,
        latency_bounds=LATENCY_BUCKETS,
        slow_bound=scenario.latency_bound() or clients.timeout,
        clients=ClientPolicy(clients.timeout, clients.retries, clients.backoff, clients.backoff_limit),
        models=[Model(ServiceTime.lognormal(runtime.service_time, runtime.service_time_cv), costs)],
        rules_costs=world.rule_costs(),
        rules_time=runtime.rules_time,
        cancel_on_timeout=runtime.cancel_on_timeout,
    )
    return Service(world, world.arrivals(), plane, version.id)
