"""The data plane against queueing theory: paths, means, losses."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from plane_kit import SERVED, UNBOUNDED, Floats, make, poisson, replica_count

from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.plane import Plane, ServiceTime

U64 = np.uint64
QUANTILES = (0.2, 0.5, 0.7, 1.0, 3.0)
SEEDS = range(1, 11)


def hashed(key: np.uint64, count: int) -> NDArray[np.uint64]:
    """The kernel's random bits for the first tries of requests 0, 1, 2 ..., written a second time."""
    z = key + np.arange(count, dtype=U64) * U64(0x9E3779B97F4A7C15)
    return mixed(mixed(z) + U64(0xD1342543DE82EF95))


def mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
    return z ^ (z >> U64(31))


def uniform(bits: NDArray[np.uint64]) -> Floats:
    return (bits >> U64(11)).astype(np.float64) * 2.0**-53


def drawn(plane: Plane, kind: str, count: int) -> Floats:
    """Service times of mean about 1 that the kernel should draw."""
    bits = hashed(plane.state.keys[lay.S_SERVICE], count)
    u = uniform(bits)
    if kind == "exponential":
        return -np.log1p(-u)
    if kind == "lognormal":
        normal = np.sqrt(-2.0 * np.log1p(-u)) * np.cos(2.0 * math.pi * uniform(mixed(bits + U64(0x9E3779B97F4A7C15))))
        return np.exp(-math.log(1.25) / 2.0 + math.sqrt(math.log(1.25)) * normal)
    if kind == "quantiles":
        return np.interp(u, np.linspace(0.0, 1.0, len(QUANTILES)), QUANTILES)
    return np.ones(count)


KINDS = {
    "constant": ServiceTime.constant(1.0),
    "exponential": ServiceTime.exponential(1.0),
    "lognormal": ServiceTime.lognormal(1.0, 0.5),
    "quantiles": ServiceTime.quantiles(QUANTILES),
}


def waits(arrivals: Floats, services: Floats, concurrency: int) -> Floats:
    """Waiting times in a FIFO queue by Kiefer and Wolfowitz's recursion (1955) on the ordered workloads of the servers."""
    workload, found, last = [0.0] * concurrency, np.empty(len(arrivals)), arrivals[0]
    for place, (arrival, service) in enumerate(zip(arrivals.tolist(), services.tolist(), strict=True)):
        workload = sorted(max(0.0, work - (arrival - last)) for work in workload)
        found[place], last = workload[0], arrival
        workload[0] += service
    return found


