"""States of alerts over evaluations, and what acknowledging and silencing change."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.monitor.alerts import Alert, AlertBook, Notifications, State, Transition
from drillbox.sandbox.monitor.expressions import Instant
from drillbox.sandbox.monitor.promql import Selector
from drillbox.sandbox.monitor.rules import PAGE, AlertRule

LABELS = (("severity", PAGE),)


def rule(hold: float) -> AlertRule:
    return AlertRule("Hot", Instant(Selector("level")), hold=hold, severity=PAGE, summary="too hot")


def course(hold: float, values: list[float | None]) -> list[Transition]:
    """The transitions of one alert whose condition has these values, 5 s apart."""
    book = AlertBook([rule(hold)])
    return [one for index, value in enumerate(values) for one in book.update(5.0 * index, [((LABELS,), [value])])]


def told(transitions: list[Transition]) -> list[tuple[float, str, str]]:
    return [(one.at, str(one.before), str(one.alert.state)) for one in transitions]


def test_without_a_hold_it_fires_at_once() -> None:
    assert told(course(0.0, [None, 1.0, 2.0, None])) == [(5.0, "inactive", "firing"), (15.0, "firing", "resolved")]


def test_it_fires_at_the_evaluation_at_which_it_has_held_for_long_enough() -> None:
    values = [1.0, 1.0, None, 1.0, 1.0, 1.0, 1.0, None, None, 1.0]
    assert told(course(10.0, values)) == [
        (0.0, "inactive", "pending"),
        (10.0, "pending", "inactive"),
        (15.0, "inactive", "pending"),
        (25.0, "pending", "firing"),
        (35.0, "firing", "resolved"),
        (45.0, "resolved", "pending"),
    ]


def test_a_hold_between_evaluations_waits_for_the_next_one() -> None:
    assert told(course(12.0, [1.0] * 5))[-1] == (15.0, "pending", "firing")


def test_since_and_value_are_the_present_ones() -> None:
    book = AlertBook([rule(5.0)])
    for index, value in enumerate([3.0, 4.0, 5.0]):
        book.update(5.0 * index, [((LABELS,), [value])])
    assert book.active() == [Alert("Hot", LABELS, State.FIRING, 0.0, 5.0, "too hot")]
    book.update(15.0, [((LABELS,), [None])])
    assert book.active() == []
    assert book.active(State.RESOLVED) == [Alert("Hot", LABELS, State.RESOLVED, 15.0, 5.0, "too hot")]


def test_each_element_is_an_alert_of_its_own() -> None:
    book = AlertBook([rule(5.0)])
    one, two = (("pod", "1"), *LABELS), (("pod", "2"), *LABELS)
    book.update(0.0, [((one, two), [1.0, None])])
    transitions = book.update(5.0, [((one, two), [1.0, 1.0])])
    assert {(alert.labels, alert.state) for alert in book.active()} == {(one, State.FIRING), (two, State.PENDING)}
    assert len(transitions) == 2
    book.update(10.0, [((two,), [1.0])])  # the series of the first is not even known any more
    assert [alert.labels for alert in book.active(State.RESOLVED)] == [one]


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(st.lists(st.booleans(), max_size=40), st.sampled_from([0, 5, 7, 10, 25]))
def test_it_fires_exactly_while_the_condition_has_held_for_the_hold(holds: list[bool], hold: int) -> None:
    book = AlertBook([rule(float(hold))])
    began: int | None = None
    for index, condition in enumerate(holds):
        book.update(5.0 * index, [((LABELS,), [1.0 if condition else None])])
        began = (index if began is None else began) if condition else None
        firing = began is not None and 5 * (index - began) >= hold
        assert bool(book.active(State.FIRING)) == firing
        assert bool(book.active(State.PENDING)) == (condition and not firing)


FIRING = Alert("Hot", LABELS, State.FIRING, 0.0, 1.0)
FIRED = Transition(10.0, State.PENDING, FIRING)
OVER = Transition(50.0, State.FIRING, Alert("Hot", LABELS, State.RESOLVED, 50.0, 1.0))


def test_people_are_told_when_an_alert_fires_and_when_it_is_over() -> None:
    nobody = Notifications()
    assert nobody.notifies(FIRED)
    assert nobody.notifies(OVER)
    assert not nobody.notifies(Transition(5.0, State.INACTIVE, Alert("Hot", LABELS, State.PENDING, 5.0, 1.0)))


@pytest.mark.parametrize(
    ("matchers", "at", "quiet"),
    [
        ({"alertname": "Hot"}, 10.0, True),
        ({"alertname": "Hot", "severity": PAGE}, 10.0, True),
        ({"alertname": "Cold"}, 10.0, False),
        ({"team": "flights"}, 10.0, False),
        ({"alertname": "Hot"}, 9.0, False),
        ({"alertname": "Hot"}, 70.0, False),
    ],
)
def test_a_silence_covers_its_labels_for_its_time(matchers: dict[str, str], at: float, quiet: bool) -> None:
    silenced = Notifications().silence(matchers, 10.0, 60.0, "me")
    assert silenced.silenced(FIRING, at) == quiet
    assert silenced.notifies(Transition(at, State.PENDING, FIRING)) != quiet
    assert bool(silenced.calling([FIRING], at)) != quiet


def test_a_silence_can_end_early() -> None:
    silenced = Notifications().silence({"alertname": "Hot"}, 10.0, 60.0).unsilence({"alertname": "Hot"}, 30.0)
    assert silenced.silenced(FIRING, 20.0)
    assert not silenced.silenced(FIRING, 30.0)


def test_an_acknowledged_page_calls_nobody_until_it_fires_anew() -> None:
    quiet = Notifications().acknowledge([FIRING], "me")
    assert Notifications().calling([FIRING], 20.0) == [FIRING]
    assert quiet.calling([FIRING], 20.0) == []
    assert quiet.after([FIRED]) is quiet
    assert quiet.after([OVER]).calling([FIRING], 60.0) == [FIRING]


def test_a_ticket_never_calls() -> None:
    ticket = Alert("Hot", (("severity", "ticket"),), State.FIRING, 0.0, 1.0)
    assert Notifications().calling([ticket], 20.0) == []
