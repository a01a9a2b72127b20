"""Planes for tests: short ways to make one, to send it requests and to read its counters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drillbox.sandbox.model.service import Fallback, Gateway
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.plane import ClientPolicy, Model, Plane, ServiceTime

Floats = NDArray[np.float64]

UNBOUNDED = 10**9
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5)
SECOND = ServiceTime.constant(1.0)
PATIENT = Gateway(timeout=math.inf, retries=0)

SERVED, BROKEN, GIVEN_UP, BESIDE, BROKEN_BESIDE = range(5)
FAILED, SLOW, OK = range(3)


def make(
    service: ServiceTime = SECOND,
    *,
    replicas: int = 1,
    concurrency: int = 1,
    queue: int = UNBOUNDED,
    clients: ClientPolicy | None = None,
    gateway: Gateway = PATIENT,
    fallback: Fallback = Fallback.OFF,
    **options: Any,
) -> Plane:
    """A plane whose champion has ready replicas."""
    chosen: dict[str, Any] = {
        "seed": 1, "start": 0.0, "latency_bounds": BOUNDS, "slow_bound": 1.0, "record": 1000, "models": [Model(service)],
    } | options  # fmt: skip
    plane = Plane(clients=clients or ClientPolicy(), **chosen)
    plane.set_gateway(gateway, fallback)
    for _ in range(replicas):
        plane.set_ready(plane.add_replica(0, 0, concurrency, queue), True)
    return plane


def poisson(rate: float, count: int, seed: int | Sequence[int] = 7, start: float = 0.0) -> Floats:
    """Arrivals of a Poisson process."""
    gaps = np.random.default_rng(seed).standard_exponential(count)
    times: Floats = start + np.cumsum(gaps) / rate
    return times


def gateway_count(plane: Plane, column: int) -> int:
    """One of the gateway's counters (`layout.I_...`)."""
    return int(plane.state.i[column])


def replica_count(plane: Plane, column: int, slot: int = 0) -> int:
    """One of a replica's counters (`layout.R_...`)."""
    return int(plane.state.r[slot, column])


def responses(plane: Plane) -> dict[str, int]:
    """Responses of the gateway by class."""
    return dict(zip(lay.CLASSES, plane.state.histogram.sum(axis=1).tolist(), strict=True))


def first_tries(plane: Plane) -> dict[int, float]:
    """How long the first try of each request was served, by the request's index."""
    return {int(job[0]): float(job[5] - job[4]) for job in plane.jobs if job[1] == 0 and job[6] == SERVED}


def number_in_system(plane: Plane) -> float:
    """Time integral, up to now, of the jobs at all replicas."""
    return float(plane.state.rf[:, [lay.RF_BUSY, lay.RF_QUEUE]].sum())


def sojourns(plane: Plane) -> float:
    """The same from the records: time at replicas, clipped at now, of those that left and of those that are still there."""
    left = plane.jobs[~np.isin(plane.jobs[:, 6], (BESIDE, BROKEN_BESIDE))]
    there = np.isin(plane.state.j[:, lay.J_STATE], (1, 2))
    return float((left[:, 5] - left[:, 3]).sum() + (plane.now - plane.state.jf[there, lay.JF_ARRIVAL]).sum())
