"""When a run of the retraining loop begins, as the pure decision: triggers, precedence, cooldown, freeze, schedule."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.control.retraining import Observed, Start, State, Trigger, decide, next_due
from drillbox.sandbox.model.service import Retraining

QUIET = Observed(drift=0.5, brier=0.15)
LOUD = Observed(drift=9.0, brier=0.4)
ALL = Retraining(every=24.0, drift=2.0, decay=0.25, cooldown=48.0, days=42)
LONG_AGO = State(due=100.0, began=-1000.0)


def begun(observed: Observed, spec: Retraining, state: State, now: float) -> Start:
    """The run that begins."""
    start, _ = decide(observed, spec, state, now)
    assert start is not None
    return start


@pytest.mark.parametrize(
    ("observed", "spec", "state", "expected"),
    [
        (QUIET, replace(ALL, requested="7d#3"), LONG_AGO, Start(Trigger.HAND, 7, "asked for, on 7 days")),
        (QUIET, ALL, replace(LONG_AGO, missed=2), Start(Trigger.CATCH_UP, 42, "2 missed runs are to be made up for")),
        (QUIET, ALL, replace(LONG_AGO, due=50.0), Start(Trigger.SCHEDULE, 42, "every 24 hours")),
        (Observed(2.5, 0.15), ALL, LONG_AGO, Start(Trigger.DRIFT, 42, "drift 2.50 is above 2")),
        (Observed(0.5, 0.26), ALL, LONG_AGO, Start(Trigger.DECAY, 42, "the champion's Brier score 0.260 is above 0.25")),
    ],
    ids=lambda value: value.trigger.value if isinstance(value, Start) else "",
)
def test_each_trigger_begins_a_run_and_says_why(observed: Observed, spec: Retraining, state: State, expected: Start) -> None:
    assert begun(observed, spec, state, 50.0) == expected


@pytest.mark.parametrize(
    ("observed", "spec"),
    [
        (QUIET, ALL),
        (Observed(2.0, 0.25), ALL),
        (Observed(None, None), ALL),
        (LOUD, Retraining()),
    ],
    ids=["below the thresholds", "at the thresholds", "no data", "no trigger is set"],
)
def test_otherwise_none_begins(observed: Observed, spec: Retraining) -> None:
    assert decide(observed, spec, LONG_AGO, 50.0)[0] is None


def test_the_order_of_the_triggers() -> None:
    spec = replace(ALL, requested="7d#1")
    state = State(due=40.0, missed=1)
    order = []
    for _ in range(2):
        start, state = decide(LOUD, spec, state, 50.0)
        assert start is not None
        order.append(start.trigger)
    state = replace(state, due=40.0, began=-math.inf)
    order.append(begun(LOUD, spec, state, 50.0).trigger)
    state = replace(state, due=60.0)
    order += [begun(seen, spec, state, 50.0).trigger for seen in (LOUD, replace(LOUD, drift=None))]
    assert order == [Trigger.HAND, Trigger.CATCH_UP, Trigger.SCHEDULE, Trigger.DRIFT, Trigger.DECAY]


@pytest.mark.parametrize("trigger", list(Trigger))
def test_after_any_run_drift_and_decay_wait_for_the_cooldown(trigger: Trigger) -> None:
    before = State(due=10.0 if trigger is Trigger.SCHEDULE else 1000.0, missed=int(trigger is Trigger.CATCH_UP))
    spec = replace(ALL, every=500.0, requested="42d#1" if trigger is Trigger.HAND else "")
    start, state = decide(replace(LOUD, drift=None) if trigger is Trigger.DECAY else LOUD, spec, before, 10.0)
    assert start is not None
    assert start.trigger is trigger
    assert decide(LOUD, spec, state, 57.9)[0] is None
    assert begun(LOUD, spec, state, 58.0).trigger is Trigger.DRIFT


def test_a_request_ignores_the_cooldown_and_is_served_once() -> None:
    spec = replace(ALL, requested="14d#5")
    start, state = decide(QUIET, spec, replace(LONG_AGO, began=49.0), 50.0)
    assert start is not None
    assert (start.trigger, start.days) == (Trigger.HAND, 14)
    assert decide(QUIET, spec, state, 51.0)[0] is None
    assert begun(QUIET, replace(spec, requested="14d#6"), state, 52.0).trigger is Trigger.HAND, (
        "the same again is another request"
    )


def test_a_freeze_forgets_requests_and_keeps_the_rest() -> None:
    frozen = replace(ALL, frozen=True, requested="7d#1")
    state = State(due=40.0, missed=2)
    for request in ("7d#1", "7d#1", "9d#2"):
        start, state = decide(LOUD, replace(frozen, requested=request), state, 50.0)
        assert start is None
    thawed = replace(frozen, frozen=False, requested="9d#2")
    assert begun(LOUD, thawed, state, 60.0).trigger is Trigger.CATCH_UP, "neither request is made up for, what is due still is"
    assert begun(LOUD, thawed, replace(state, missed=0), 60.0).trigger is Trigger.SCHEDULE
    assert begun(LOUD, thawed, replace(state, missed=0, due=99.0), 60.0).trigger is Trigger.DRIFT


def test_a_scheduler_that_is_stuck_serves_requests_and_nothing_else() -> None:
    stuck, state = replace(LOUD, alive=False), State(due=0.0, missed=3)
    assert decide(stuck, ALL, state, 50.0) == (None, state)
    start, state = decide(stuck, replace(ALL, requested="3d#1"), state, 50.0)
    assert start is not None
    assert start.trigger is Trigger.HAND
    assert begun(LOUD, replace(ALL, requested="3d#1"), state, 51.0).trigger is Trigger.CATCH_UP, "it was only stuck"


def test_runs_that_were_missed_are_counted_down() -> None:
    state, told = replace(LONG_AGO, missed=3), []
    for hour in range(4):
        start, state = decide(QUIET, ALL, state, 50.0 + hour)
        told.append(start.why if start else None)
    assert told == [*(f"{left} missed runs are to be made up for" for left in (3, 2, 1)), None]
    assert state.missed == 0


def test_the_schedule_keeps_its_rhythm_however_late_it_is_looked_at() -> None:
    begins, state = [], State(due=24.0)
    for tenth in range(1000):
        now = 0.37 + tenth * 0.7
        start, state = decide(QUIET, ALL, state, now)
        if start is not None:
            begins.append(now)
    assert all(0.0 <= now - 24.0 * number < 0.7 for number, now in enumerate(begins, start=1))
    assert len(begins) == 29
    assert next_due(ALL, 24.0, 24.0 * 5 + 3.0) == 24.0 * 6, "what passed by meanwhile is left out"
    assert next_due(ALL, 24.0, 20.0) == 24.0, "a run before its time moves nothing"


def test_a_schedule_that_is_set_or_made_shorter_counts_from_now() -> None:
    none = replace(ALL, every=0.0)
    _, state = decide(QUIET, none, State(due=math.inf), 10.0)
    assert state.due == math.inf
    _, state = decide(QUIET, replace(ALL, every=100.0), state, 20.0)
    assert state.due == 120.0
    _, state = decide(QUIET, replace(ALL, every=10.0), state, 30.0)
    assert state.due == 40.0
    _, state = decide(QUIET, replace(ALL, every=200.0), state, 31.0)
    assert state.due == 40.0, "a longer one begins after the run that is due"
    assert begun(QUIET, replace(ALL, every=200.0), state, 40.0).trigger is Trigger.SCHEDULE
    assert decide(QUIET, none, state, 40.0)[0] is None


OBSERVED = st.builds(
    Observed,
    drift=st.none() | st.floats(0.0, 10.0),
    brier=st.none() | st.floats(0.0, 0.5),
    alive=st.booleans(),
)
SPEC = st.builds(
    Retraining,
    frozen=st.booleans(),
    every=st.sampled_from([0.0, 5.0, 24.0, 168.0]),
    drift=st.sampled_from([0.0, 2.0]),
    decay=st.sampled_from([0.0, 0.25]),
    cooldown=st.just(48.0),
    requested=st.sampled_from(["", "7d#1", "42d#2", "42d#3"]),
)
COURSE = st.lists(st.tuples(st.floats(0.1, 40.0), OBSERVED, SPEC), min_size=1, max_size=40)


@given(COURSE, st.integers(0, 3))
def test_whatever_is_seen_none_begins_in_a_freeze_and_no_flag_trains_twice_in_a_cooldown(
    course: list[tuple[float, Observed, Retraining]], missed: int
) -> None:
    now, state, last, made_up = 0.0, State(due=30.0, missed=missed), -math.inf, 0
    for pause, observed, spec in course:
        now += pause
        start, after = decide(observed, spec, state, now)
        if start is not None:
            assert not spec.frozen
            assert observed.alive or start.trigger is Trigger.HAND
            assert start.trigger is not Trigger.HAND or spec.requested != state.request
            if start.trigger in {Trigger.DRIFT, Trigger.DECAY}:
                assert now >= last + spec.cooldown
            last = now
            made_up += start.trigger is Trigger.CATCH_UP
            assert after.began == now
            assert after.due > now
        else:
            assert after.began == state.began
        state = after
    assert made_up + state.missed == missed
