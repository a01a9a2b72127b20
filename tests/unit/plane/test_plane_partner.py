"""A partner's requests: which they are, how long they take, and what refusing them does to the others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from plane_kit import first_tries, gateway_count, make, poisson, responses

from drillbox.sandbox.model.service import Fallback, Gateway
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.plane import ClientPolicy, ServiceTime

TENTH = ServiceTime.constant(0.1)
TIMES = poisson(20.0, 400)


def test_the_partners_requests_take_many_times_as_long_and_the_others_what_they_always_take() -> None:
    plane = make(TENTH, replicas=4, concurrency=50)
    plane.set_partner(0.2, 5.0)
    plane.advance(TIMES[-1] + 10.0, TIMES)
    spans = np.array([first_tries(plane)[index] for index in range(400)])
    large = np.isclose(spans, 0.5)
    assert np.isclose(spans[~large], 0.1).all()
    assert large.mean() == pytest.approx(0.2, abs=0.05)
    assert gateway_count(plane, lay.I_PARTNER) == large.sum()
    assert plane.state.f[lay.F_PARTNER_WORK] == pytest.approx(0.5 * large.sum())


def test_whose_a_request_is_depends_on_nothing_else() -> None:
    found = []
    for replicas, factor in ((4, 5.0), (8, 7.0)):
        plane = make(TENTH, replicas=replicas, concurrency=50, gateway=Gateway(timeout=10.0, retries=2))
        plane.set_partner(0.2, factor)
        plane.advance(TIMES[-1] + 10.0, TIMES)
        found.append([index for index, span in first_tries(plane).items() if span > 0.3])
    assert sorted(found[0]) == sorted(found[1])


def test_a_partner_that_is_refused_gets_429_and_is_not_served() -> None:
    plane = make(TENTH, replicas=4, concurrency=50)
    plane.set_partner(0.2, 5.0)
    plane.refuse_partner(1.0)
    plane.advance(TIMES[-1] + 10.0, TIMES)
    refused = gateway_count(plane, lay.I_PARTNER)
    assert gateway_count(plane, lay.I_PARTNER_REFUSED) == refused == responses(plane)["4xx"] == plane.counts().failed
    assert gateway_count(plane, lay.I_SHED) == 0
    assert len(first_tries(plane)) == 400 - refused
    assert max(first_tries(plane).values()) == pytest.approx(0.1)


def test_a_quota_lets_a_share_of_the_attempts_in() -> None:
    plane = make(TENTH, replicas=4, concurrency=50, clients=ClientPolicy(retries=1, retry_refused=True))
    plane.set_partner(1.0, 1.0)
    plane.refuse_partner(0.5)
    plane.advance(TIMES[-1] + 20.0, TIMES)
    assert gateway_count(plane, lay.I_PARTNER) == pytest.approx(600, abs=40), "those that were refused came once more"
    assert plane.counts().failed == pytest.approx(100, abs=30)


def test_rules_take_a_partners_request_as_any_other() -> None:
    plane = make(TENTH, rules_time=0.004, replicas=4, concurrency=50)
    plane.set_gateway(Gateway(timeout=10.0), Fallback.ALWAYS)
    plane.set_partner(1.0, 100.0)
    plane.advance(TIMES[-1] + 10.0, TIMES)
    assert max(first_tries(plane).values()) == pytest.approx(0.004)
    assert plane.state.f[lay.F_PARTNER_WORK] == 0.0


@pytest.mark.parametrize(("share", "factor"), [(-0.1, 1.0), (1.1, 1.0), (math.nan, 1.0), (0.5, 0.0), (0.5, math.inf)])
def test_what_is_no_partner_is_an_error(share: float, factor: float) -> None:
    with pytest.raises(ValueError, match="not a partner"):
        make().set_partner(share, factor)
