"""Runbooks: notice before the first command, a step between commands, triggers by time, metric, alert and log."""

from __future__ import annotations

from collections.abc import Callable

from drillbox.sandbox.model.scenario import Runbook, Step, Trigger
from drillbox.sandbox.operators import Idle, Scripted, View


def commands(book: Runbook, see: Callable[[float], View], until: int = 400) -> list[tuple[float, str]]:
    """(time, action) of every command, second by second."""
    operator = Scripted(book)
    return [(float(t), ask.action) for t in range(until) for ask in operator.decide(see(float(t)))]


def busy(since: float, until: float = 1e9) -> Callable[[float], View]:
    return lambda t: View(t, {"saturation": 1.0 if since <= t < until else 0.5})


SATURATED = Trigger(metric="saturation > 0.9", hold=10.0)


def book(*triggers: Trigger) -> Runbook:
    return Runbook("book", tuple(Step(trigger, f"action-{n}", {}) for n, trigger in enumerate(triggers)))


def test_notice_comes_once_and_steps_between_commands() -> None:
    played = commands(book(SATURATED, SATURATED, Trigger()), busy(100.0))
    # 10 s held, 60 s notice; then 30 s between commands whatever the triggers say.
    assert played == [(170.0, "action-0"), (200.0, "action-1"), (230.0, "action-2")]


def test_a_symptom_must_hold_without_a_break() -> None:
    def flapping(t: float) -> View:
        return View(t, {"saturation": 1.0 if t % 10 < 9 else 0.5})

    assert commands(book(SATURATED), flapping) == []


def test_a_step_at_a_time_needs_no_notice() -> None:
    assert commands(book(Trigger(at=50.0), Trigger(at=55.0)), busy(1e9)) == [(50.0, "action-0"), (80.0, "action-1")]


def test_no_data_is_no_symptom() -> None:
    assert commands(book(SATURATED), lambda t: View(t, {})) == []


def test_alerts_and_logs_are_symptoms() -> None:
    def see(t: float) -> View:
        return View(t, {}, frozenset({"LatencyBurnRate"} if t >= 20 else ()), ["version: v1 -> v2"] if t == 5 else [])

    played = commands(book(Trigger(alert="LatencyBurnRate"), Trigger(log="v1 -> v2")), see)
    assert played == [(80.0, "action-0"), (110.0, "action-1")]
    assert commands(book(Trigger(log="no such line")), see) == []


def test_idle_does_nothing() -> None:
    assert Idle().decide(View(0.0, {"saturation": 1.0})) == ()
