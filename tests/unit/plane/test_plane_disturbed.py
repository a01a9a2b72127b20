"""Delays and aborts at the gateway, which come before everything else there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plane_kit import FAILED, first_tries, gateway_count, make, poisson, responses

from drillbox.sandbox.model.service import Fallback, Gateway
from drillbox.stacks.control_plane.gateway_faults import Injected
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.plane import ClientPolicy, Plane, ServiceTime

TENTH = ServiceTime.constant(0.1)
COUNT = 2000
TIMES = poisson(200.0, COUNT)


def played(injected: Injected, seed: int = 1, replicas: int = 4, service: ServiceTime = TENTH, rate: float = 1.0) -> Plane:
    """A run without queues and without clients that come back: whoever fails was aborted."""
    plane = make(service, seed=seed, replicas=replicas, concurrency=1000, record=2 * COUNT)
    plane.inject(injected)
    plane.advance(TIMES[-1] / rate + 60.0, TIMES / rate)
    return plane


def aborted(plane: Plane) -> set[int]:
    return {int(row[0]) for row in plane.records if row[3] == FAILED}


# -------------------------------------------------------------------------------------------------------------------- aborts


@settings(max_examples=15)
@given(share=st.floats(0.0, 1.0), seed=st.integers(0, 2**32), delayed=st.sampled_from([0.0, 0.5, 1.0]))
def test_who_is_aborted_is_the_luck_of_seed_and_request_alone(share: float, seed: int, delayed: float) -> None:
    plane = played(Injected(0.2, delayed, share), seed)
    found = aborted(plane)
    assert abs(len(found) - COUNT * share) <= 6.0 * math.sqrt(COUNT * share * (1.0 - share)) + 1e-9
    assert found == aborted(played(Injected(0.2, delayed, share), seed))
    assert found == aborted(played(Injected(aborted=share), seed, replicas=9, rate=3.0)), "whatever else goes on"
    assert found <= aborted(played(Injected(aborted=min(1.0, share + 0.1)), seed)), "a larger share has them, too"
    assert responses(plane)["5xx"] == len(found)


def test_the_luck_of_everybody_else_stays_as_it_was() -> None:
    service = ServiceTime.lognormal(0.1, 0.8)
    usual, disturbed = played(Injected(), service=service), played(Injected(0.3, 0.5, 0.25), service=service)
    before, spans = first_tries(usual), first_tries(disturbed)
    assert spans.keys() == set(range(COUNT)) - aborted(disturbed)
    assert spans == pytest.approx({index: before[index] for index in spans})


def test_delay_and_abort_are_drawn_apart_from_each_other() -> None:
    hit = aborted(played(Injected(aborted=0.5)))
    late = {int(row[0]) for row in played(Injected(0.5, 0.5)).records if row[2] - row[1] > 0.3}
    assert len(hit & late) == pytest.approx(COUNT / 4, abs=6.0 * math.sqrt(COUNT * 3.0 / 16.0))


def test_an_abort_is_not_tried_again_by_the_gateway_and_clients_come_back_by_their_policy() -> None:
    plane = make(
        TENTH, concurrency=1000, clients=ClientPolicy(retries=2), gateway=Gateway(timeout=5.0, retries=3, retry_budget=1.0)
    )
    plane.inject(Injected(aborted=1.0))
    plane.advance(60.0, TIMES[:100])
    assert gateway_count(plane, lay.I_RETRY) == 0
    assert responses(plane) == {"2xx": 0, "4xx": 0, "5xx": 300, "0": 0}
    assert plane.counts().failed == 100
    assert not len(plane.jobs)
    assert plane.state.latency_sum[2] == 0.0, "at once"


def test_an_abort_comes_before_what_sheds_load_and_before_the_mirror() -> None:
    plane = make(TENTH, concurrency=1000, gateway=Gateway(timeout=5.0, shed=1.0, shadow_share=1.0))
    plane.set_ready(plane.add_replica(2, 0, 1000, 0), True)
    plane.inject(Injected(aborted=1.0))
    plane.advance(60.0, TIMES[:50])
    assert gateway_count(plane, lay.I_SHED) == 0
    assert responses(plane)["5xx"] == 50
    assert not len(plane.jobs)


# -------------------------------------------------------------------------------------------------------------------- delays


def test_a_delay_is_in_the_latency_of_those_that_it_meets() -> None:
    plane = played(Injected(0.4, 0.3))
    spans = plane.records[:, 2] - plane.records[:, 1]
    met = np.isclose(spans, 0.5)
    assert np.isclose(spans[~met], 0.1).all()
    assert met.sum() == pytest.approx(0.3 * COUNT, abs=6.0 * math.sqrt(COUNT * 0.21))
    assert plane.state.latency_sum[0] == pytest.approx(spans.sum()), "the gateway's own measurement"


def test_the_gateways_timeout_begins_after_the_delay() -> None:
    plane = make(TENTH, gateway=Gateway(timeout=0.2, retries=0))
    plane.inject(Injected(1.0, 1.0))
    plane.advance(5.0, np.array([1.0]))
    assert responses(plane)["2xx"] == 1
    slow = make(ServiceTime.constant(1.0), gateway=Gateway(timeout=0.2, retries=0))
    slow.inject(Injected(1.0, 1.0))
    slow.advance(5.0, np.array([1.0]))
    assert responses(slow)["5xx"] == 1
    assert slow.records[0, 2] == pytest.approx(2.2)


@pytest.mark.parametrize(("delay", "reaches"), [(0.2, 1), (0.25, 0), (9.0, 0)])
def test_a_client_hangs_up_while_the_gateway_holds_its_request_or_later(delay: float, reaches: int) -> None:
    plane = make(ServiceTime.constant(0.1), clients=ClientPolicy(timeout=0.25), gateway=Gateway(timeout=0.2))
    plane.inject(Injected(delay, 1.0))
    plane.advance(20.0, np.array([1.0]))
    assert responses(plane) == {"2xx": 0, "4xx": 0, "5xx": 0, "0": 1}
    assert plane.records[0, 2] == pytest.approx(1.25)
    assert len(plane.jobs) == reaches
    assert gateway_count(plane, lay.I_HELD) == gateway_count(plane, lay.I_ACTIVE) == 0


def test_what_is_held_is_no_part_of_the_retry_budget() -> None:
    plane = make(ServiceTime.constant(100.0), concurrency=1000, gateway=Gateway(timeout=500.0, retry_budget=0.5))
    plane.advance(1.0, np.full(4, 0.5))
    plane.inject(Injected(50.0, 1.0))
    plane.advance(2.0, np.full(100, 1.5), 4)
    assert gateway_count(plane, lay.I_ACTIVE) == 104
    assert gateway_count(plane, lay.I_HELD) == 100
    plane.inject(Injected())
    plane.set_clients(ClientPolicy(timeout=0.1, retries=1, backoff=0.0))
    plane.set_gateway(Gateway(timeout=500.0, retry_budget=0.5), Fallback.OFF)
    plane.advance(5.0, np.full(50, 2.5), 104)
    assert gateway_count(plane, lay.I_OVERFLOW) > 0, "50 come back: half of what is in flight, if the 100 counted"
    assert gateway_count(plane, lay.I_HELD) == 100, "who is held stays so when the fault is over"
    plane.advance(60.0)
    assert gateway_count(plane, lay.I_HELD) == 0


@pytest.mark.parametrize(
    "injected",
    [Injected(-1.0, 1.0), Injected(math.inf, 1.0), Injected(0.1, 1.1), Injected(aborted=-0.1), Injected(aborted=math.nan)],
)
def test_what_is_no_disturbance_is_an_error(injected: Injected) -> None:
    with pytest.raises(ValueError, match="not a disturbance"):
        make().inject(injected)
