"""The simulated service: the world's requests and the real model's answers, on the data plane."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...sandbox.learning.models import ensure_model, score_examples
from ...sandbox.learning.references import Reference, TrainingRows, reference
from ...sandbox.learning.snapshots import Snapshot
from ...sandbox.learning.version import TREES, ModelVersion
from ...sandbox.model.scenario import Clients, Runtime, Scenario, Version
from ...sandbox.model.slis import LATENCY_BUCKETS
from ...sandbox.model.stack import Progress
from ...sandbox.world.flights import World, open_world
from ...sandbox.world.traffic import Arrivals
from ..control_plane.catalogue import config_of, next_name
from .plane import ClientPolicy, Model, Plane, ServiceTime

Batch = tuple[NDArray[np.float64], int, NDArray[np.int32]]
"""Times of requests (seconds of drill time), index of the first, and the example that each asks for."""


SLOWNESS_POINTS = 4097
"""Quantiles in the table of a service time that is a mixture."""


@dataclass(frozen=True, slots=True)
class Service:
    """What runs: the world, its requests, and the data plane that answers them."""

    world: World
    requests: Arrivals
    plane: Plane
    runtime: Runtime
    models: dict[str, int]  # place of each version among the plane's models
    trained: list[tuple[ModelVersion, NDArray[np.float64]]]  # the model behind each of them, and its scores of all examples
    sizes: dict[str, int]  # trees of each version
    snapshots: dict[str, Snapshot] = field(default_factory=dict)  # of the versions that were trained in the drill

    def model(self, name: str) -> ModelVersion:
        """The model behind a version of the drill."""
        return self.trained[self.models[name]][0]

    def reference(self, name: str) -> Reference:
        """What the training data of a version looked like.

        Raises:
            UsageError: the stored model is damaged, or the cache cannot be written.
        """
        snapshot = self.snapshots.get(name)
        rows = TrainingRows(snapshot.rows, snapshot.labels) if snapshot else None
        return reference(self.model(name), self.world.data, rows)

    def add(self, model: ModelVersion, snapshot: Snapshot) -> str:
        """A version that was trained in the drill; the name that it gets there."""
        name = next_name(self.models)
        scores = score_examples(model, self.world.examples)
        place = self.plane.add_model(Model(service_time(Version(name), self.runtime), self.world.costs(scores, model.threshold)))
        self.models[name], self.snapshots[name], self.sizes[name] = place, snapshot, TREES
        self.trained.append((model, scores))
        return name

    def arrivals(self, start: float, end: float, rate: float) -> Batch:
        """The requests in [start, end) at `rate` per second."""
        first, times = self.requests.step(start, end, rate)
        return times, first, self.world.examples_for(first, times)


def open_service(scenario: Scenario, seed: int, progress: Progress) -> Service:
    """Open the world, find or train the models, score what can be asked, and build the data plane without replicas.

    Raises:
        UsageError: the data, a model or the cache cannot be used.
    """
    config, runtime = scenario.world, scenario.runtime
    world = open_world(config, scenario.duration, scenario.warmup, seed, progress)
    names = scenario.deployable
    trained = [_trained(world, scenario.version(name), progress) for name in names]
    plane = Plane(
        seed=seed,
        start=-scenario.warmup,
        latency_bounds=LATENCY_BUCKETS,
        slow_bound=scenario.latency_bound() or config.clients.timeout,
        clients=client_policy(config.clients),
        models=[
            Model(service_time(scenario.version(name), runtime), world.costs(scores, model.threshold))
            for name, (model, scores) in zip(names, trained, strict=True)
        ],
        rules_costs=world.rule_costs(),
        rules_time=runtime.rules_time,
        cancel_on_timeout=runtime.cancel_on_timeout,
        count_answers=True,
    )
    places = {name: place for place, name in enumerate(names)}
    sizes = {name: scenario.version(name).trees for name in names}
    return Service(world, world.arrivals(), plane, runtime, places, trained, sizes)


def client_policy(clients: Clients) -> ClientPolicy:
    """The data plane's form of the clients' behaviour."""
    return ClientPolicy(clients.timeout, clients.retries, clients.backoff, clients.backoff_limit)


def service_time(version: Version, runtime: Runtime) -> ServiceTime:
    """How long a version takes for an answer: log-normal; a share of the answers takes a multiple of it."""
    mean, cv = runtime.service_time, runtime.service_time_cv
    if not version.slow_share or version.slow_factor == 1.0:
        return ServiceTime.lognormal(mean, cv)
    return ServiceTime.quantiles(_mixture(mean, cv, version.slow_share, version.slow_factor))


def _trained(world: World, version: Version, progress: Progress) -> tuple[ModelVersion, NDArray[np.float64]]:
    trained = ensure_model(config_of(world.config, version), world.data, progress, version.trees)
    return trained, score_examples(trained, world.examples, progress)


def _mixture(mean: float, cv: float, share: float, factor: float) -> list[float]:
    """Quantiles of a mixture of two log-normal distributions, found by inverting its distribution function."""
    from scipy.stats import lognorm  # type: ignore[import-untyped]  # has no stubs

    sigma = math.sqrt(math.log1p(cv * cv))
    scale = mean * math.exp(-sigma * sigma / 2.0)
    ends = lognorm.ppf([1e-6, 1.0 - 1e-5], sigma, scale=scale)
    grid = np.geomspace(ends[0], ends[1] * factor, 20_000)
    below = (1.0 - share) * lognorm.cdf(grid, sigma, scale=scale) + share * lognorm.cdf(grid / factor, sigma, scale=scale)
    table: list[float] = np.interp(np.linspace(0.0, 1.0, SLOWNESS_POINTS), below, grid).tolist()
    return table
