"""The pace keeps what is left of a step through pauses and new speeds; an interruption never falls between two facts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.clock import Pacer
from drillbox.sandbox.interruptions import Interruptions


class StandingClock:
    """Time goes by only when a test says so."""

    def __init__(self) -> None:
        self.wall = 500.0

    def now(self) -> float:
        return self.wall

    def sleep(self, seconds: float) -> None:
        self.wall += seconds


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


def waiting(clock: StandingClock, speed: float = 1.0) -> Pacer:
    """At 0.4 s of drill time, in the middle of the step to 1 s."""
    pacer = Pacer(clock, speed)
    pacer.delay(0.0)
    assert pacer.delay(1.0) == pytest.approx(1.0 / speed)
    clock.sleep(0.4 / speed)
    assert pacer.delay(1.0) == pytest.approx(0.6 / speed)
    return pacer


def test_after_a_pause_the_rest_of_the_step_is_still_to_come(clock: StandingClock) -> None:
    pacer = waiting(clock)
    pacer.restart()
    clock.sleep(100.0)
    pacer.restart()
    assert pacer.delay(1.0) == pytest.approx(0.6)
    assert pacer.delay(2.0) == pytest.approx(1.6)


def test_at_a_new_speed_the_rest_of_the_step_passes_sooner(clock: StandingClock) -> None:
    pacer = waiting(clock)
    pacer.set_speed(10.0)
    assert pacer.delay(1.0) == pytest.approx(0.06)
    pacer.set_speed(1.0)
    assert pacer.delay(1.0) == pytest.approx(0.6)


def test_a_pause_that_nobody_announced_is_not_caught_up_with(clock: StandingClock) -> None:
    pacer = waiting(clock)
    clock.sleep(50.0)
    pacer.restart()
    assert pacer.delay(1.0) == 0.0
    assert pacer.delay(2.0) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.sampled_from(["pause", "speed"]), st.floats(0.0, 0.2), st.floats(1.0, 600.0)), max_size=8))
def test_whatever_is_asked_for_no_time_is_lost_or_won(orders: list[tuple[str, float, float]]) -> None:
    """Drill time that has passed is the sum of the time at each speed."""
    clock = StandingClock()
    pacer = Pacer(clock, 1.0)
    passed = 0.0
    for order, share, speed in orders:
        rest = pacer.delay(1.0)
        clock.sleep(share * rest)
        passed += share * rest * pacer.speed
        if order == "pause":
            pacer.restart()
            clock.sleep(7.0)
            pacer.restart()
        else:
            pacer.set_speed(speed)
    assert pacer.delay(1.0) * pacer.speed == pytest.approx(1.0 - passed, abs=1e-6)


@pytest.fixture
def interrupts() -> Iterator[None]:
    """SIGINT raises as it does in the command, whatever the test runner has made of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interruption_waits_for_the_end_of_the_facts(interrupts: None) -> None:
    interruptions, done = Interruptions(), []

    def play() -> None:
        with interruptions.watched():
            with interruptions.held():
                with interruptions.held():
                    signal.raise_signal(signal.SIGINT)
                    done.append("inner")
                done.append("outer")
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        play()
    assert done == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_at_any_other_time_it_takes_effect_at_once(interrupts: None) -> None:
    interruptions, done = Interruptions(), []

    def play() -> None:
        with interruptions.watched():
            with interruptions.held():
                done.append("held")
            signal.raise_signal(signal.SIGINT)
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        play()
    assert done == ["held"]


def test_in_another_thread_no_handler_is_touched() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def look() -> None:
        with Interruptions().watched():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]
