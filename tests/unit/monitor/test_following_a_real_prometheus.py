"""The alerts of a Prometheus outside are the drill's, and when it is gone the monitor's own go on without a gap or a false end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.loading.library import Library
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.events import Alerted
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.stack import Capabilities, Effect, Progress
from drillbox.sandbox.model.telemetry import SCRAPE_INTERVAL, AlertState, Scrape, Series, Telemetry
from drillbox.sandbox.model.views import Table
from drillbox.sandbox.monitor.alerts import Alert, AlertBook, State, Transition
from drillbox.sandbox.monitor.expressions import Instant
from drillbox.sandbox.monitor.following import GRACE, FollowedAlerts
from drillbox.sandbox.monitor.promql import Selector
from drillbox.sandbox.monitor.rules import AlertRule, RuleGroup
from drillbox.sandbox.monitor.thresholds import threshold_alerts
from drillbox.sandbox.observing import BuiltInMonitor
from drillbox.sandbox.session import DrillSession

RULE = AlertRule("Hot", Instant(Selector("heat")), hold=10.0, summary="it is hot")
LABELS = RULE.all_labels


def states(book: AlertBook) -> tuple[AlertState, ...]:
    """What Prometheus would tell."""
    return tuple(
        AlertState(one.name, one.labels, one.state is State.FIRING, one.since, one.value, one.summary) for one in book.active()
    )


def hot(since: float, *, firing: bool, value: float = 1.0) -> AlertState:
    return AlertState("Hot", LABELS, firing, since, value, "it is hot")


def own(state: State, since: float) -> list[Alert]:
    return [Alert("Hot", LABELS, state, since, 1.0)]


def changes(transitions: Sequence[Transition]) -> list[tuple[float, str, str]]:
    return [(one.at, str(one.before), str(one.alert.state)) for one in transitions]


def test_the_course_of_an_alert_is_told_with_the_times_of_prometheus() -> None:
    followed = FollowedAlerts()
    seen = [
        followed.update(0.0, (), []),
        followed.update(5.0, (hot(3.2, firing=False),), []),
        followed.update(10.0, (hot(3.3, firing=False),), []),
        followed.update(15.0, (hot(3.2, firing=True, value=2.0),), []),
        followed.update(20.0, (), []),
        followed.update(25.0, (hot(24.0, firing=False),), []),
        followed.update(30.0, (), []),
    ]
    assert changes([one for part in seen for one in part]) == [
        (5.0, "inactive", "pending"),
        (15.0, "pending", "firing"),
        (20.0, "firing", "resolved"),
        (25.0, "resolved", "pending"),
        (30.0, "pending", "inactive"),
    ]
    assert seen[3][0].alert == Alert("Hot", LABELS, State.FIRING, 3.2, 2.0, "it is hot")


def test_an_alert_that_ended_and_began_again_between_two_looks_is_told_as_two() -> None:
    followed = FollowedAlerts()
    followed.update(0.0, (hot(-20.0, firing=True),), [])
    assert changes(followed.update(30.0, (hot(25.0, firing=False),), [])) == [
        (30.0, "firing", "resolved"),
        (30.0, "resolved", "pending"),
    ]


def test_a_difference_at_the_hand_over_is_told_only_if_it_stays() -> None:
    for stays in (False, True):
        followed = FollowedAlerts()
        followed.update(0.0, (hot(-10.0, firing=True),), [])
        told = [*followed.update(5.0, None, []), *followed.update(10.0, None, [])]
        assert not told  # the monitor's own would have been a false end
        told += followed.update(15.0, None, [] if stays else own(State.FIRING, -8.0))
        assert changes(told) == ([(15.0, "firing", "resolved")] if stays else [])


def test_what_the_own_monitor_learns_after_the_hand_over_is_told_at_once() -> None:
    followed = FollowedAlerts()
    followed.update(0.0, (), [])
    assert changes(followed.update(5.0, None, own(State.PENDING, 5.0))) == [(5.0, "inactive", "pending")]


def test_a_prometheus_that_comes_back_is_not_listened_to_again() -> None:
    followed = FollowedAlerts()
    followed.update(0.0, (), [])
    followed.update(5.0, None, [])
    assert followed.update(10.0, (hot(7.0, firing=True),), []) == ()
    assert followed.alerts == []


courses = st.lists(st.tuples(st.booleans(), st.integers(1, 7)), min_size=1, max_size=8)


@given(courses, st.integers(0, 40), st.integers(-1, 1))
def test_a_hand_over_at_any_time_leaves_no_gap_and_tells_nothing_false(
    runs: list[tuple[bool, int]], hand_over: int, lag: int
) -> None:
    """One of the two is an evaluation behind the other, or neither is."""
    course = [hot_now for hot_now, length in runs for _ in range(length)]
    course = (course + [course[-1]] * 60)[:60]
    theirs, ours, followed = AlertBook([RULE]), AlertBook([RULE]), FollowedAlerts()
    told: list[Transition] = []
    for index in range(len(course)):
        at = index * SCRAPE_INTERVAL
        for book, late in ((theirs, max(0, lag)), (ours, max(0, -lag))):
            book.update(at, [((LABELS,), [1.0 if course[max(0, index - late)] else None])])
        told += followed.update(at, states(theirs) if index < hand_over else None, ours.alerts)
        steady = set(course[max(0, index - 5) : index + 1])
        if index >= 5 and len(steady) == 1:  # nothing has happened for a while: what is told is what is
            assert bool([one for one in followed.alerts if one.state is State.FIRING]) == (steady == {True})
    assert all(first.alert.state is second.before for first, second in pairwise(told))
    for one in told:
        ended = one.before in (State.PENDING, State.FIRING) and one.alert.state in (State.INACTIVE, State.RESOLVED)
        since = max(0, int((one.at - GRACE) // SCRAPE_INTERVAL) - 1)
        near = set(course[since : int(one.at // SCRAPE_INTERVAL) + 1])
        assert (False in near) if ended else (True in near)


# In the session's monitor

SERIES = (
    Series.of("container_memory_working_set_bytes", pod="one"),
    Series.of("container_spec_memory_limit_bytes", pod="one"),
)


def full(at: float, used: float) -> Scrape:
    return Scrape(at, SERIES, np.array([used, 1.0]))


def short_monitor() -> BuiltInMonitor:
    library = Library.packaged()
    return BuiltInMonitor(library.load(library.find("monday-rush"), "short"))


def named(transitions: Sequence[Transition]) -> list[tuple[str, str]]:
    return [(one.alert.name, str(one.alert.state)) for one in transitions if one.alert.name in ("MemoryHigh", "Hot")]


def test_without_a_prometheus_nothing_is_other_than_before() -> None:
    monitor = short_monitor()
    assert named(monitor.observe(full(0.0, 0.95)).transitions) == [("MemoryHigh", "firing")]
    assert named(monitor.observe(full(5.0, 0.95), (hot(0.0, firing=True),)).transitions) == []


def test_alerts_are_those_of_prometheus_and_slis_still_those_of_the_own_scrapes() -> None:
    monitor = short_monitor()
    reading = monitor.observe(full(0.0, 0.95), ())
    assert named(reading.transitions) == []
    assert reading.slis["memory_share"] == 0.95
    assert named(monitor.observe(full(5.0, 0.95), (hot(1.0, firing=True),)).transitions) == [("Hot", "firing")]
    memory = replace(hot(4.0, firing=True), name="MemoryHigh", labels=(("severity", "ticket"),))
    assert named(monitor.observe(full(10.0, 0.95), (memory,)).transitions) == [("MemoryHigh", "firing"), ("Hot", "resolved")]
    assert named(monitor.observe(full(15.0, 0.95)).transitions) == []  # gone: the own monitor has it firing, too
    assert named(monitor.observe(full(20.0, 0.5), (memory,)).transitions) == []
    assert named(monitor.observe(full(35.0, 0.5)).transitions) == [("MemoryHigh", "resolved")]


def test_a_group_names_all_metrics_that_its_rules_read() -> None:
    assert RuleGroup([], [RULE]).metrics == {"heat"}
    names = RuleGroup([], threshold_alerts()).metrics
    assert {"model_server_ready", "envoy_gateway_rq_retry_overflow", "container_oom_events_total"} <= names


# In a session


class Stack:
    """Scrapes every 5 s; a Prometheus outside has an alert from 10 s on, and is gone from 20 s on."""

    capabilities = Capabilities(frozenset(), frozenset(), paced=True)

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        pass

    def apply(self, effect: Effect) -> None:
        pass

    def advance(self, until: float) -> Telemetry:
        scrapes = (full(until, 0.95 if until >= 0.0 else 0.5),) if until % SCRAPE_INTERVAL == 0.0 else ()
        memory = AlertState("MemoryHigh", (("severity", "ticket"),), True, 8.0, 0.95, "a replica is near its memory limit")
        alerts = None if until >= 20.0 else (memory,) if until >= 10.0 else ()
        return Telemetry(until, scrapes, alerts=alerts)

    def look(self, view: str, subject: str = "") -> Table:
        raise UsageError(f"there is no view {view} {subject}")

    def finish(self) -> Telemetry:
        return Telemetry(30.0)

    def down(self) -> None:
        pass


def test_a_session_tells_of_the_alerts_that_its_stack_has_from_a_prometheus() -> None:
    library = Library.packaged()
    whole = library.load(library.find("monday-rush"), "short")
    scenario = replace(whole, duration=30.0, timeline=())
    session = DrillSession(scenario, 1, Stack(), BuiltInMonitor(scenario))
    session.start(lambda _step, _done: None)
    while not session.over:
        session.advance()
    found = [(event.at, event.body) for event in session.events() if isinstance(event.body, Alerted)]
    assert [(at, body.name, body.state) for at, body in found if body.name == "MemoryHigh"] == [(10.0, "MemoryHigh", "firing")]
