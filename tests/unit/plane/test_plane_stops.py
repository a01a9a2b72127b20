"""A replica that is stopped: what it had, what is sent to it, and what becomes of both."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plane_kit import FAILED, OK, PATIENT, SLOW, make, poisson, replica_count, responses

from drillbox.sandbox.model.service import Fallback, Gateway
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.plane import ClientPolicy

IMPATIENT = Gateway(timeout=2.0, retries=0)


def ends(plane: object) -> dict[int, tuple[float, float]]:
    """When each request was decided, and how, by its index."""
    return {int(record[0]): (float(record[2]), float(record[3])) for record in plane.records}  # type: ignore[attr-defined]


def test_what_was_done_meanwhile_is_answered_when_it_goes_on_and_the_rest_in_its_time() -> None:
    plane = make(concurrency=2)
    plane.advance(0.8, np.array([0.0, 0.7]))
    plane.stop_replica(0)
    plane.advance(1.3)
    assert len(plane.records) == 0
    plane.carry_on_replica(0)
    plane.finish()
    assert ends(plane) == {0: (1.3, SLOW), 1: (pytest.approx(1.7), OK)}


def test_what_is_sent_there_waits_without_bounds_and_is_served_if_somebody_still_waits() -> None:
    plane = make(concurrency=1, queue=0)
    plane.stop_replica(0)
    plane.advance(0.5, np.zeros(5))
    assert replica_count(plane, lay.R_REJECTED) == 0
    assert replica_count(plane, lay.R_WAITING) == 5
    plane.carry_on_replica(0)
    plane.finish()
    assert sorted(end for end, _ in ends(plane).values()) == [1.5, 2.5, 3.5, 4.5, 5.5]


def test_whoever_waits_gets_an_error_at_the_gateways_timeout_and_leaves_nothing() -> None:
    plane = make(replicas=1, concurrency=1, gateway=IMPATIENT, clients=ClientPolicy(timeout=10.0))
    plane.advance(0.5, np.array([0.0, 0.2]))
    plane.stop_replica(0)
    plane.advance(3.0, np.array([0.6]), first=2)
    assert ends(plane) == {0: (2.0, FAILED), 1: (2.2, FAILED), 2: (2.6, FAILED)}
    assert responses(plane)["5xx"] == 3
    assert plane.is_empty(0)
    assert replica_count(plane, lay.R_CANCELLED) == 0, "nobody is there to notice"
    plane.carry_on_replica(0)
    plane.advance(5.0, np.array([3.5]), first=3)
    assert ends(plane)[3] == (4.5, OK)
    assert replica_count(plane, lay.R_WASTED) == 0


def test_the_gateway_prefers_those_with_less_outstanding() -> None:
    plane = make(replicas=4, concurrency=4, gateway=IMPATIENT, clients=ClientPolicy(timeout=10.0))
    plane.stop_replica(2)
    plane.advance(30.0, poisson(8.0, 200)[:200].clip(max=30.0))
    failed = plane.counts().failed
    assert 5 < failed < 40, "of some fifty that it would get if it answered"


def test_a_kill_of_one_that_is_stopped_frees_whoever_waits_and_the_next_process_runs() -> None:
    plane = make(replicas=2, concurrency=1, gateway=Gateway(timeout=math.inf, retries=1))
    plane.stop_replica(0)
    plane.advance(0.5, np.zeros(4))
    waiting = replica_count(plane, lay.R_WAITING)
    assert waiting > 0
    plane.kill_replica(0)
    assert replica_count(plane, lay.R_BROKEN) == waiting
    plane.finish()
    assert plane.counts().failed == 0
    plane.set_ready(0, True)
    plane.set_ready(1, False)
    plane.advance(plane.now + 2.0, np.array([plane.now]), first=4)
    assert replica_count(plane, lay.R_SERVED) == 1


def test_more_than_there_is_room_for_can_wait() -> None:
    plane = make(concurrency=4, gateway=PATIENT)
    plane.advance(0.5, np.zeros(4))
    plane.stop_replica(0)
    plane.advance(5.0, np.linspace(0.5, 5.0, 5000), first=4)
    plane.carry_on_replica(0)
    plane.finish(limit=3600.0)
    assert plane.decided == 5004
    assert plane.is_empty(0)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.05, 1.0), st.sampled_from(("stop", "carry on", "kill"))), max_size=8),
    st.sampled_from(Fallback),
    st.booleans(),
    st.integers(0, 3),
)
def test_every_request_is_decided_once_and_nothing_is_left(
    steps: list[tuple[float, str]], fallback: Fallback, cancel: bool, queue: int
) -> None:
    plane = make(
        replicas=2,
        concurrency=2,
        queue=queue,
        gateway=Gateway(timeout=1.5, retries=1),
        fallback=fallback,
        clients=ClientPolicy(timeout=2.0, retries=1, backoff=0.1, limit=1.0),
        cancel_on_timeout=cancel,
    )
    first = 0
    for span, what in steps:
        until = plane.now + span
        times = np.linspace(plane.now, until, 6)
        plane.advance(until, times, first=first)
        first += 6
        {"stop": plane.stop_replica, "carry on": plane.carry_on_replica, "kill": plane.kill_replica}[what](0)
        plane.set_ready(0, True)
    plane.carry_on_replica(0)
    plane.finish()
    counts = plane.counts()
    assert counts.failed + counts.slow + counts.ok == plane.decided == first
    assert sorted(plane.records[:, 0].tolist()) == list(range(first))
    plane.advance(plane.now + 10.0)
    for slot in (0, 1):
        assert plane.is_empty(slot)
        assert replica_count(plane, lay.R_BUSY, slot) == replica_count(plane, lay.R_WAITING, slot) == 0
    assert int(plane.state.i[lay.I_ACTIVE]) == int(plane.state.i[lay.I_JOBS]) == 0
