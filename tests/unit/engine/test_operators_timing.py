"""Scripted operators act to the second when people would: notice first, then step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.model.scenario import Runbook, Step, Trigger
from drillbox.sandbox.operators import Ask, Idle, Scripted, View

Sight = Callable[[int], View]


def plays(sight: Sight, *triggers: Trigger, notice: float = 60.0, step: float = 30.0, until: int = 600) -> list[tuple[int, str]]:
    """When which step of a runbook is taken; its steps are called do-0, do-1, ..."""
    steps = tuple(Step(trigger, f"do-{number}", {"number": number}) for number, trigger in enumerate(triggers))
    operator = Scripted(Runbook("book", steps, notice=notice, step=step))
    assert operator.name == "book"
    asked = []
    for now in range(until):
        asks = operator.decide(sight(now))
        assert len(asks) <= 1
        asked += [(now, ask.action) for ask in asks]
    return asked


def metric(values: Mapping[range, float]) -> Sight:
    """Saturation over time; missing outside of the ranges."""

    def sight(now: int) -> View:
        seen = [value for times, value in values.items() if now in times]
        return View(float(now), {"saturation": seen[0]} if seen else {})

    return sight


def alerts(*times: range) -> Sight:
    def sight(now: int) -> View:
        return View(float(now), {}, frozenset(f"Alert{number}" for number, one in enumerate(times) if now in one))

    return sight


def logs(lines: Mapping[int, str]) -> Sight:
    def sight(now: int) -> View:
        return View(float(now), {}, logs=[text for at, text in lines.items() if at == now])

    return sight


NOTHING = metric({})
FULL = Trigger(metric="saturation > 0.9")


def test_idle_never_acts() -> None:
    assert Idle().name == "idle"
    assert all(Idle().decide(View(float(now), {"saturation": 1.0}, frozenset({"Slow"}))) == () for now in range(100))


def test_a_step_is_asked_for_with_its_parameters() -> None:
    operator = Scripted(Runbook("book", (Step(Trigger(at=0.0), "scale", {"replicas": 4}, why="it is full"),)))
    assert operator.decide(View(0.0, {})) == (Ask("scale", {"replicas": 4}),)
    assert operator.decide(View(1.0, {})) == ()


def test_the_first_symptom_is_noticed_a_minute_later() -> None:
    assert plays(metric({range(10, 600): 0.95}), FULL) == [(70, "do-0")]


def test_a_symptom_that_has_gone_by_then_was_still_noticed() -> None:
    assert plays(metric({range(10, 12): 0.95}), FULL) == [(70, "do-0")]


def test_no_symptom_no_step() -> None:
    assert plays(metric({range(600): 0.9}), FULL) == []
    assert plays(NOTHING, FULL) == []


def test_notice_is_taken_once_and_then_each_command_follows_by_a_step() -> None:
    assert plays(metric({range(10, 600): 0.95}), FULL, FULL, Trigger(), FULL) == [
        (70, "do-0"),
        (100, "do-1"),
        (130, "do-2"),
        (160, "do-3"),
    ]


def test_a_later_symptom_needs_no_more_notice() -> None:
    sight = metric({range(10, 80): 0.95, range(300, 600): 0.1})
    assert plays(sight, FULL, Trigger(metric="saturation < 0.2")) == [(70, "do-0"), (300, "do-1")]


def test_a_later_symptom_soon_after_waits_for_the_step() -> None:
    sight = metric({range(10, 80): 0.95, range(80, 600): 0.1})
    assert plays(sight, FULL, Trigger(metric="saturation < 0.2")) == [(70, "do-0"), (100, "do-1")]


def test_what_shows_between_two_commands_counts_though_it_is_gone_when_the_step_is_over() -> None:
    sight = metric({range(10, 75): 0.95, range(75, 80): 0.1})
    assert plays(sight, FULL, Trigger(metric="saturation < 0.2")) == [(70, "do-0"), (100, "do-1")]


def test_a_condition_must_hold_for_its_time() -> None:
    held = Trigger(metric="saturation > 0.9", hold=20.0)
    assert plays(metric({range(10, 600): 0.95}), held) == [(90, "do-0")]
    assert plays(metric({range(10, 30): 0.95}), held) == []  # 19 s, as seen from second to second
    assert plays(metric({range(10, 31): 0.95}), held) == [(90, "do-0")]


def test_a_gap_lets_the_time_begin_anew() -> None:
    held = Trigger(metric="saturation > 0.9", hold=20.0)
    assert plays(metric({range(10, 29): 0.95, range(29, 30): 0.5, range(30, 600): 0.95}), held) == [(110, "do-0")]
    assert plays(metric({range(10, 29): 0.95, range(30, 600): 0.95}), held) == [(110, "do-0")]  # no data is no symptom


def test_each_steps_time_begins_anew() -> None:
    held = Trigger(metric="saturation > 0.9", hold=50.0)
    assert plays(metric({range(600): 0.95}), held, held) == [(110, "do-0"), (161, "do-1")]


def test_a_time_needs_no_notice() -> None:
    assert plays(NOTHING, Trigger(at=120.0)) == [(120, "do-0")]
    assert plays(NOTHING, Trigger(at=119.5)) == [(120, "do-0")]


def test_two_times_are_a_step_apart_at_least() -> None:
    assert plays(NOTHING, Trigger(at=120.0), Trigger(at=121.0), Trigger(at=300.0)) == [
        (120, "do-0"),
        (150, "do-1"),
        (300, "do-2"),
    ]


def test_after_a_time_the_first_symptom_still_needs_notice() -> None:
    assert plays(metric({range(200, 600): 0.95}), Trigger(at=5.0), FULL) == [(5, "do-0"), (260, "do-1")]


def test_steps_are_taken_in_order() -> None:
    assert plays(metric({range(10, 20): 0.95}), Trigger(at=300.0), FULL) == [(300, "do-0")]
    assert plays(NOTHING, Trigger(alert="Never"), Trigger(at=10.0)) == []


def test_a_time_and_a_symptom_must_both_be() -> None:
    both = Trigger(at=100.0, metric="saturation > 0.9", hold=10.0)
    assert plays(metric({range(10, 600): 0.95}), both) == [(170, "do-0")]
    assert plays(metric({range(10, 99): 0.95}), both) == []


def test_steps_without_trigger_follow_each_other() -> None:
    assert plays(NOTHING, Trigger(), Trigger(), Trigger(), step=7.0) == [(0, "do-0"), (7, "do-1"), (14, "do-2")]


def test_an_alert_counts_while_it_fires() -> None:
    page = Trigger(alert="Alert0")
    assert plays(alerts(range(30, 40)), page) == [(90, "do-0")]
    assert plays(alerts(range(30, 40)), Trigger(at=100.0), page) == [(100, "do-0")]
    assert plays(alerts(range(30, 40), range(200, 600)), page, Trigger(alert="Alert1")) == [(90, "do-0"), (200, "do-1")]
    assert plays(alerts(range(30, 600)), Trigger(alert="Alert0", hold=15.0)) == [(105, "do-0")]


def test_a_log_line_is_remembered() -> None:
    trigger = Trigger(log="out of memory")
    sight = logs({20: "model-champion-1: out of memory (137)", 25: "restarted"})
    assert plays(sight, trigger) == [(80, "do-0")]
    assert plays(sight, Trigger(at=200.0), trigger) == [(200, "do-0"), (261, "do-1")]
    assert plays(logs({20: "Out of Memory"}), trigger) == []
    assert plays(logs({20: "out of", 21: "memory"}), trigger) == []


def test_no_notice_and_no_step_is_one_command_a_second() -> None:
    assert plays(alerts(range(3, 9)), Trigger(alert="Alert0"), Trigger(), Trigger(), notice=0.0, step=0.0) == [
        (3, "do-0"),
        (4, "do-1"),
        (5, "do-2"),
    ]


TRIGGERS = st.sampled_from(
    [Trigger(), Trigger(at=40.0), Trigger(alert="Alert0"), FULL, Trigger(metric="saturation > 0.9", hold=9.0)]
)


@given(
    st.lists(TRIGGERS, max_size=4),
    st.lists(st.floats(0, 1), min_size=150, max_size=150),
    st.integers(0, 100),
    st.integers(0, 80),
    st.integers(0, 40),
)
def test_nobody_is_faster_than_people(triggers: list[Trigger], load: list[float], page: int, notice: int, step: int) -> None:
    def sight(now: int) -> View:
        return View(float(now), {"saturation": load[now]}, frozenset({"Alert0"}) if now >= page else frozenset())

    asked = plays(sight, *triggers, notice=float(notice), step=float(step), until=150)
    assert [action for _, action in asked] == [f"do-{number}" for number in range(len(asked))]
    times = [now for now, _ in asked]
    assert all(later - earlier >= max(step, 1) for earlier, later in pairwise(times))
    symptoms = [now for (now, _), trigger in zip(asked, triggers, strict=False) if trigger.symptom]
    if symptoms:
        shown = min((now for now in range(150) if now >= page or load[now] > 0.9), default=150)
        assert symptoms[0] >= shown + notice


@pytest.mark.parametrize("notice", [0.5, 59.5])
def test_parts_of_a_second_are_rounded_up(notice: float) -> None:
    assert plays(metric({range(10, 600): 0.95}), FULL, notice=notice) == [(int(10 + notice + 0.5), "do-0")]
