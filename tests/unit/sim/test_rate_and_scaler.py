"""Traffic in pieces that no other event can shift, and the autoscaler as a process."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.model.scenario import Traffic
from drillbox.sandbox.model.service import Autoscaler, ServiceSpec, Workload
from drillbox.stacks.control_plane.scaler import Scaler
from drillbox.stacks.control_plane.steering import Desire, Steering
from drillbox.stacks.sim.fleet import CHAMPION
from drillbox.stacks.sim.sources import PlaneReplicas
from drillbox.stacks.sim.traffic import Rate

if TYPE_CHECKING:
    from .conftest import Bench


def spiked(factor: float, ramp: float) -> Rate:
    rate = Rate(Traffic(100.0))
    rate.begin_spike("crowd", factor, ramp, 10.0)
    return rate


def test_a_steady_rate_is_one_piece() -> None:
    assert Rate(Traffic(100.0)).pieces(-5.0, 0.0) == [(-5.0, 0.0, 100.0)]


def test_a_spike_without_ramp_multiplies_the_rate_until_it_ends() -> None:
    rate = spiked(4.0, 0.0)
    assert rate.pieces(9.0, 11.0) == [(9.0, 10.0, 100.0), (10.0, 11.0, 400.0)]
    rate.end_spike("crowd", 20.0)
    assert rate.pieces(19.0, 21.0) == [(19.0, 20.0, 400.0), (20.0, 21.0, 100.0)]


def test_a_ramp_rises_and_falls() -> None:
    rate = spiked(3.0, 4.0)
    up = [value for _, _, value in rate.pieces(10.0, 15.0)]
    assert up == [125.0, 175.0, 225.0, 275.0, 300.0]
    rate.end_spike("crowd", 20.0)
    down = [value for _, _, value in rate.pieces(20.0, 25.0)]
    assert down == [275.0, 225.0, 175.0, 125.0, 100.0]


def test_two_spikes_multiply() -> None:
    rate = spiked(2.0, 0.0)
    rate.begin_spike("more", 3.0, 0.0, 10.0)
    assert rate.pieces(12.0, 12.5) == [(12.0, 12.5, 600.0)]


@given(st.lists(st.floats(8.0, 30.0), max_size=8))
def test_cuts_never_change_the_rate_at_any_moment(cuts: list[float]) -> None:
    """Requests must not move because a pod became ready at some odd time."""
    rate = spiked(5.0, 7.0)
    rate.end_spike("crowd", 20.0)
    edges = [8.0, *sorted(cuts), 30.0]
    pieces = [piece for start, end in itertools.pairwise(edges) if start < end for piece in rate.pieces(start, end)]
    whole = rate.pieces(8.0, 30.0)
    for start, _, value in pieces:
        assert value == next(wanted for first, last, wanted in whole if first <= start < last)
    assert sum((end - start) * value for start, end, value in pieces) == pytest.approx(
        sum((b - a) * value for a, b, value in whole)
    )


def scaler(bench: Bench, spec: Callable[[], ServiceSpec], desire: Desire) -> Scaler:
    return Scaler(Steering(bench.env, spec, desire, lambda *_told: None), PlaneReplicas(bench.plane, bench.fleet))


def test_the_scaler_follows_the_load(bench: Bench) -> None:
    """Two busy replicas at a target of one half ask for four."""
    spec = ServiceSpec(
        champion=Workload(version="v1", replicas=2, concurrency=1, queue=100),
        autoscaler=Autoscaler(enabled=True, minimum=1, maximum=10, target=0.5),
    )
    wanted: list[tuple[float, int]] = []

    def want(desired: ServiceSpec, _by: str, _why: str = "") -> None:
        nonlocal spec
        wanted.append((bench.env.now, desired.champion.replicas))
        spec = desired
        bench.fleet.reconcile(CHAMPION, spec.champion)

    bench.fleet.reconcile(CHAMPION, spec.champion, at_once=True)
    bench.env.process(scaler(bench, lambda: spec, want).run())
    times = np.arange(0.0, 60.0, 0.02)  # 50/s against a capacity of 40/s
    bench.plane.advance(0.0, times[:1], 0, np.zeros(1, np.int32))
    done = 1
    for second in range(1, 61):
        upto = int(np.searchsorted(times, second))
        while bench.env.peek() <= second:
            bench.plane.advance(bench.env.peek())
            bench.env.step()
        bench.plane.advance(float(second), np.maximum(times[done:upto], bench.plane.now), done, np.zeros(upto - done, np.int32))
        done = upto
    # The first look has no earlier one to compare with; at 30 s utilisation is 1 and 1 / 0.5 x 2 = 4.
    assert wanted[0] == (30.0, 4)


def test_a_disabled_scaler_never_asks(bench: Bench, three: Workload) -> None:
    asked: list[ServiceSpec] = []
    bench.fleet.reconcile(CHAMPION, three, at_once=True)
    spec = ServiceSpec(champion=three)
    bench.env.process(scaler(bench, lambda: spec, lambda desired, _by, _why="": asked.append(desired)).run())
    bench.run(100.0)
    assert not asked
