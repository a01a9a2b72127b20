"""Scoring: sums of harm, the verdict with all its ways to fail, impact, and the fold of events into a record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.model.events import (
    Accepted,
    Alerted,
    Audience,
    Began,
    Body,
    Changed,
    Cleared,
    Completed,
    Ended,
    Event,
    Failed,
    Injected,
    Logged,
    Observed,
    Rejected,
    Settled,
)
from drillbox.sandbox.model.scenario import (
    Answer,
    Debrief,
    Expectations,
    Objective,
    Prices,
    Runbook,
    Runtime,
    Scenario,
    Traffic,
    WorldConfig,
)
from drillbox.sandbox.model.service import ServiceSpec
from drillbox.sandbox.model.telemetry import Ledger
from drillbox.sandbox.scoring.expectations import unmet
from drillbox.sandbox.scoring.harm import Harm, harm_of
from drillbox.sandbox.scoring.impact import control_impact, impact
from drillbox.sandbox.scoring.record import Record, record_of
from drillbox.sandbox.scoring.verdict import Verdict, judge, pages_firing

PRICES = Prices(failed=0.1, slow=0.03, missed=0.05, false_alarm=0.01, replica_hour=0.6, training_hour=3.0)
GOALS = (Objective("available", "availability", 0.99), Objective("fast", "latency", 0.95, 0.3))
SCENARIO = Scenario(
    id="toy",
    title="Toy",
    group="traffic",
    difficulty=1,
    skills=(),
    pager="The toys are slow.",
    world=WorldConfig("flights", dt.datetime(2013, 7, 8, 6), 12.0, Traffic(10.0), PRICES),
    service=ServiceSpec(),
    runtime=Runtime(),
    duration=100.0,
    warmup=20.0,
    verdict_window=30.0,
    timeline=(),
    objectives=GOALS,
    answer=Answer("clients", "traffic.spike"),
    reference=Runbook("reference", ()),
    tempting=(),
    debrief=Debrief("It was full."),
)
PAGE = {"severity": "page"}


def events(*bodies: tuple[float, Body]) -> list[Event]:
    return [Event(number, at, Audience.ALL, body) for number, (at, body) in enumerate(bodies)]


def observed(at: float, available: tuple[float, float], fast: tuple[float, float]) -> tuple[float, Body]:
    return at, Observed({}, {"available": available, "fast": fast}, asdict(Ledger()))


def alerted(at: float, state: str, name: str = "Slow", labels: dict[str, str] | None = None) -> tuple[float, Body]:
    return at, Alerted(name, PAGE if labels is None else labels, "inactive", state, 1.0, "", told=True)


BEFORE = observed(70.0, (900.0, 1000.0), (800.0, 1000.0))
FINISHED: tuple[float, Body] = (100.0, Ended("finished"))


def finished(*last: tuple[float, Body]) -> Record:
    return record_of(events(BEFORE, *last, FINISHED))


LEDGER = st.builds(
    Ledger,
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.floats(0, 1e5),
    st.floats(0, 1e6),
    st.floats(0, 1e5),
)


@given(LEDGER)
def test_harm_is_the_sum_of_what_was_lost_and_spent(ledger: Ledger) -> None:
    harm = harm_of(asdict(ledger), PRICES)
    by_hand = (
        0.1 * ledger.failed
        + 0.03 * ledger.slow
        + ledger.prediction_cost
        + 0.6 * ledger.replica_seconds / 3600
        + 3.0 * ledger.training_seconds / 3600
    )
    assert harm.total == pytest.approx(by_hand, rel=1e-12)
    assert sum(harm.parts().values()) == harm.total
    assert harm.since(harm) == Harm()
    assert harm.since(Harm()) == harm


def test_a_request_that_is_fine_costs_nothing_but_its_prediction() -> None:
    assert harm_of(asdict(Ledger(ok=10**6)), PRICES).total == 0.0
    assert harm_of(asdict(Ledger(failed=10, slow=10, replica_seconds=3600)), PRICES) == Harm(failed=1.0, slow=0.3, replicas=0.6)


def test_objectives_are_judged_over_the_last_window_only() -> None:
    """Before the window a tenth failed; within it 1,000 came and 995 were answered, 960 of them in time."""
    judgement = judge(finished(observed(100.0, (1895.0, 2000.0), (1760.0, 2000.0))), SCENARIO)
    assert judgement.verdict is Verdict.PASSED
    assert [result.value for result in judgement.objectives] == [0.995, 0.96]
    assert [result.events for result in judgement.objectives] == [1000.0, 1000.0]
    assert judgement.reasons == ()


def test_one_missed_objective_fails() -> None:
    judgement = judge(finished(observed(100.0, (1880.0, 2000.0), (1760.0, 2000.0))), SCENARIO)
    assert judgement.verdict is Verdict.FAILED
    assert judgement.reasons == ("available: 98.00%, the target is 99.00%",)


def test_exactly_the_target_is_met() -> None:
    assert judge(finished(observed(100.0, (1890.0, 2000.0), (1750.0, 2000.0))), SCENARIO).verdict is Verdict.PASSED


@pytest.mark.parametrize(("requests", "verdict"), [(199, Verdict.NO_DATA), (200, Verdict.PASSED), (0, Verdict.NO_DATA)])
def test_too_few_requests_are_no_data_and_never_a_pass(requests: int, verdict: Verdict) -> None:
    last = observed(100.0, (900.0 + requests, 1000.0 + requests), (800.0 + requests, 1000.0 + requests))
    judgement = judge(finished(last), SCENARIO)
    assert judgement.verdict is verdict
    if verdict is Verdict.NO_DATA:
        assert judgement.reasons[0] == f"available: no data ({requests} requests in the verdict window, 200 are needed)"


@pytest.mark.parametrize("counts", [{}, {"available": (1000.0, 1000.0)}])
def test_an_objective_without_counts_is_no_data(counts: dict[str, tuple[float, float]]) -> None:
    record = record_of(events(BEFORE, (100.0, Observed({}, counts, asdict(Ledger()))), FINISHED))
    assert judge(record, SCENARIO).verdict is Verdict.NO_DATA


def test_nothing_observed_before_the_window_is_no_data() -> None:
    late = record_of(events(observed(75.0, (0.0, 0.0), (0.0, 0.0)), observed(100.0, (900.0, 900.0), (900.0, 900.0)), FINISHED))
    assert judge(late, SCENARIO).verdict is Verdict.NO_DATA


def test_a_window_as_long_as_the_drill_begins_at_its_first_observation() -> None:
    whole = replace(SCENARIO, verdict_window=100.0)
    record = record_of(
        events(observed(0.0, (5.0, 10.0), (5.0, 10.0)), observed(100.0, (1005.0, 1010.0), (1005.0, 1010.0)), FINISHED)
    )
    assert judge(record, whole).verdict is Verdict.PASSED


GOOD = observed(100.0, (1895.0, 2000.0), (1760.0, 2000.0))


@pytest.mark.parametrize("reason", ["interrupted", "aborted", "broken", ""])
def test_a_drill_that_did_not_reach_its_end_is_aborted(reason: str) -> None:
    ending: list[tuple[float, Body]] = [(100.0, Ended(reason))] if reason else []
    judgement = judge(record_of(events(BEFORE, GOOD, *ending)), SCENARIO)
    assert judgement.verdict is Verdict.ABORTED
    assert judgement.reasons[0] == f"the drill did not reach its end ({reason or 'the journal breaks off'})"


def test_a_page_that_still_fires_fails() -> None:
    judgement = judge(finished(alerted(80.0, "firing"), GOOD), SCENARIO)
    assert judgement.verdict is Verdict.FAILED
    assert judgement.reasons == ("Slow is still firing",)


@pytest.mark.parametrize(
    "alerts",
    [
        [alerted(80.0, "firing"), alerted(90.0, "resolved")],
        [alerted(80.0, "pending")],
        [alerted(80.0, "firing", labels={"severity": "ticket"})],
    ],
)
def test_what_is_over_pending_or_a_ticket_does_not(alerts: list[tuple[float, Body]]) -> None:
    assert judge(finished(*alerts, GOOD), SCENARIO).verdict is Verdict.PASSED


def test_pages_are_told_apart_by_their_labels_and_named_once() -> None:
    two = [alerted(80.0, "firing", labels={**PAGE, "objective": goal}) for goal in ("a", "b")]
    one_over = alerted(90.0, "resolved", labels={**PAGE, "objective": "a"})
    assert pages_firing(record_of(events(*two))) == ("Slow",)
    assert pages_firing(record_of(events(*two, one_over))) == ("Slow",)


@pytest.mark.parametrize(
    ("control", "known", "verdict"),
    [(False, 49.9, Verdict.FAILED), (False, 50.0, Verdict.PASSED), (True, 89.9, Verdict.FAILED), (True, 90.0, Verdict.PASSED)],
)
def test_a_known_impact_must_be_enough(control: bool, known: float, verdict: Verdict) -> None:
    assert judge(finished(GOOD), replace(SCENARIO, control=control), known).verdict is verdict


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(1.0, 1e6))
def test_impact_is_0_for_idle_and_100_for_the_reference(you: float, reference: float, saved: float) -> None:
    idle = reference + saved
    assert impact(idle, idle, reference) == 0.0
    assert impact(reference, idle, reference) == pytest.approx(100.0)
    mine = impact(you, idle, reference)
    assert mine is not None
    assert (mine < 0) == (you > idle)
    assert control_impact(reference, reference, idle) == 100.0
    assert control_impact(idle, reference, idle) == pytest.approx(0.0, abs=1e-6)


def test_without_anything_to_prevent_there_is_no_impact() -> None:
    assert impact(1.0, 5.0, 5.0) is None
    assert impact(1.0, 5.0, 6.0) is None
    assert control_impact(1.0, 5.0, 5.0) is None
    assert control_impact(1.0, 5.0, 10.0) == 100.0, "better than idle is no better than right"


def test_a_record_folds_every_event() -> None:
    folded = record_of(
        events(
            (0.0, Began("toy", "Toy", "page")),
            (10.0, Injected("crowd", "traffic.spike", {"factor": 2.0})),
            (11.0, Rejected("you", 1, "shed", {}, "share is missing")),
            (12.0, Accepted("you", 2, "shed", {"share": 0.5})),
            (12.0, Changed("gateway.shed", 0.0, 0.5, "you")),
            (12.0, Completed("you", 2, "shed")),
            (13.0, Accepted("you", 3, "promote", {})),
            (13.0, Accepted("ann", 3, "declare", {})),
            (14.0, Failed("you", 3, "promote", "no candidate")),
            (15.0, Logged(14.5, "gateway", "info", "configured")),
            (15.0, Observed({"saturation": 0.5}, {}, {"failed": 1})),
            (20.0, Cleared("crowd")),
            (30.0, Settled({"failed": 2})),
            (30.0, Ended("finished")),
        )
    )
    outcomes = [(one.actor, one.number, one.action, one.outcome, one.reason) for one in folded.commands]
    assert outcomes == [
        ("you", 1, "shed", "rejected", "share is missing"),
        ("you", 2, "shed", "completed", ""),
        ("you", 3, "promote", "failed", "no candidate"),
        ("ann", 3, "declare", "accepted", ""),
    ]
    assert folded.changes == [(12.0, Changed("gateway.shed", 0.0, 0.5, "you"))]
    assert [(at, fault.fault) for at, fault in folded.faults] == [(10.0, "traffic.spike")]
    assert folded.cleared == [(20.0, "crowd")]
    assert [line.text for line in folded.logs] == ["configured"]
    assert [point.at for point in folded.points] == [15.0]
    assert (folded.ledger, folded.ended, folded.until) == ({"failed": 2}, "finished", 30.0)
    assert folded.first("shed") == 12.0, "a rejected command is none"
    assert folded.first("scale") is None


def firings(*names: tuple[float, str]) -> Record:
    return record_of(events(*(alerted(at, "firing", name) for at, name in names)))


@pytest.mark.parametrize(
    ("seen", "problems"),
    [
        ([(10.0, "A"), (40.0, "B")], ()),
        ([(10.0, "A")], ()),
        ([], ()),
        ([(50.0, "A"), (31.0, "B")], ()),  # no order is claimed within 20 s
        ([(50.0, "A"), (29.0, "B")], ("B fired at 29 s, before A at 50 s",)),
        ([(40.0, "B")], ("B fired at 40 s, A never did",)),
        ([(10.0, "A"), (40.0, "C")], ("C fired at 40 s and must not",)),
    ],
)
def test_what_a_scenario_expects_of_its_alerts(seen: Iterable[tuple[float, str]], problems: tuple[str, ...]) -> None:
    scenario = replace(SCENARIO, alerts=Expectations(order=(("A", "B"),), forbidden=("C",)))
    assert unmet(firings(*sorted(seen)), scenario) == problems
