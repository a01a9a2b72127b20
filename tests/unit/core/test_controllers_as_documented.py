"""The service's own controllers against what their sources document."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from drillbox.sandbox.control import autoscaler, canary, restart, rollout
from drillbox.sandbox.control.autoscaler import Observed, State
from drillbox.sandbox.control.canary import Move, Tally
from drillbox.sandbox.model.service import Autoscaler

WIDE = Autoscaler(enabled=True, minimum=1, maximum=1000, target=0.5)


def wanted(observed: Observed, spec: Autoscaler = WIDE, state: State | None = None, now: float = 0.0) -> int:
    return autoscaler.decide(observed, spec, state or State(), now)[0]


@pytest.mark.parametrize(
    ("replicas", "utilisation", "target", "recommended"),
    [
        # "if the current metric value is 200m, and the desired value is 100m, the number of replicas will be doubled"
        (3, 0.2, 0.1, 6),
        # "if the current value is instead 50m, you'll halve the number of replicas"
        (6, 0.05, 0.1, 3),
        # no scaling action while the ratio is close to 1, by default within a tenth
        (10, 0.55, 0.5, 10),
        (10, 0.45, 0.5, 10),
        (10, 0.5501, 0.5, 12),
        (10, 0.4499, 0.5, 9),
        # the product is rounded up
        (3, 0.9, 0.6, 5),
        (7, 0.3, 0.6, 4),
    ],
)
def test_documented_examples_of_the_autoscaler(replicas: int, utilisation: float, target: float, recommended: int) -> None:
    spec = Autoscaler(enabled=True, minimum=1, maximum=100, target=target)
    assert autoscaler.recommend(Observed(replicas, replicas, utilisation), spec) == recommended


def test_dust_of_floating_point_adds_no_replica() -> None:
    assert 0.65 / 0.15 * 3 > 13  # by a hair
    assert autoscaler.recommend(Observed(3, 3, 0.65), Autoscaler(True, 1, 100, 0.15)) == 13


def test_pods_that_are_not_ready_count_as_idle_when_scaling_up() -> None:
    """Four ready at 100% of a target of 50% ask for eight; with four more on the way there is nothing to do."""
    assert autoscaler.recommend(Observed(4, 4, 1.0), WIDE) == 8
    assert autoscaler.recommend(Observed(8, 4, 1.0), WIDE) == 8
    assert autoscaler.recommend(Observed(6, 4, 1.0), WIDE) == 8


@given(st.integers(1, 50), st.integers(0, 50), st.floats(0.0, 1.0), st.floats(0.05, 1.0))
def test_pods_that_are_not_ready_never_turn_the_direction(replicas: int, missing: int, utilisation: float, target: float) -> None:
    ready = max(1, replicas - missing)
    recommended = autoscaler.recommend(Observed(replicas, ready, utilisation), Autoscaler(True, 1, 1000, target))
    assert recommended is not None
    assert recommended >= replicas if utilisation > target else recommended <= replicas


def test_without_metrics_nothing_moves_and_nothing_is_recommended() -> None:
    state = State(((0.0, 9),))
    for observed in (Observed(5, 5, None), Observed(5, 0, 0.9)):
        assert autoscaler.decide(observed, WIDE, state, 15.0) == (5, state)


def test_scaling_up_at_most_doubles_or_adds_four() -> None:
    assert wanted(Observed(1, 1, 1.0), Autoscaler(True, 1, 100, 0.05)) == 5
    assert wanted(Observed(3, 3, 1.0), Autoscaler(True, 1, 100, 0.05)) == 7
    assert wanted(Observed(10, 10, 1.0), Autoscaler(True, 1, 100, 0.05)) == 20


def test_scaling_down_waits_for_the_highest_recommendation_of_five_minutes() -> None:
    state, now, replicas, seen = State(), 0.0, 8, []
    for now in range(0, 631, 15):
        utilisation = 0.5 if now == 120 else 0.25  # one moment that asks for all eight
        replicas, state = autoscaler.decide(Observed(replicas, replicas, utilisation), WIDE, state, float(now))
        seen.append((now, replicas))
    assert [at for at, count in seen if count == 8][-1] == 405, "the last moment within 300 s of the peak at 120 s"
    assert dict(seen)[420] == 4
    assert len(state.recommendations) == 300 / 15


def test_what_it_finds_at_first_counts_as_recommended() -> None:
    first, state = autoscaler.decide(Observed(8, 8, 0.1), WIDE, State(), 0.0)
    assert first == 8
    assert autoscaler.decide(Observed(8, 8, 0.1), WIDE, state, 299.0)[0] == 8
    assert autoscaler.decide(Observed(8, 8, 0.1), WIDE, state, 300.0)[0] == 2


def test_switched_off_it_does_nothing_and_forgets() -> None:
    off = Autoscaler(enabled=False, minimum=3, maximum=5)
    assert autoscaler.decide(Observed(9, 9, 1.0), off, State(((0.0, 9),)), 1.0) == (9, State())


def test_a_number_outside_the_bounds_is_brought_to_the_nearest_at_once() -> None:
    spec = Autoscaler(enabled=True, minimum=8, maximum=10, target=0.5)
    assert wanted(Observed(2, 2, 0.5), spec) == 8
    assert wanted(Observed(30, 30, 1.0), spec) == 10
    assert wanted(Observed(2, 0, None), spec) == 8


def test_none_at_all_was_scaled_by_hand_and_stays() -> None:
    assert wanted(Observed(0, 0, None), Autoscaler(enabled=True, minimum=2, maximum=10)) == 0


SEEN = st.builds(Observed, st.integers(1, 100), st.integers(0, 100), st.one_of(st.none(), st.floats(0.0, 1.0)))


@given(st.lists(SEEN, min_size=1, max_size=40), st.integers(1, 20), st.integers(0, 30), st.floats(0.05, 1.0))
def test_it_never_leaves_its_bounds_nor_bursts(seen: list[Observed], low: int, more: int, target: float) -> None:
    spec = Autoscaler(enabled=True, minimum=low, maximum=low + more, target=target)
    state = State()
    for index, observed in enumerate(seen):
        count, state = autoscaler.decide(observed, spec, state, 15.0 * index)
        assert spec.minimum <= count <= spec.maximum
        assert count <= max(observed.replicas + 4, 2 * observed.replicas, spec.minimum)
        assert len(state.recommendations) <= 21


def test_restarts_back_off_as_documented() -> None:
    state, now, delays = restart.State(), 100.0, []
    for _ in range(9):
        delay, state = restart.decide(state, now)
        delays.append(delay)
        now += delay + 1.0
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_ten_minutes_without_a_crash_reset_the_back_off() -> None:
    state = restart.State(crashes=5, running_since=1000.0)
    assert restart.decide(state, 1599.0) == (160.0, restart.State(6, 1759.0))
    assert restart.decide(state, 1600.0) == (0.0, restart.State(1, 1600.0))


@given(st.lists(st.floats(0.0, 700.0), max_size=30))
def test_the_back_off_stays_within_its_limit_and_starts_count_from_its_end(runs: list[float]) -> None:
    state, now = restart.State(), 0.0
    for run in runs:
        now = max(now, state.running_since) + run
        delay, state = restart.decide(state, now)
        assert 0 <= delay <= restart.LIMIT
        assert state.running_since == now + delay


class Deployment:
    """Pods of two versions: new ones come up when the test says so, old ready ones stay ready."""

    def __init__(self, pods: int, ready: int) -> None:
        self.other, self.other_ready, self.current, self.current_ready = pods, ready, 0, 0

    @property
    def available(self) -> int:
        return self.other_ready + self.current_ready

    def look(self, count: int) -> rollout.Decision:
        decision = rollout.decide(rollout.Observed(self.current, self.current_ready, self.other, self.other_ready), count)
        self.current += decision.create
        self.other -= decision.retire_unready + decision.retire_ready
        self.other_ready -= decision.retire_ready
        return decision


@given(st.integers(1, 20), st.integers(0, 20), st.lists(st.booleans(), max_size=60))
def test_a_rollout_keeps_its_bounds_and_comes_to_its_end(count: int, unready: int, luck: list[bool]) -> None:
    deployment = Deployment(count, max(0, count - unready))
    most, least = count + math.ceil(0.25 * count), count - math.floor(0.25 * count)
    for lucky in [*luck, *[True] * 200]:
        before = deployment.available
        deployment.look(count)
        assert deployment.current + deployment.other <= most
        assert deployment.available >= min(before, least), "a rollout never takes away what is needed"
        assert 0 <= deployment.other_ready <= deployment.other
        if lucky and deployment.current_ready < deployment.current:
            deployment.current_ready += 1
    assert (deployment.current, deployment.current_ready, deployment.other) == (count, count, 0)


def test_a_rollout_of_ten_as_the_documentation_tells_it() -> None:
    """Surge 25% rounds up (3 more), unavailable 25% rounds down (2 fewer)."""
    deployment = Deployment(10, 10)
    assert deployment.look(10) == rollout.Decision(create=3, retire_ready=2)
    assert deployment.look(10) == rollout.Decision(create=2)
    assert deployment.look(10).done
    deployment.current_ready = 5
    assert deployment.look(10) == rollout.Decision(create=0, retire_ready=5)


def test_a_single_pod_is_replaced_without_a_gap() -> None:
    deployment = Deployment(1, 1)
    assert deployment.look(1) == rollout.Decision(create=1)
    assert deployment.look(1).done
    deployment.current_ready = 1
    assert deployment.look(1) == rollout.Decision(retire_ready=1)


def test_a_release_that_never_gets_ready_stops_there() -> None:
    deployment = Deployment(4, 4)
    for _ in range(10):
        deployment.look(4)
    assert (deployment.available, deployment.current, deployment.other) == (3, 2, 3)


def test_a_release_that_never_gets_ready_is_taken_back_at_once() -> None:
    """Rolled back: the former version is the present one again, the two pods of the bad one go."""
    assert rollout.decide(rollout.Observed(3, 3, 2, 0), 4) == rollout.Decision(create=0, retire_unready=2)


def test_old_pods_that_may_yet_become_ready_are_not_all_thrown_away() -> None:
    """All four still start when a release begins: only what is more than needed goes."""
    assert rollout.decide(rollout.Observed(0, 0, 4, 0), 4) == rollout.Decision(create=1, retire_unready=1)


def test_scaled_to_nothing_a_rollout_retires_all() -> None:
    assert rollout.decide(rollout.Observed(0, 0, 3, 2), 0) == rollout.Decision(retire_unready=1, retire_ready=2)


TALLY = st.integers(1, 3000).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size)))


@given(TALLY, TALLY)
def test_the_canary_is_compared_by_fishers_exact_test(candidate: tuple[int, int], champion: tuple[int, int]) -> None:
    table = [[bad, size - bad] for bad, size in (candidate, champion)]
    chance = stats.fisher_exact(table, alternative="greater").pvalue
    if abs(chance - canary.LEVEL) > 1e-9:
        assert canary.worse(candidate, champion) == (chance < canary.LEVEL)


def test_one_unlucky_request_aborts_nothing() -> None:
    assert not canary.worse((1, 100), (0, 10_000))
    assert canary.worse((5, 100), (0, 10_000))
    assert not canary.worse((0, 0), (0, 10))
    assert not canary.worse((10, 10), (0, 0))


def test_the_comparison_of_millions_takes_no_time_to_speak_of() -> None:
    assert canary.worse((11_000, 1_000_000), (10_000, 1_000_000))
    assert not canary.worse((10_050, 1_000_000), (10_000, 1_000_000))


STEPS = (0.05, 0.25, 0.5)
FINE = Tally(1000, 2, 10)


def test_a_good_canary_goes_through_its_steps_and_is_promoted() -> None:
    weight, moves = 0.0, []
    for _ in range(4):
        decision = canary.decide(FINE, FINE, weight, STEPS)
        moves.append((decision.move, decision.weight))
        weight = decision.weight
    assert moves == [(Move.ADVANCE, 0.05), (Move.ADVANCE, 0.25), (Move.ADVANCE, 0.5), (Move.PROMOTE, 1.0)]


@pytest.mark.parametrize(
    ("candidate", "champion", "move", "reason"),
    [
        (Tally(99, 99, 99), FINE, Move.HOLD, "99 requests, 100 are needed"),
        (Tally(500, 0, 0), Tally(0, 0, 0), Move.HOLD, "the champion had no requests to compare with"),
        (Tally(500, 50, 0), FINE, Move.ABORT, "10.00% failed against 0.20%"),
        (Tally(500, 1, 100), FINE, Move.ABORT, "20.00% slow against 1.00%"),
    ],
)
def test_a_canary_holds_or_is_aborted_for_a_reason(candidate: Tally, champion: Tally, move: Move, reason: str) -> None:
    decision = canary.decide(candidate, champion, 0.25, STEPS)
    assert (decision.move, decision.reason) == (move, reason)
    assert decision.weight == (0.0 if move is Move.ABORT else 0.25)
