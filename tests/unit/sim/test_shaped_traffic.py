"""Shapes of the scenario in the simulation: together with spikes, and as requests that are counted."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import drillbox.scenarios
from drillbox.sandbox.loading import load_scenario
from drillbox.sandbox.model.scenario import Traffic
from drillbox.sandbox.model.stack import InjectFault
from drillbox.sandbox.model.traffic import Diurnal, Flow, Step
from drillbox.stacks.sim.stack import SimStack
from drillbox.stacks.sim.traffic import Rate
from drillbox.testing import total

STEPPED = Traffic(100.0, (Flow(100.0, (Step(10.0, 2.0),)),))


def stepped(t: float) -> float:
    return 200.0 if t >= 10.0 else 100.0


def test_a_curve_is_cut_at_whole_seconds() -> None:
    rate = Rate(STEPPED, stepped)
    assert rate.pieces(8.5, 11.0) == [(8.5, 9.0, 100.0), (9.0, 10.0, 100.0), (10.0, 11.0, 200.0)]


def test_a_spike_multiplies_the_curve() -> None:
    rate = Rate(STEPPED, stepped)
    rate.begin_spike("crowd", 3.0, 0.0, 9.0)
    assert [value for _, _, value in rate.pieces(8.0, 11.0)] == [100.0, 300.0, 600.0]


def test_constant_traffic_needs_no_curve() -> None:
    assert Rate(Traffic(100.0), lambda _: math.nan).pieces(0.0, 60.0) == [(0.0, 60.0, 100.0)]


def test_the_simulation_sends_what_the_shapes_say() -> None:
    """Requests of a minute with a step, a spike on top of it, and the hours of the day, against the curve's own integral."""
    library = Path(drillbox.scenarios.__path__[0])
    usual = load_scenario(library / "traffic" / "monday-rush.yaml", "short")
    traffic = Traffic(100.0, (Flow(80.0, (Diurnal(), Step(20.0, 0.5))), Flow(20.0)))
    scenario = replace(usual, world=replace(usual.world, traffic=traffic))
    stack = SimStack()
    stack.up(scenario, 1, lambda _step, _done: None)
    try:
        before = [stack.advance(t) for t in (-60.0 + 5.0 * k for k in range(13))][-1]
        stack.apply(InjectFault("more", "traffic.spike", {"factor": 2.0, "ramp": 0.0}))
        after = [stack.advance(float(t)) for t in range(1, 61)][-1]
        rate = stack._service.world.rate_curve(-scenario.warmup)
    finally:
        stack.down()
    sent = total(after.scrapes[-1], "envoy_gateway_rq_time_count") - total(before.scrapes[-1], "envoy_gateway_rq_time_count")
    wanted = 2.0 * sum(rate(t + 0.5) for t in range(60))
    assert rate(30.0) < rate(10.0)
    assert rate(10.0) != pytest.approx(100.0, rel=0.05), "the hour of the day counts"
    assert sent == pytest.approx(wanted, abs=4.0 * math.sqrt(wanted)), "a Poisson process of that rate"