@pytest.mark.parametrize("concurrency", [1, 2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_sample_paths_are_those_of_kiefer_and_wolfowitz(kind: str, concurrency: int) -> None:
    count = 5000
    plane = make(KINDS[kind], concurrency=concurrency, record=count, slow_bound=5.0)
    services = drawn(plane, kind, count)
    arrivals = poisson(0.95 * concurrency / services.mean(), count)
    plane.advance(arrivals[-1], arrivals)
    plane.finish()
    jobs = plane.jobs[np.argsort(plane.jobs[:, 0])]
    expected = waits(arrivals, services, concurrency)
    assert (jobs[:, 6] == SERVED).all()
    np.testing.assert_allclose(jobs[:, 4], arrivals + expected, rtol=1e-9)
    np.testing.assert_allclose(jobs[:, 4] - jobs[:, 3], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(jobs[:, 5], arrivals + expected + services, rtol=1e-9)
    slow = int((expected + services > 5.0).sum())
    assert (plane.counts().slow, plane.counts().ok) == (slow, count - slow)
    assert expected.max() > 1.0


def erlang_b(servers: int, load: float) -> float:
    """Share of requests lost by `servers` without a queue under `load` erlangs."""
    loss = 1.0
    for n in range(1, servers + 1):
        loss = load * loss / (n + load * loss)
    return loss


def erlang_c_wait(servers: int, utilisation: float) -> float:
    """Mean wait in M/M/c, in mean service times."""
    loss = erlang_b(servers, servers * utilisation)
    return loss / (1.0 - utilisation * (1.0 - loss)) / (servers * (1.0 - utilisation))


def pollaczek_khinchine_wait(utilisation: float, cv: float) -> float:
    """Mean wait in M/G/1, in mean service times."""
    return utilisation * (1.0 + cv * cv) / 2.0 / (1.0 - utilisation)


def batch_means(values: list[float]) -> tuple[float, float]:
    """Mean of batches and its standard error."""
    batches = np.array(values)
    return float(batches.mean()), float(batches.std(ddof=1) / math.sqrt(len(batches)))


def waits_by_batch(service: ServiceTime, concurrency: int, utilisation: float, count: int, seed: int) -> tuple[float, float]:
    """Mean wait in the stationary queue and its batch-means standard error: 200 batches after a start that is thrown away."""
    plane = make(service, concurrency=concurrency, seed=seed, record=0)
    draws = np.random.default_rng([seed, concurrency, round(100 * utilisation)])
    batches, now, size, first, before = [], 0.0, count // 200, 0, 0.0
    for _ in range(205):
        arrivals = now + np.cumsum(draws.standard_exponential(size)) / (utilisation * concurrency)
        now = float(arrivals[-1])
        plane.advance(now, arrivals, first)
        waited = float(plane.state.rf[0, lay.RF_QUEUE])
        batches.append((waited - before) / size)
        first, before = first + size, waited
    return batch_means(batches[5:])


# As many requests as one seed needs for its standard error.
@pytest.mark.parametrize(
    ("cv", "concurrency", "utilisation", "count", "precision"),
    [
        pytest.param(1.0, 2, 0.5, 2_800_000, 0.005, id="M/M/2 at 0.5"),
        pytest.param(1.0, 2, 0.8, 7_600_000, 0.005, id="M/M/2 at 0.8"),
        pytest.param(1.0, 2, 0.95, 5_600_000, 0.02, id="M/M/2 at 0.95"),
        pytest.param(0.5, 1, 0.5, 2_000_000, 0.005, id="M/G/1 at 0.5"),
        pytest.param(0.5, 1, 0.8, 3_600_000, 0.005, id="M/G/1 at 0.8"),
        pytest.param(0.5, 1, 0.95, 4_000_000, 0.02, id="M/G/1 at 0.95"),
    ],
)
def test_mean_wait_is_that_of_erlang_c_and_of_pollaczek_and_khinchine(
    cv: float, concurrency: int, utilisation: float, count: int, precision: float
) -> None:
    if concurrency > 1:
        service, expected = ServiceTime.exponential(1.0), erlang_c_wait(concurrency, utilisation)
    else:
        service, expected = ServiceTime.lognormal(1.0, cv), pollaczek_khinchine_wait(utilisation, cv)

    def one(seed: int) -> tuple[float, float]:
        return waits_by_batch(service, concurrency, utilisation, count, seed)

    with ThreadPoolExecutor(2) as pool:  # the kernel lets go of the interpreter's lock
        results = list(pool.map(one, SEEDS))
    for mean, error in results:
        assert error <= precision * mean
        assert abs(mean - expected) <= 3.0 * error
    pooled, error = np.mean([mean for mean, _ in results]), math.sqrt(sum(error**2 for _, error in results)) / len(results)
    assert abs(pooled - expected) <= 3.0 * error


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (5, 4.0), (10, 12.0)])
@pytest.mark.parametrize("kind", ["exponential", "lognormal"])
def test_loss_is_that_of_erlang_b_whatever_the_distribution(kind: str, servers: int, load: float) -> None:
    plane = make(KINDS[kind], concurrency=servers, queue=0, record=0)
    size, now, lost, before = 5000, 0.0, [], 0
    for batch in range(100):
        arrivals = poisson(load, size, (servers, batch), now)
        now = float(arrivals[-1])
        plane.advance(now, arrivals, batch * size)
        rejected = replica_count(plane, lay.R_REJECTED)
        lost.append((rejected - before) / size)
        before = rejected
    mean, error = batch_means(lost[1:])
    assert error < 0.02 * mean
    assert abs(mean - erlang_b(servers, load)) <= 3.0 * error
    assert plane.counts().failed == before


@pytest.mark.parametrize(("servers", "queue", "load"), [(1, 3, 0.9), (3, 4, 3.6)])
def test_loss_with_a_bounded_queue_is_that_of_m_m_c_k(servers: int, queue: int, load: float) -> None:
    weights = [load**n / math.factorial(n) for n in range(servers + 1)]
    weights += [weights[-1] * (load / servers) ** n for n in range(1, queue + 1)]
    plane = make(KINDS["exponential"], concurrency=servers, queue=queue, record=0)
    size, now, lost, before = 10_000, 0.0, [], 0
    for batch in range(100):
        arrivals = poisson(load, size, (queue, batch), now)
        now = float(arrivals[-1])
        plane.advance(now, arrivals, batch * size)
        rejected = replica_count(plane, lay.R_REJECTED)
        lost.append((rejected - before) / size)
        before = rejected
    mean, error = batch_means(lost[1:])
    assert abs(mean - weights[-1] / sum(weights)) <= 3.0 * error


def test_distributions_have_their_moments() -> None:
    count = 200_000
    low, high = np.array(QUANTILES[:-1]), np.array(QUANTILES[1:])
    of_table = float(((low + high) / 2.0).mean()), float(((low**2 + low * high + high**2) / 3.0).mean())
    for kind, mean, square in (("exponential", 1.0, 2.0), ("lognormal", 1.0, 1.25), ("quantiles", *of_table)):
        plane = make(KINDS[kind], concurrency=UNBOUNDED, record=count)
        arrivals = poisson(1000.0, count)
        plane.advance(arrivals[-1], arrivals)
        plane.finish()
        services = plane.jobs[:, 5] - plane.jobs[:, 4]
        assert len(services) == count
        for power, expected in ((1, mean), (2, square)):
            values = services**power
            assert abs(values.mean() - expected) < 3.0 * values.std() / math.sqrt(count)
