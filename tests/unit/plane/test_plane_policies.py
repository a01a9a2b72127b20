"""Clients' and gateway's policies: timeouts, retries, budgets, shedding, canary, shadow, fallback."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plane_kit import (
    BESIDE,
    FAILED,
    GIVEN_UP,
    SERVED,
    UNBOUNDED,
    first_tries,
    gateway_count,
    make,
    poisson,
    replica_count,
    responses,
)  # fmt: skip

from drillbox.sandbox.model.service import Fallback, Gateway
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.plane import ClientPolicy, Model, Plane, ServiceTime

AT_ONCE = np.zeros(1)


# ----------------------------------------------------------------------------------------------------------------- timeouts


def test_a_client_hangs_up_but_the_server_does_the_work() -> None:
    plane = make(clients=ClientPolicy(timeout=0.4))
    plane.advance(0.5, AT_ONCE)
    assert plane.records.tolist() == [[0, 0.0, 0.4, FAILED, 1]]
    assert responses(plane) == {"2xx": 0, "4xx": 0, "5xx": 0, "0": 1}
    plane.advance(2.0)
    assert plane.busy_seconds(0) == 1.0
    assert (replica_count(plane, lay.R_SERVED), replica_count(plane, lay.R_WASTED)) == (1, 1)
    assert plane.state.answered.sum() == 0


def test_the_gateway_gives_504_before_a_client_hangs_up() -> None:
    plane = make(clients=ClientPolicy(timeout=0.5), gateway=Gateway(timeout=0.4, retries=5))
    plane.advance(2.0, AT_ONCE)
    assert plane.records.tolist() == [[0, 0.0, 0.4, FAILED, 1]]
    assert responses(plane)["5xx"] == 1
    assert gateway_count(plane, lay.I_RETRY) == 0


def test_who_timed_out_is_settled_when_the_attempt_is_sent() -> None:
    plane = make(clients=ClientPolicy(timeout=0.5))
    plane.advance(0.1, AT_ONCE)
    plane.set_gateway(Gateway(timeout=0.2, retries=0), Fallback.OFF)
    plane.advance(2.0)
    assert plane.records[0, 2] == 0.5
    assert responses(plane)["0"] == 1


def test_servers_that_cancel_free_the_slot_and_the_place_in_the_queue() -> None:
    plane = make(clients=ClientPolicy(timeout=0.6), cancel_on_timeout=True, queue=2)
    plane.advance(3.0, np.array([0.0, 0.1, 0.5]))
    # The second takes the slot over when the first gives up, is given up itself in its middle, and so on.
    np.testing.assert_allclose(plane.jobs[:, 3:6], [[0.0, 0.0, 0.6], [0.1, 0.6, 0.7], [0.5, 0.7, 1.1]])
    assert plane.jobs[:, 6].tolist() == [GIVEN_UP] * 3
    assert plane.busy_seconds(0) == pytest.approx(1.1)
    assert replica_count(plane, lay.R_WASTED) == 0
    assert replica_count(plane, lay.R_CANCELLED) == 3


def test_who_gives_up_in_the_queue_makes_room_there() -> None:
    plane = make(cancel_on_timeout=True, queue=2)
    plane.advance(0.0, np.zeros(1))
    plane.set_clients(ClientPolicy(timeout=0.25))
    plane.advance(0.5, np.array([0.0, 0.125, 0.25, 0.375, 0.5]), 1)
    # 1 and 2 wait; 3 takes the place of 1, 4 that of 2, 5 that of 3.
    assert [record[0] for record in plane.records] == [1, 2, 3]
    assert plane.jobs[:, [0, 3, 5, 6]].tolist() == [
        [1, 0.0, 0.25, GIVEN_UP],
        [2, 0.125, 0.375, GIVEN_UP],
        [3, 0.25, 0.5, GIVEN_UP],
    ]
    assert np.isinf(plane.jobs[:, 4]).all()
    assert (replica_count(plane, lay.R_WAITING), replica_count(plane, lay.R_REJECTED)) == (2, 0)
    assert plane.state.rf[0, lay.RF_QUEUE] == 0.875
    plane.advance(0.5, np.full(1, 0.5), 6)
    assert replica_count(plane, lay.R_REJECTED) == 1
    plane.kill_replica(0)
    assert (replica_count(plane, lay.R_BROKEN), replica_count(plane, lay.R_CANCELLED)) == (3, 3)
    assert plane.counts().failed == plane.decided == 7


def test_a_slot_passes_over_those_who_gave_up() -> None:
    plane = make(cancel_on_timeout=True)
    plane.advance(0.0, np.zeros(1))
    plane.set_clients(ClientPolicy(timeout=0.25))
    plane.advance(0.5, np.array([0.0, 0.0]), 1)
    plane.set_clients(ClientPolicy())
    plane.advance(0.5, np.full(2, 0.5), 3)
    plane.finish()
    assert plane.jobs[:, [0, 4, 5]].tolist()[2:] == [[0, 0.0, 1.0], [3, 1.0, 2.0], [4, 2.0, 3.0]]
    assert plane.is_empty(0)


def test_an_answer_in_time_takes_its_deadline_away() -> None:
    plane = make(clients=ClientPolicy(timeout=10.0), concurrency=2)
    plane.advance(0.0, np.zeros(3))  # the third waits until 1 and is served until 2
    plane.set_clients(ClientPolicy(timeout=5.0))
    plane.advance(0.0, np.zeros(1), 3)  # waits as well; its deadline comes before that of the third
    plane.advance(2.5)
    assert plane.counts().slow + plane.counts().ok == 4
    plane.set_clients(ClientPolicy(timeout=20.0))
    plane.set_slowness(0, 12.0)
    plane.advance(30.0, np.full(4, 2.5), 4)  # in the same rows of memory, past both old deadlines
    assert plane.records[4:, 2].tolist() == [14.5, 14.5, 22.5, 22.5]
    assert plane.records[4:, 3].tolist() == [1, 1, FAILED, FAILED]


def test_a_shorter_timeout_overtakes_the_deadlines_of_a_longer_one() -> None:
    plane = make(clients=ClientPolicy(timeout=10.0))
    plane.advance(1.0, np.zeros(20))
    plane.set_clients(ClientPolicy(timeout=0.5))
    plane.advance(1.0, np.full(3, 1.0), 20)
    plane.set_clients(ClientPolicy(timeout=0.25))
    plane.advance(2.0, np.full(2, 1.2), 23)
    ends = {int(record[0]): record[2] for record in plane.records}
    assert {index: ends[index] for index in range(20, 25)} == {20: 1.5, 21: 1.5, 22: 1.5, 23: 1.45, 24: 1.45}
    plane.advance(20.0)
    # The last two hung up before the longer deadlines; of the twenty, ten were answered in ten seconds, the last just in time.
    assert [plane.records[plane.records[:, 0] == index, 3][0] != FAILED for index in range(20)] == [True] * 10 + [False] * 10


# ------------------------------------------------------------------------------------------------------------------ retries


def test_clients_come_back_with_full_jitter_until_their_retries_are_used_up() -> None:
    count = 4000
    policy = ClientPolicy(timeout=0.5, retries=3, backoff=0.2, limit=0.5)
    plane = make(ServiceTime.constant(3600.0), concurrency=UNBOUNDED, clients=policy, gateway=Gateway(math.inf, 0, 100.0))
    times = poisson(100.0, count)
    plane.advance(times[-1], times)
    plane.finish()
    assert plane.counts().failed == count
    assert responses(plane)["0"] == 4 * count
    slot, sent = plane.state.j[:, lay.J_STATE] != 0, plane.state.jf[:, lay.JF_ARRIVAL]
    index, attempt = plane.state.job_index[slot], plane.state.j[slot, lay.J_TRY] // 65536
    table = np.full((count, 4), np.nan)
    table[index, attempt] = sent[slot]
    pauses = np.diff(table, axis=1) - 0.5
    for k, longest in enumerate((0.2, 0.4, 0.5)):
        assert pauses[:, k].min() > -1e-9
        assert 0.99 * longest < pauses[:, k].max() < longest
        assert pauses[:, k].mean() == pytest.approx(longest / 2.0, rel=0.03)
    assert abs(np.corrcoef(pauses[:, 0], pauses[:, 1])[0, 1]) < 0.05


def test_the_gateway_tries_again_at_another_pick() -> None:
    plane = make(replicas=2, queue=0, gateway=Gateway(timeout=5.0, retries=20, retry_budget=1.0))
    plane.advance(0.5, np.zeros(2))
    assert plane.counts().failed == 0
    assert replica_count(plane, lay.R_BUSY, 0) == replica_count(plane, lay.R_BUSY, 1) == 1
    plane.advance(0.5, np.full(1, 0.5), 2)
    assert plane.counts().failed == 1
    assert gateway_count(plane, lay.I_RETRY) >= 20
    assert (
        replica_count(plane, lay.R_REJECTED, 0) + replica_count(plane, lay.R_REJECTED, 1) == gateway_count(plane, lay.I_RETRY) + 1
    )


def test_without_a_ready_replica_the_gateway_answers_503_at_once_and_does_not_try_again() -> None:
    plane = make(replicas=0, gateway=Gateway(timeout=5.0, retries=3))
    plane.advance(1.0, np.array([0.25]))
    assert plane.records.tolist() == [[0, 0.25, 0.25, FAILED, 1]]
    assert (gateway_count(plane, lay.I_NO_UPSTREAM), gateway_count(plane, lay.I_RETRY)) == (1, 0)


def test_retries_in_flight_stay_within_the_budget() -> None:
    # At t = 1 a hundred hang up and are back at once, while twenty others are in flight. The sixth finds 5 retries among 26
    # requests, below 20%; the seventh finds 6 among 27.
    policy = ClientPolicy(timeout=1.0, retries=1, backoff=0.0, limit=0.0)
    plane = make(ServiceTime.constant(3600.0), concurrency=UNBOUNDED, clients=policy, gateway=Gateway(math.inf, 0, 0.2))
    plane.advance(0.5, np.zeros(100))
    plane.advance(1.5, np.full(20, 0.75), 100)
    assert gateway_count(plane, lay.I_ACTIVE_RETRIES) == 6
    assert gateway_count(plane, lay.I_OVERFLOW) == 94
    assert responses(plane)["5xx"] == 94
    assert replica_count(plane, lay.R_ACCEPTED) == 126
    plane.finish()
    assert gateway_count(plane, lay.I_ACTIVE_RETRIES) == gateway_count(plane, lay.I_ACTIVE) == 0


def test_retries_of_the_gateway_use_the_same_budget() -> None:
    plane = make(queue=0, gateway=Gateway(timeout=5.0, retries=1, retry_budget=0.0))
    plane.advance(0.0, np.zeros(50))
    # Refused attempts end at once, so that each of them may be tried again.
    assert gateway_count(plane, lay.I_RETRY) == 49
    plane = make(replicas=1, queue=UNBOUNDED, gateway=Gateway(timeout=5.0, retries=1, retry_budget=0.0))
    plane.advance(0.0, np.zeros(50))
    plane.set_ready(plane.add_replica(0, 0, 1, UNBOUNDED), True)
    plane.kill_replica(0)
    # Those that broke are still in flight: three may be tried again.
    assert (gateway_count(plane, lay.I_RETRY), gateway_count(plane, lay.I_OVERFLOW)) == (3, 47)


def small_service(retry_budget: float) -> Plane:
    """80 requests a second can be served; a full queue takes 1.5 s, far longer than clients wait."""
    return make(
        ServiceTime.exponential(0.05),
        replicas=2,
        concurrency=2,
        queue=60,
        clients=ClientPolicy(timeout=0.5, retries=4, backoff=0.1, limit=1.0),
        gateway=Gateway(timeout=0.5, retries=0, retry_budget=retry_budget),
        record=0,
    )


def goodput(plane: Plane, rate: float, seconds: float, first: int) -> tuple[float, int]:
    """Share of `seconds` of requests that are answered, and the index of the next request."""
    times = poisson(rate, int(rate * seconds), first, plane.now)
    before, size = plane.counts(), len(times)
    plane.advance(float(times[-1]), times, first)
    after = plane.counts()
    return (after.ok + after.slow - before.ok - before.slow) / size, first + size


@pytest.mark.parametrize(("retry_budget", "recovers"), [(100.0, False), (0.1, True)])
def test_retries_sustain_an_overload_unless_a_budget_bounds_them(retry_budget: float, recovers: bool) -> None:
    plane = small_service(retry_budget)
    healthy, first = goodput(plane, 55.0, 60.0, 0)
    assert healthy > 0.99
    spike, first = goodput(plane, 200.0, 20.0, first)
    assert spike < 0.5
    _, first = goodput(plane, 55.0, 60.0, first)
    after, first = goodput(plane, 55.0, 120.0, first)
    assert after > 0.99 if recovers else after < 0.2
    plane.set_clients(ClientPolicy(timeout=0.5, retries=0))
    _, first = goodput(plane, 55.0, 60.0, first)
    assert goodput(plane, 55.0, 60.0, first)[0] > 0.95


# ----------------------------------------------------------------------------------------------------------------- shedding


def test_shed_requests_get_429_at_once_and_touch_no_server() -> None:
    count = 20_000
    plane = make(
        ServiceTime.constant(0.0), gateway=Gateway(timeout=1.0, retries=3, shed=0.3), clients=ClientPolicy(1.0, 3), record=count
    )
    times = poisson(100.0, count)
    plane.advance(times[-1], times)
    shed = gateway_count(plane, lay.I_SHED)
    assert responses(plane) == {"2xx": count - shed, "4xx": shed, "5xx": 0, "0": 0}
    assert abs(shed / count - 0.3) < 3.0 * math.sqrt(0.3 * 0.7 / count)
    assert (plane.counts().failed, replica_count(plane, lay.R_ACCEPTED)) == (shed, count - shed)
    assert plane.state.latency_sum[1] == 0.0


def test_clients_may_be_told_to_retry_a_429() -> None:
    count = 20_000
    policy = ClientPolicy(1.0, 1, 0.0, 0.0, retry_refused=True)
    plane = make(ServiceTime.constant(0.0), gateway=Gateway(timeout=1.0, retries=0, shed=0.3), clients=policy)
    plane.advance(500.0, poisson(100.0, count))
    assert abs(plane.counts().failed / count - 0.09) < 3.0 * math.sqrt(0.09 * 0.91 / count)


def test_a_larger_share_sheds_the_same_requests_and_more() -> None:
    shed = []
    for share in (0.1, 0.5):
        plane = make(ServiceTime.constant(0.0), gateway=Gateway(timeout=1.0, retries=0, shed=share))
        plane.advance(1.0, np.linspace(0.0, 1.0, 500))
        shed.append(set(plane.records[plane.records[:, 3] == FAILED, 0]))
    assert shed[0] < shed[1]


# ---------------------------------------------------------------------------------------------------------- canary and shadow


def three_pools(**gateway: float) -> Plane:
    models = [Model(ServiceTime.constant(0.001), np.array([cost])) for cost in (1.0, 10.0, 100.0)]
    plane = make(replicas=0, gateway=Gateway(timeout=1.0, retries=0, **gateway), models=models, record=5000)
    for pool in range(3):
        plane.set_ready(plane.add_replica(pool, pool, 4, 100), True)
    return plane


def test_the_canary_gets_its_share_and_each_request_always_the_same_pool() -> None:
    count, share = 5000, 0.2
    plane = three_pools(canary_weight=share)
    plane.advance(50.0, np.linspace(0.0, 50.0, count))
    plane.finish()
    (champion, _), (candidate, _), (shadow, _) = plane.state.answered.tolist()
    assert champion + candidate == count
    assert shadow == 0
    assert abs(candidate / count - share) < 3.0 * math.sqrt(share * (1.0 - share) / count)
    assert plane.counts().prediction_cost == champion * 1.0 + candidate * 10.0
    wider = three_pools(canary_weight=0.5)
    wider.advance(50.0, np.linspace(0.0, 50.0, count))
    canaries = [set(p.jobs[p.jobs[:, 2] == 1, 0]) for p in (plane, wider)]
    assert canaries[0] < canaries[1]


def test_mirrored_copies_load_the_shadow_and_answer_nobody() -> None:
    count, share = 5000, 0.4
    plane, alone = three_pools(shadow_share=share), three_pools()
    for each in (plane, alone):
        each.advance(50.0, np.linspace(0.0, 50.0, count))
        each.finish()
    copies = replica_count(plane, lay.R_SERVED, 2)
    assert abs(copies / count - share) < 3.0 * math.sqrt(share * (1.0 - share) / count)
    assert replica_count(plane, lay.R_WASTED, 2) == 0
    assert plane.counts() == alone.counts()
    np.testing.assert_array_equal(plane.records, alone.records)
    np.testing.assert_array_equal(plane.state.histogram, alone.state.histogram)


def test_a_dead_or_full_shadow_harms_nobody() -> None:
    plane = three_pools(shadow_share=1.0)
    plane.set_capacity(2, 1, 0)
    plane.set_slowness(2, 1e6)
    plane.advance(1.0, np.linspace(0.0, 1.0, 100))
    assert replica_count(plane, lay.R_REJECTED, 2) == 99
    plane.kill_replica(2)
    plane.advance(2.0, np.linspace(1.0, 2.0, 100), 100)
    plane.finish()
    assert plane.counts().ok == 200
    assert gateway_count(plane, lay.I_NO_UPSTREAM) == 0


# ----------------------------------------------------------------------------------------------------------------- fallback


def test_fallback_on_overflow_answers_from_rules_beside_a_full_queue() -> None:
    plane = make(queue=1, fallback=Fallback.OVERFLOW, rules_time=0.25, rules_costs=np.array([7.0]))
    plane.advance(5.0, np.zeros(4))
    assert plane.counts().ok == 3
    assert plane.counts().slow == 1  # the one that waited
    assert plane.state.answered[0].tolist() == [2, 2]
    assert plane.counts().prediction_cost == 14.0
    assert plane.jobs[:, 6].tolist() == [BESIDE, BESIDE, SERVED, SERVED]
    assert plane.jobs[:2, 5].tolist() == [0.25, 0.25]
    assert plane.busy_seconds(0) == 2.0
    counted = [replica_count(plane, column) for column in (lay.R_ACCEPTED, lay.R_SERVED, lay.R_RULES, lay.R_REJECTED)]
    assert counted == [4, 4, 2, 0]


def test_fallback_always_serves_all_from_rules_in_the_slots() -> None:
    plane = make(fallback=Fallback.ALWAYS, rules_time=0.25)
    plane.advance(5.0, np.zeros(4))
    assert plane.records[:, 2].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert plane.state.answered[0].tolist() == [0, 4]
    assert plane.busy_seconds(0) == 1.0


def test_what_waits_keeps_the_source_it_came_for() -> None:
    plane = make(fallback=Fallback.ALWAYS, rules_time=0.25)
    plane.advance(0.0, np.zeros(2))
    plane.set_gateway(Gateway(timeout=math.inf), Fallback.OFF)
    plane.advance(5.0, np.array([0.1]), 2)
    assert plane.state.answered[0].tolist() == [1, 2]


# ------------------------------------------------------------------------------------------------------------------- ledger


def test_warm_up_is_served_but_not_counted() -> None:
    plane = make(
        ServiceTime.constant(0.5), start=-10.0, concurrency=2, models=[Model(ServiceTime.constant(0.5), np.array([3.0]))]
    )
    plane.advance(1.0, np.array([-9.0, -0.25, 0.0]))
    assert (plane.counts().ok, plane.counts().prediction_cost, plane.decided) == (1, 3.0, 3)
    assert plane.state.answered[0, 0] == 3


def test_slow_is_later_than_the_bound_since_the_first_attempt() -> None:
    plane = make(ServiceTime.constant(0.5), slow_bound=0.5, concurrency=3)
    plane.advance(1.0, np.zeros(1))
    plane.set_slowness(0, 1.001)
    plane.advance(2.0, np.full(1, 1.0), 1)
    assert (plane.counts().ok, plane.counts().slow) == (1, 1)
    # The second attempt is fast, but the request came long before.
    plane = make(ServiceTime.constant(0.3), slow_bound=0.5, concurrency=3, clients=ClientPolicy(0.4, 1, 0.0, 0.0))
    plane.set_slowness(0, 10.0)
    plane.advance(0.1, np.zeros(1))
    plane.set_slowness(0, 1.0)
    plane.advance(2.0)
    assert plane.records[:, 2].tolist() == pytest.approx([0.7])
    assert (plane.counts().ok, plane.counts().slow) == (0, 1)


@given(st.lists(st.floats(0.001, 5.0), min_size=1, max_size=30))
def test_the_histogram_counts_latencies_up_to_each_bound(latencies: list[float]) -> None:
    plane = make(replicas=0, models=[Model(ServiceTime.constant(value)) for value in latencies], concurrency=1)
    for place in range(len(latencies)):
        slot = plane.add_replica(0, place, 1, 0)
        plane.set_ready(slot, True)
        plane.advance(plane.now, np.array([plane.now]), place)
        plane.drain_replica(slot)
    plane.finish()
    expected = [sum(value <= bound for value in latencies) for bound in (*plane.state.bounds, math.inf)]
    assert plane.state.histogram[0].cumsum().tolist() == expected
    assert plane.state.latency_sum[0] == pytest.approx(sum(latencies))


# --------------------------------------------------------------------------------------------------------------------- luck

SPREAD = ServiceTime.lognormal(1.0, 1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"gateway": Gateway(timeout=math.inf, retries=0, shed=0.5)},
        {"gateway": Gateway(timeout=3.0, retries=2)},
        {"replicas": 5},
        {"queue": 2},
        {"clients": ClientPolicy(timeout=2.0, retries=2)},
        {"concurrency": 7},
    ],
    ids=["shedding", "timeouts", "replicas", "queue", "retries", "concurrency"],
)
def test_changes_do_not_shift_the_luck_of_others(change: dict[str, object]) -> None:
    usual: dict[str, object] = {"replicas": 2, "concurrency": 2}
    times = poisson(4.0, 500)
    lucks = []
    for options in (usual, usual | change):
        plane = make(SPREAD, **options)  # type: ignore[arg-type]
        plane.advance(times[-1], times)
        plane.finish()
        lucks.append(first_tries(plane))
    common = sorted(lucks[0].keys() & lucks[1].keys())
    assert len(common) > 50
    np.testing.assert_allclose([lucks[0][index] for index in common], [lucks[1][index] for index in common], rtol=1e-9)


def test_every_attempt_has_its_own_luck() -> None:
    plane = make(SPREAD, concurrency=UNBOUNDED, clients=ClientPolicy(timeout=0.01, retries=1), record=5000)
    plane.set_gateway(Gateway(math.inf, 0, 100.0), Fallback.OFF)
    plane.advance(1.0, np.linspace(0.0, 1.0, 1000))
    plane.finish()
    plane.advance(1000.0)
    spans = plane.jobs[:, 5] - plane.jobs[:, 4]
    first, second = plane.jobs[:, 1] == 0, plane.jobs[:, 1] == 65536
    order_first, order_second = np.argsort(plane.jobs[first, 0]), np.argsort(plane.jobs[second, 0])
    pairs = np.log(spans[first][order_first]), np.log(spans[second][order_second])
    assert len(pairs[0]) == len(pairs[1]) == 1000
    assert abs(np.corrcoef(*pairs)[0, 1]) < 0.1
