"""The pacer keeps time: so many drill seconds in a wall second, whatever a step takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.clock import Pacer, WallClock


@dataclass
class ToyClock:
    """Wall time stands still but for sleeping."""

    wall: float = 1000.0

    def now(self) -> float:
        return self.wall

    def sleep(self, seconds: float) -> None:
        self.wall += seconds


@pytest.fixture
def clock() -> ToyClock:
    return ToyClock()


def pass_through(pacer: Pacer, clock: ToyClock, times: range, work: Callable[[int], float] = lambda _now: 0.0) -> list[float]:
    """Wait for drill times one after another; when each came, on the wall clock. Playing each takes its `work`."""
    came = []
    for now in times:
        clock.sleep(pacer.delay(float(now)))
        came.append(clock.wall)
        clock.sleep(work(now))
    return came


@given(st.floats(0.5, 600.0))
def test_drill_time_is_so_many_times_as_fast(speed: float) -> None:
    clock = ToyClock()
    came = pass_through(Pacer(clock, speed), clock, range(50))
    assert came[0] == 1000.0
    assert [later - earlier for earlier, later in pairwise(came)] == pytest.approx([1 / speed] * 49, abs=1e-9)


def test_time_lost_on_a_slow_step_is_caught_up(clock: ToyClock) -> None:
    came = pass_through(Pacer(clock, 10.0), clock, range(30), lambda now: 0.5 if now == 9 else 0.01)
    assert came[10] == pytest.approx(1000.0 + 0.9 + 0.5)
    assert came[-1] == pytest.approx(1000.0 + 2.9)


def test_speed_zero_never_waits(clock: ToyClock) -> None:
    pacer = Pacer(clock, 0.0)
    assert pacer.speed == 0.0
    assert pass_through(pacer, clock, range(100)) == [1000.0] * 100


def test_a_new_speed_holds_from_now_on(clock: ToyClock) -> None:
    pacer = Pacer(clock, 1.0)
    pass_through(pacer, clock, range(11))
    assert clock.wall == 1010.0
    pacer.set_speed(10.0)
    assert pacer.speed == 10.0
    assert pacer.delay(11.0) == pytest.approx(0.1)
    assert pass_through(pacer, clock, range(11, 21))[-1] == pytest.approx(1011.0)
    pacer.set_speed(0.5)
    assert pacer.delay(21.0) == pytest.approx(2.0)


def test_a_pause_is_not_caught_up(clock: ToyClock) -> None:
    pacer = Pacer(clock, 10.0)
    pass_through(pacer, clock, range(11))
    clock.sleep(3600.0)
    assert pacer.delay(10.0) == 0.0
    pacer.restart()
    assert pacer.delay(11.0) == pytest.approx(0.1)


def test_what_is_overdue_does_not_wait(clock: ToyClock) -> None:
    pacer = Pacer(clock, 10.0)
    clock.sleep(5.0)
    assert pacer.delay(1.0) == 0.0


def test_the_machines_clock_never_falls_nor_waits_for_the_past() -> None:
    clock = WallClock()
    before = clock.now()
    clock.sleep(-5.0)
    assert clock.now() >= before
