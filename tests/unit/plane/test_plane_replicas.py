"""Replicas that come, go, break, slow down and change their capacity; the choice among them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from plane_kit import (
    BROKEN,
    FAILED,
    OK,
    PATIENT,
    SERVED,
    UNBOUNDED,
    first_tries,
    gateway_count,
    make,
    poisson,
    replica_count,
    responses,
)  # fmt: skip

from drillbox.sandbox.model.service import Gateway
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.plane import ServiceTime


def test_a_kill_breaks_exactly_what_was_there() -> None:
    plane = make(replicas=2, concurrency=2, queue=10)
    plane.advance(0.5, np.linspace(0.0, 0.5, 12))
    there = plane.state.j[:, lay.J_STATE] != 0
    victims = set(plane.state.job_index[there & (plane.state.j[:, lay.J_REPLICA] == 0)].tolist())
    assert len(victims) > 4
    busy = plane.busy_seconds(0)
    plane.kill_replica(0)
    assert set(plane.records[:, 0]) == victims
    assert (plane.records[:, 2] == 0.5).all()
    assert responses(plane) == {"2xx": 0, "4xx": 0, "5xx": len(victims), "0": 0}
    assert replica_count(plane, lay.R_BROKEN) == len(victims)
    assert plane.is_empty(0)
    plane.finish()
    outcome = {int(record[0]): record[3] for record in plane.records}
    assert all((outcome[index] == FAILED) == (index in victims) for index in range(12))
    assert plane.busy_seconds(0) == busy
    assert replica_count(plane, lay.R_SERVED) == 0


def test_the_gateway_takes_what_broke_elsewhere() -> None:
    plane = make(replicas=2, concurrency=4, gateway=Gateway(timeout=math.inf, retries=1, retry_budget=1.0))
    plane.advance(0.5, np.zeros(8))
    plane.kill_replica(0)
    assert gateway_count(plane, lay.I_RETRY) == replica_count(plane, lay.R_BROKEN, 0) == 4
    plane.finish()
    assert plane.counts().failed == 0
    # Their work begins again: in the other's slots when these are free, with the luck of a second try.
    again = plane.jobs[plane.jobs[:, 1] == 1]
    np.testing.assert_array_equal(again[:, 3:6], [[0.5, 1.0, 2.0]] * 4)
    assert set(again[:, 0]) == set(plane.jobs[plane.jobs[:, 6] == BROKEN, 0])


def test_thousands_break_at_once_without_a_loss() -> None:
    count = 6000
    plane = make(
        replicas=2, concurrency=100, gateway=Gateway(timeout=50.0, retries=2, retry_budget=100.0), room=16, record=2 * count
    )
    plane.advance(0.0, np.zeros(count))
    plane.kill_replica(1)
    plane.kill_replica(0)
    plane.finish()
    assert plane.counts().failed == plane.decided == count
    assert replica_count(plane, lay.R_BROKEN, 0) == count


def test_a_killed_replica_serves_again_when_it_is_ready() -> None:
    plane = make()
    plane.advance(0.5, np.zeros(3))
    plane.kill_replica(0)
    plane.advance(1.0, np.array([0.75]), 3)
    assert gateway_count(plane, lay.I_NO_UPSTREAM) == 1
    plane.set_ready(0, True)
    plane.advance(5.0, np.array([1.0, 1.5]), 4)
    ends = {int(record[0]): (record[2], record[3]) for record in plane.records}
    assert ends == {0: (0.5, FAILED), 1: (0.5, FAILED), 2: (0.5, FAILED), 3: (0.75, FAILED), 4: (2.0, OK), 5: (3.0, 1)}


def test_a_drained_replica_finishes_what_it_has() -> None:
    plane = make(replicas=2, queue=10)
    plane.advance(0.0, np.zeros(6))
    plane.drain_replica(0)
    plane.advance(2.5, np.linspace(0.1, 2.5, 8), 6)
    assert not plane.is_empty(0)
    plane.advance(3.0)
    assert plane.is_empty(0)
    assert replica_count(plane, lay.R_SERVED) == replica_count(plane, lay.R_ACCEPTED) == 3
    plane.finish()
    assert plane.counts().failed == 0


def test_a_slot_that_is_used_again_counts_from_zero() -> None:
    plane = make()
    plane.advance(1.5, np.zeros(2))
    plane.remove_replica(0)
    assert plane.counts().failed == 1
    slot = plane.add_replica(0, 0, 3, 4)
    assert slot == 0
    row = plane.state.r[slot]
    counters = [lay.R_ACCEPTED, lay.R_SERVED, lay.R_REJECTED, lay.R_RULES, lay.R_BROKEN, lay.R_WASTED, lay.R_CANCELLED]
    assert row[counters].tolist() == [0] * len(counters)
    assert plane.busy_seconds(slot) == 0.0
    plane.set_ready(slot, True)
    plane.advance(4.0, np.full(1, 2.0), 2)
    assert plane.busy_seconds(slot) == 1.0
    assert row[lay.R_SERVED] == 1


def test_slowness_stretches_work_that_starts_from_now_on() -> None:
    plane = make(concurrency=1)
    plane.advance(0.5, np.zeros(3))
    plane.set_slowness(0, 3.0)
    plane.advance(2.0)
    plane.set_slowness(0, 0.5)
    plane.finish()
    assert plane.records[:, 2].tolist() == [1.0, 4.0, 4.5]


def test_slowness_multiplies_the_luck_and_leaves_it_in_place() -> None:
    spans = []
    for factor in (1.0, 4.0):
        plane = make(ServiceTime.exponential(1.0), concurrency=UNBOUNDED)
        plane.set_slowness(0, factor)
        plane.advance(1.0, np.linspace(0.0, 1.0, 100))
        plane.finish()
        spans.append(first_tries(plane))
    assert [spans[1][index] for index in range(100)] == pytest.approx([4.0 * spans[0][index] for index in range(100)])


def test_more_slots_take_up_who_waits_at_once() -> None:
    plane = make()
    plane.advance(0.5, np.zeros(5))
    plane.set_capacity(0, 3, UNBOUNDED)
    assert replica_count(plane, lay.R_BUSY) == 3
    plane.finish()
    assert sorted(plane.records[:, 2]) == [1.0, 1.5, 1.5, 2.0, 2.5]


def test_fewer_slots_let_work_end_and_a_shorter_queue_lets_nobody_go() -> None:
    plane = make(concurrency=3, queue=10)
    plane.advance(0.5, np.zeros(8))
    plane.set_capacity(0, 1, 0)
    assert replica_count(plane, lay.R_BUSY) == 3
    plane.advance(0.75, np.array([0.75]), 8)
    assert replica_count(plane, lay.R_REJECTED) == 1
    plane.finish()
    assert plane.counts().failed == 1
    assert sorted(plane.records[:, 2]) == [0.75, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_integrals_are_exact_between_events() -> None:
    plane = make(concurrency=2, queue=3)
    plane.advance(0.25, np.array([0.0, 0.125, 0.1875, 0.25]))
    assert plane.state.rf[0, lay.RF_BUSY] == 0.125 + 2 * 0.125
    assert plane.state.rf[0, lay.RF_QUEUE] == 0.0625
    plane.advance(0.5)
    assert plane.state.rf[0, lay.RF_BUSY] == 0.125 + 2 * 0.375
    assert plane.state.rf[0, lay.RF_QUEUE] == 0.0625 + 2 * 0.25


def test_two_random_choices_keep_the_longer_queue_short() -> None:
    """Mitzenmacher, The power of two choices (2001): at 0.9 the second choice takes most of the queue away."""
    count, replicas = 100_000, 20
    plane = make(ServiceTime.exponential(1.0), replicas=replicas, record=count, slow_bound=1e9)
    times = poisson(0.9 * replicas, count)
    plane.advance(times[-1], times)
    sojourn = (plane.records[:, 2] - plane.records[:, 1]).mean()
    fixed_point = sum(0.9 ** (2**k - 2) for k in range(1, 12))  # mean sojourn of many servers; one random choice: 10
    assert fixed_point < sojourn < 1.25 * fixed_point
    served = plane.state.r[:replicas, lay.R_SERVED]
    assert served.max() < 1.1 * served.min()


def test_a_slow_replica_gets_less() -> None:
    plane = make(ServiceTime.exponential(0.1), replicas=2, concurrency=2, queue=100)
    plane.set_slowness(1, 4.0)
    plane.advance(200.0, np.linspace(0.0, 200.0, 3000))
    assert replica_count(plane, lay.R_ACCEPTED, 0) > 2 * replica_count(plane, lay.R_ACCEPTED, 1)


def test_a_pool_has_its_own_replicas() -> None:
    plane = make(replicas=0, gateway=PATIENT)
    slot = plane.add_replica(1, 0, 1, 10)
    plane.set_ready(slot, True)
    plane.advance(1.0, np.zeros(1))
    assert gateway_count(plane, lay.I_NO_UPSTREAM) == 1
    assert replica_count(plane, lay.R_ACCEPTED, slot) == 0


def test_first_come_is_first_served_also_at_the_same_time() -> None:
    plane = make(concurrency=10)
    plane.advance(10.0, np.zeros(40))
    assert plane.jobs[:, 0].tolist() == list(range(40))
    assert (plane.jobs[:, 6] == SERVED).all()
    assert plane.jobs[:, 5].tolist() == np.repeat([1.0, 2.0, 3.0, 4.0], 10).tolist()
