"""What holds of every run of the data plane, whatever the configuration and whatever is changed under way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plane_kit import FAILED, OK, SLOW, Floats, make, number_in_system, poisson, sojourns

from drillbox.sandbox.model.service import Fallback, Gateway
from drillbox.stacks.control_plane.gateway_faults import Injected
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.plane import ClientPolicy, Model, Plane, ServiceTime

SERVICES = [
    ServiceTime.constant(0.1),
    ServiceTime.exponential(0.1),
    ServiceTime.lognormal(0.1, 0.8),
    ServiceTime.quantiles((0.05, 0.1, 0.4)),
]

services = st.sampled_from(SERVICES)
timeouts = st.sampled_from([0.05, 0.15, 0.4, 1.0, math.inf])
shares = st.sampled_from([0.0, 0.1, 0.5, 1.0])
clients = st.builds(
    ClientPolicy,
    timeout=timeouts,
    retries=st.integers(0, 3),
    backoff=st.sampled_from([0.0, 0.05, 0.3]),
    limit=st.sampled_from([0.0, 0.2, 1.0]),
    retry_refused=st.booleans(),
)
gateways = st.builds(
    Gateway,
    timeout=timeouts,
    retries=st.integers(0, 2),
    retry_budget=st.sampled_from([0.0, 0.2, 1.0, 100.0]),
    shed=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    canary_weight=shares,
    shadow_share=shares,
)
injected = st.builds(
    Injected,
    delay=st.sampled_from([0.001, 0.1, 0.5]),
    delayed=st.sampled_from([0.0, 0.0, 0.4, 1.0]),
    aborted=st.sampled_from([0.0, 0.2]),
)
fallbacks = st.sampled_from(list(Fallback))
capacities = st.tuples(st.integers(1, 3), st.sampled_from([0, 1, 5, 1000]))


@dataclass(frozen=True)
class Setup:
    """A data plane as it begins."""

    service: ServiceTime
    clients: ClientPolicy
    gateway: Gateway
    fallback: Fallback
    injected: Injected
    capacities: list[tuple[int, int]]  # of the replicas, which take the pools in turn
    cancel: bool
    seed: int
    load: float
    start: float

    def plane(self, **options: Any) -> Plane:
        models = [Model(self.service, np.array([1.0, 2.0, 4.0])), Model(SERVICES[1], np.array([0.5, 0.25, 0.125]))]
        chosen: dict[str, Any] = {
            "replicas": 0, "clients": self.clients, "gateway": self.gateway, "fallback": self.fallback, "models": models,
            "rules_costs": np.array([8.0, 16.0, 32.0]), "rules_time": 0.02, "cancel_on_timeout": self.cancel, "seed": self.seed,
            "start": self.start, "slow_bound": 0.3, "record": 20_000, "count_answers": True,
        }  # fmt: skip
        plane = make(**(chosen | options))
        plane.inject(self.injected)
        for place, (concurrency, queue) in enumerate(self.capacities):
            plane.set_ready(plane.add_replica(place % 3, place % 2, concurrency, queue), True)
        return plane

    def requests(self, count: int) -> tuple[Floats, np.ndarray[Any, np.dtype[np.int32]]]:
        """When they arrive, and the example that each asks for."""
        times = poisson(self.load * 10.0 * max(1, len(self.capacities)), count, self.seed, self.start)
        return times, (np.arange(count) % 3).astype(np.int32)


setups = st.builds(
    Setup,
    service=services,
    clients=clients,
    gateway=gateways,
    fallback=fallbacks,
    injected=injected,
    capacities=st.lists(capacities, max_size=5),
    cancel=st.booleans(),
    seed=st.integers(0, 1000),
    load=st.sampled_from([0.3, 1.0, 3.0]),
    start=st.sampled_from([0.0, -5.0]),
)


class Changes:
    """Changes of a running plane, drawn by Hypothesis."""

    def __init__(self, plane: Plane, data: st.DataObject) -> None:
        self.plane = plane
        self.draw = data.draw
        self.removed = 0

    def one(self) -> None:
        kinds = [self.add, self.policy, self.policy]
        if self.slots():
            kinds += [self.kill, self.ready, self.drain, self.slowness, self.capacity, self.remove]
        self.draw(st.sampled_from(kinds))()

    def slots(self) -> list[int]:
        return np.flatnonzero(self.plane.state.r[:, lay.R_USED]).tolist()

    def slot(self) -> int:
        return self.draw(st.sampled_from(self.slots()))

    def add(self) -> None:
        slot = self.plane.add_replica(self.draw(st.integers(0, 2)), self.draw(st.integers(0, 1)), *self.draw(capacities))
        self.plane.set_ready(slot, self.draw(st.booleans()))

    def policy(self) -> None:
        self.plane.set_clients(self.draw(clients))
        self.plane.set_gateway(self.draw(gateways), self.draw(fallbacks))
        self.plane.inject(self.draw(injected))

    def kill(self) -> None:
        slot = self.slot()
        self.plane.kill_replica(slot)
        assert self.plane.is_empty(slot)

    def remove(self) -> None:
        self.plane.remove_replica(self.slot())
        self.removed += 1

    def ready(self) -> None:
        self.plane.set_ready(self.slot(), self.draw(st.booleans()))

    def drain(self) -> None:
        self.plane.drain_replica(self.slot())

    def slowness(self) -> None:
        self.plane.set_slowness(self.slot(), self.draw(st.sampled_from([0.5, 1.0, 5.0])))

    def capacity(self) -> None:
        self.plane.set_capacity(self.slot(), *self.draw(capacities))


def free_rows(table: np.ndarray[Any, np.dtype[np.int64]], first: int, column: int) -> int:
    """Length of a free list."""
    seen: set[int] = set()
    while first < len(table):
        assert first not in seen
        seen.add(first)
        first = int(table[first, column])
    return len(seen)


@settings(max_examples=150)
@given(setup=setups, data=st.data())
def test_every_request_has_one_outcome_and_counts_add_up(setup: Setup, data: st.DataObject) -> None:
    count = 300
    plane = setup.plane(room=16)
    changes = Changes(plane, data)
    times, examples = setup.requests(count)
    begin = 0
    for cut in [*sorted(data.draw(st.lists(st.floats(times[0], times[-1]), max_size=6))), times[-1]]:
        end = int(np.searchsorted(times, cut, side="right"))
        plane.advance(cut, times[begin:end], begin, examples[begin:end])
        begin = end
        changes.one()
    plane.finish()
    assert begin == count
    state, counts, records = plane.state, plane.counts(), plane.records
    assert plane.in_flight == 0
    assert plane.decided == count
    assert sorted(records[:, 0]) == list(range(count))
    assert (records[:, 2] >= records[:, 1]).all()
    np.testing.assert_array_equal(records[np.argsort(records[:, 0]), 1], times)
    counted = records[records[:, 1] >= 0.0]
    outcomes = [int((counted[:, 3] == outcome).sum()) for outcome in (FAILED, SLOW, OK)]
    assert [counts.failed, counts.slow, counts.ok] == outcomes
    slow = counted[:, 2] - counted[:, 1] > 0.3
    np.testing.assert_array_equal(counted[counted[:, 3] != FAILED, 3] == SLOW, slow[counted[:, 3] != FAILED])
    # Each attempt of a client has one response, each answer one prediction.
    assert state.histogram.sum() == records[:, 4].sum()
    assert state.answered.sum() == state.histogram[0].sum() == (records[:, 3] != FAILED).sum()
    assert state.answered[2].sum() == 0
    assert plane.answers_by_example.sum() == state.answered.sum()
    assert plane.answers_by_example[-1].sum() == state.answered[:, 1].sum()
    if setup.start == 0.0:
        costs = (plane.answers_by_example * state.costs).sum()
        assert counts.prediction_cost == pytest.approx(costs)
    # Nothing is at the gateway any more, and once the servers are done every row is free again.
    assert state.i[lay.I_ACTIVE] == state.i[lay.I_ACTIVE_RETRIES] == state.i[lay.I_HELD] == 0
    plane.advance(plane.now + 1000.0)
    r = plane.state.r
    assert (r[:, lay.R_BUSY] == 0).all()
    assert (r[:, lay.R_WAITING] == 0).all()
    left = r[:, [lay.R_SERVED, lay.R_BROKEN, lay.R_CANCELLED]].sum(axis=1)
    np.testing.assert_array_equal(r[:, lay.R_ACCEPTED], left)
    if not changes.removed:
        users = r[r[:, lay.R_POOL] != 2]
        assert users[:, [lay.R_SERVED]].sum() == state.answered.sum() + users[:, lay.R_WASTED].sum()
    room = int(state.i[lay.I_ROOM])
    assert free_rows(state.q, int(state.i[lay.I_FREE_REQUEST]), lay.Q_NEXT) == room
    assert free_rows(state.j, int(state.i[lay.I_FREE_JOB]), lay.J_NEXT) == room


@settings(max_examples=150)
@given(setup=setups, data=st.data())
def test_number_in_system_obeys_littles_law(setup: Setup, data: st.DataObject) -> None:
    plane = setup.plane()
    changes = Changes(plane, data)
    times, examples = setup.requests(300)
    begin = 0
    for cut in sorted(data.draw(st.lists(st.floats(times[0], times[-1] + 0.5), min_size=1, max_size=5))):
        end = int(np.searchsorted(times, cut, side="right"))
        plane.advance(cut, times[begin:end], begin, examples[begin:end])
        begin = end
        assert number_in_system(plane) == pytest.approx(sojourns(plane), rel=1e-9, abs=1e-9)
        if (data.draw(st.booleans()) or begin < 10) and changes.slots():
            data.draw(st.sampled_from([changes.kill, changes.slowness, changes.capacity, changes.policy]))()
            assert number_in_system(plane) == pytest.approx(sojourns(plane), rel=1e-9, abs=1e-9)


def run_in_steps(plane: Plane, setup: Setup, cuts: list[float], count: int) -> None:
    times, examples = setup.requests(count)
    begin = 0
    for cut in sorted({*(cut for cut in cuts if cut < times[-1]), float(times[-1]) + 1.0}):
        end = int(np.searchsorted(times, cut, side="right"))
        plane.advance(cut, times[begin:end], begin, examples[begin:end])
        begin = end
    assert begin == count


def assert_same(one: Plane, other: Plane) -> None:
    """Counters, integrals, records: to the last bit."""
    names = ("r", "rf", "answered", "spent", "log", "histogram", "latency_sum", "requests", "jobs")
    for name in names:
        np.testing.assert_array_equal(getattr(one.state, name), getattr(other.state, name), err_msg=name)
    # What depends on the memory, and nothing else, may differ.
    columns = [column for column in range(lay.N_I) if column not in (lay.I_ROOM, lay.I_RING_HEAD)]
    free = [lay.I_FREE_REQUEST, lay.I_FREE_JOB]
    np.testing.assert_array_equal(one.state.i[columns], other.state.i[columns])
    assert (one.state.i[free] == other.state.i[free]).all()
    assert one.counts() == other.counts()


@given(setup=setups, step=st.sampled_from([0.07, 1.0, 7.0, 0.333333]), offset=st.floats(0.0, 0.05))
def test_cutting_a_run_into_steps_changes_nothing(setup: Setup, step: float, offset: float) -> None:
    whole, cut = setup.plane(), setup.plane()
    run_in_steps(whole, setup, [], 400)
    run_in_steps(cut, setup, [setup.start + offset + step * k for k in range(2000)], 400)
    assert_same(whole, cut)


@settings(max_examples=25)
@given(setup=setups)
def test_memory_that_grows_changes_nothing(setup: Setup) -> None:
    small, large = setup.plane(room=16), setup.plane(room=8192)
    for plane in (small, large):
        run_in_steps(plane, setup, [1.0], 400)
    assert_same(small, large)


@settings(max_examples=15)
@given(setup=setups)
def test_same_seed_same_run(setup: Setup) -> None:
    one, again = setup.plane(), setup.plane()
    for plane in (one, again):
        run_in_steps(plane, setup, [], 200)
    assert_same(one, again)


def test_another_seed_is_another_run() -> None:
    planes = [make(SERVICES[1], seed=seed) for seed in (1, 2)]
    for plane in planes:
        plane.advance(10.0, np.full(20, 1.0))
    assert planes[0].busy_seconds(0) != planes[1].busy_seconds(0)


def test_memory_stays_flat_when_nobody_stops_coming() -> None:
    plane = make(
        SERVICES[1],
        concurrency=4,
        queue=16,
        clients=ClientPolicy(timeout=0.5, retries=3, backoff=0.1, limit=1.0),
        gateway=Gateway(timeout=0.4, retries=1, retry_budget=0.2),
    )
    times = poisson(400.0, 400_000)
    rooms = []
    for begin in range(0, len(times), 100_000):
        batch = times[begin : begin + 100_000]
        plane.advance(batch[-1], batch, begin)
        rooms.append(int(plane.state.i[lay.I_ROOM]))
    assert len(set(rooms)) == 1


def test_waiting_for_ever_takes_no_room() -> None:
    plane = make(ServiceTime.constant(0.01), room=16)
    for second in range(50):
        plane.advance(second + 1.0, second + np.repeat(np.arange(0.0, 1.0, 0.1), 5), 50 * second)
    assert plane.counts().ok == 2500
    assert plane.state.i[lay.I_RING_LEN] == 0
    assert plane.state.i[lay.I_ROOM] <= 64
