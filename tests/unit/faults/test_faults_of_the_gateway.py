"""Delays and aborts at the gateway: what they do to a drill, what several at once do, and that nothing tells who did it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from fault_kit import FAULTS, Drill, with_fault
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.model.params import ParamError, Params, parse_params
from drillbox.sandbox.model.scenario import Scenario
from drillbox.stacks.control_plane.gateway_faults import ABORT, DELAY, GatewayFaults, Injected

Opened = Callable[..., Drill]

# ------------------------------------------------------------------------------------------------------------------ in a drill


def with_retries(calm: Scenario, retries: int) -> Scenario:
    world = calm.world
    return replace(calm, world=replace(world, clients=replace(world.clients, retries=retries, backoff=0.05)))


def test_a_share_of_the_requests_is_aborted_until_the_fault_ends(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(with_retries(calm, 0), ABORT, lasts=60.0, share=0.2), 70.0)
    assert drill.sli("availability") == pytest.approx(0.8, abs=0.02)
    failed, slow = drill.harm()
    assert failed == pytest.approx(0.2 * 80.0 * 60.0, rel=0.1)
    assert slow == 0
    assert drill.sli("latency") == pytest.approx(drill.sli("availability")), "whoever gets an answer gets it in time"
    drill.play(110.0)
    assert drill.sli("availability") == 1.0
    assert drill.harm() == (failed, slow)


def test_clients_that_come_back_bear_some_aborts(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(with_retries(calm, 3), ABORT, share=0.2), 70.0)
    assert drill.sli("availability") == pytest.approx(0.8, abs=0.02), "the gateway counts every attempt"
    assert drill.harm()[0] < 0.01 * 80.0 * 60.0, "0.2 to the fourth"


def test_a_share_of_the_requests_is_delayed_until_the_fault_ends(calm: Scenario, opened: Opened) -> None:
    drill = opened(with_fault(calm, DELAY, lasts=60.0, delay=1.0, share=0.25), 70.0)
    assert drill.sli("latency") == pytest.approx(0.75, abs=0.03)
    assert drill.sli("availability") == 1.0
    failed, slow = drill.harm()
    assert failed == 0
    assert slow == pytest.approx(0.25 * 80.0 * 60.0, rel=0.1)
    assert drill.sli("saturation") < 0.6, "the replicas are as idle as ever"
    drill.play(110.0)
    assert drill.sli("latency") == 1.0


def test_neither_logs_nor_metrics_nor_alerts_tell_that_it_was_injected(calm: Scenario, opened: Opened) -> None:
    beats = [with_fault(calm, DELAY, delay=0.5, share=0.5).timeline[0], with_fault(calm, ABORT, share=0.5).timeline[0]]
    drill = opened(replace(calm, timeline=(beats[0], replace(beats[1], id="other"))), 60.0)
    assert drill.fired()
    scrape = drill.session.last_scrape
    assert scrape is not None
    told = [*drill.logged(""), *map(str, scrape.series), *drill.fired()]
    assert not re.search("inject|abort|fault|delay", "\n".join(told))


@pytest.mark.parametrize(
    ("fault", "params", "message"),
    [
        (ABORT, {"share": "10%", "status": "404"}, "404 is out of bounds: between 500 and 599"),
        (ABORT, {}, "'share' is missing: share of the requests that get the error"),
        (DELAY, {"delay": "0s"}, "0s is out of bounds: between 1ms and 1m"),
        (DELAY, {"delay": "1s", "share": "120%"}, "'120%' is not a share: write 95% or 0.95, between 0% and 100%"),
    ],
)
def test_what_cannot_be_is_told(fault: str, params: dict[str, object], message: str) -> None:
    with pytest.raises(ParamError, match=message):
        parse_params(FAULTS[fault].params, params)


# ------------------------------------------------------------------------------------------------------------- several at once


def delay(seconds: float, share: float) -> tuple[str, Params]:
    return DELAY, {"delay": seconds, "share": share}


def abort(share: float, status: int = 503) -> tuple[str, Params]:
    return ABORT, {"share": share, "status": status}


def test_the_one_that_does_most_is_in_force_and_the_other_when_it_is_over() -> None:
    told: list[Injected] = []
    faults = GatewayFaults(told.append)
    faults.begin("long", *delay(1.0, 0.1))
    faults.begin("wide", *delay(0.2, 1.0))
    faults.begin("refused", *abort(0.1, 500))
    faults.begin("also", *abort(0.1, 502))
    faults.begin("more", *abort(0.3, 504))
    for beat in ("wide", "more", "refused", "long", "also"):
        faults.end(beat)
    assert told == [
        Injected(1.0, 0.1),
        Injected(0.2, 1.0),
        Injected(0.2, 1.0, 0.1, 500),
        Injected(0.2, 1.0, 0.1, 500),  # of equal ones the first
        Injected(0.2, 1.0, 0.3, 504),
        Injected(1.0, 0.1, 0.3, 504),
        Injected(1.0, 0.1, 0.1, 500),
        Injected(1.0, 0.1, 0.1, 502),
        Injected(0.0, 0.0, 0.1, 502),
        Injected(),
    ]


one = st.one_of(
    st.builds(delay, st.floats(0.001, 60.0), st.floats(0.0, 1.0)), st.builds(abort, st.floats(0.0, 1.0), st.integers(500, 599))
)


@given(st.lists(st.tuples(one, st.booleans()), max_size=8))
def test_in_force_is_what_the_strongest_alone_does_and_in_the_end_nothing(beats: list[tuple[tuple[str, Params], bool]]) -> None:
    faults = GatewayFaults(lambda _injected: None)
    alone = {DELAY: [Injected()], ABORT: [Injected()]}
    for number, ((fault, params), stays) in enumerate(beats):
        faults.begin(f"{number}", fault, params)
        single = GatewayFaults(lambda _injected: None)
        single.begin("it", fault, params)
        if stays:
            alone[fault].append(single.in_force)
        else:
            faults.end(f"{number}")
    now = faults.in_force
    assert now.delay * now.delayed == max(injected.delay * injected.delayed for injected in alone[DELAY])
    assert now.aborted == max(injected.aborted for injected in alone[ABORT])
    for number in range(len(beats)):
        faults.end(f"{number}")
    assert faults.in_force == Injected()


def test_another_fault_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"gateway.other is no fault"):
        GatewayFaults(lambda _injected: None).begin("beat", "gateway.other", {})
