"""Stage, canary, shadow, promote and roll back, as an operator does them on the simulated service."""

from __future__ import annotations

import pytest

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.events import Completed, Rejected
from drillbox.sandbox.session import DrillSession
from drillbox.testing import total
from drillbox.wiring import Wiring


@pytest.fixture
def session() -> DrillSession:
    """`slow-afternoon` with nothing going wrong by itself yet: its rollout begins at 2 minutes."""
    session = Wiring().session(load_scenario(Library.packaged().find("slow-afternoon")), 1, "sim")
    session.start(lambda _step, _done: None)
    return session


def play(session: DrillSession, until: float) -> None:
    while session.now < until:
        session.advance()


def answered(session: DrillSession, deployment: str) -> float:
    scrape = session.last_scrape
    assert scrape is not None
    return total(scrape, "model_server_predictions_total", deployment=deployment)


def test_a_canary_gets_its_share_and_is_promoted(session: DrillSession) -> None:
    session.submit("set-canary", {"weight": "20%"})
    session.submit("stage", {"version": "v8", "replicas": 2})
    play(session, 45.0)
    assert answered(session, "model-candidate") == 0
    session.submit("set-canary", {"weight": "20%"})
    before = answered(session, "model-champion")
    play(session, 105.0)
    candidate, champion = answered(session, "model-candidate"), answered(session, "model-champion") - before
    assert candidate / (candidate + champion) == pytest.approx(0.2, abs=0.02)
    session.submit("promote", {})
    play(session, 119.0)
    spec = session.snapshot().spec
    assert (spec.champion.version, spec.champion.previous, spec.candidate.replicas, spec.gateway.canary_weight) == (
        "v8",
        "v7",
        0,
        0.0,
    )
    session.submit("roll-back", {})
    play(session, 120.0)
    assert session.snapshot().spec.champion.version == "v7"
    outcomes = [type(event.body) for event in session.events() if isinstance(event.body, Completed | Rejected)]
    # The first set-canary came before there was a candidate.
    assert outcomes == [Rejected, Completed, Completed, Completed, Completed]


def test_a_shadow_works_and_answers_nobody(session: DrillSession) -> None:
    session.submit("shadow", {"version": "v8", "share": "50%"})
    play(session, 100.0)
    scrape = session.last_scrape
    assert scrape is not None
    copies = answered(session, "model-shadow")
    assert copies > 1000
    answers = total(scrape, "envoy_gateway_rq_time_count", response_code_class="2xx")
    served = answered(session, "model-champion")
    in_flight = total(scrape, "model_server_inflight", deployment="model-champion")
    assert abs(answers - served) <= in_flight + 1
    session.submit("shadow", {"version": "v8", "share": "0%"})
    play(session, 110.0)
    assert session.snapshot().spec.shadow.replicas == 0
