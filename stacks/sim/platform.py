"""What the simulated service runs on: containers, nodes, the scrapers, and what it may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import simpy

from ...sandbox.model.features import names_in
from ...sandbox.model.scenario import Prices
from ...sandbox.model.service import ServiceSpec
from .containers import Containers
from .fleet import Fleet, Log
from .nodes import Nodes
from .plane import Plane
from .scraping import Scraping


@dataclass(frozen=True, slots=True)
class Platform:
    """`budget` is what the replicas may cost, in dollars per hour."""

    fleet: Fleet
    containers: Containers
    nodes: Nodes
    scraping: Scraping
    budget: float


def open_platform(
    env: simpy.Environment, plane: Plane, fleet: Fleet, spec: Callable[[], ServiceSpec], prices: Prices, seed: int, log: Log
) -> Platform:
    """The platform of a fleet that has no pods yet; containers are looked after from now on."""
    nodes = Nodes(env, fleet, lambda: names_in(spec().platform.cordoned), log)
    containers = Containers(env, plane, fleet, lambda: spec().servers, seed)
    env.process(containers.run())
    return Platform(
        fleet, containers, nodes, Scraping(plane, fleet, lambda: spec().monitoring, seed, log), _budget(spec(), prices)
    )


def _budget(spec: ServiceSpec, prices: Prices) -> float:
    """What the autoscaler may ask for, or twice the replicas of the beginning."""
    usual = spec.champion.replicas
    return prices.replica_hour * max(2 * usual, spec.autoscaler.maximum if spec.autoscaler.enabled else 0)
