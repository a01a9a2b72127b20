"""Two drills side by side: equal ones keep every band, and one that differs breaks the band of what differs, and no other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.fidelity.bands import BANDS, Band, Comparison, bands_of, compare, contradictions
from drillbox.sandbox.fidelity.figures import WHOLE, Figures, Outcome, Stretch, outcome_of, stretches_of
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.events import Alerted, Event, Observed, Role
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.telemetry import Scrape
from drillbox.sandbox.operators import Idle, Operator, Scripted
from drillbox.sandbox.scoring.record import record_of
from drillbox.sandbox.session import DrillSession
from drillbox.wiring import Wiring

Drill = tuple[Sequence[Event], list[Scrape]]
FIRST, SECOND = "AvailabilityBurnRate", "LatencyBurnRate"
TIMES = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.0, 240.0), max_size=6).map(
    lambda found: tuple(sorted(found.items(), key=lambda item: item[1]))
)


def play(scenario: Scenario, operator: Operator) -> Drill:
    scrapes: list[Scrape] = []
    sessions: list[DrillSession] = []

    def note(event: Event) -> None:
        scrape = sessions[0].last_scrape
        if isinstance(event.body, Observed) and scrape is not None:
            scrapes.append(scrape)

    sessions.append(Wiring().session(scenario, 1, "sim", [note]))
    sessions[0].start(lambda _step, _done: None)
    sessions[0].run(operator)
    return sessions[0].events(role=Role.FACILITATOR), scrapes


@pytest.fixture(scope="module")
def rush() -> Scenario:
    return load_scenario(Library.packaged().find("monday-rush"), "short")


@pytest.fixture(scope="module")
def calm(rush: Scenario) -> Scenario:
    """Without the fault, and with replicas enough: figures depend on nothing but the rate and the time that an answer takes."""
    return dataclasses.replace(rush, timeline=())


@pytest.fixture(scope="module")
def drill(rush: Scenario) -> Drill:
    return play(rush, Scripted(rush.reference))


@pytest.fixture(scope="module")
def quiet(calm: Scenario) -> Drill:
    return play(calm, Idle())


def reduced(drill: Drill, scenario: Scenario, stretches: Sequence[Stretch] = (), stack: str = "sim") -> Outcome:
    record = record_of(drill[0])
    return outcome_of(record, scenario, drill[1], stretches or stretches_of(record, scenario), (stack, "reference", 1))


def against(drill: Drill, other: Drill, scenario: Scenario) -> Comparison:
    stretches = stretches_of(record_of(drill[0]), scenario)
    return compare(reduced(drill, scenario), reduced(other, scenario, stretches, "other"))


def missed(comparison: Comparison) -> set[str]:
    return {line.what for line in comparison.missed}


def edited(events: Sequence[Event], change: Callable[[Event], Event | None]) -> list[Event]:
    kept = [event for event in map(change, events) if event is not None]
    return [dataclasses.replace(event, number=number) for number, event in enumerate(sorted(kept, key=lambda one: one.at))]


def is_about(event: Event, name: str) -> bool:
    return isinstance(event.body, Alerted) and event.body.name == name


def test_the_same_drill_keeps_every_band(drill: Drill, rush: Scenario) -> None:
    found = against(drill, drill, rush)
    assert found.met
    assert {line.what for line in found.lines} == {"verdict", "pages", "order of pages", "throughput", "p95", "errors", "auc"}
    assert [name for name, _ in found.sim.pages] == [FIRST, SECOND]
    assert [line.distance for line in found.lines if line.band] == [0.0] * 4


def test_figures_are_those_of_the_ledger_and_the_histogram(drill: Drill, rush: Scenario) -> None:
    record, whole = record_of(drill[0]), reduced(drill, rush).figures[WHOLE]
    ledger = record.ledger
    assert whole.throughput == pytest.approx((ledger["ok"] + ledger["slow"]) / rush.duration)
    assert whole.errors == pytest.approx(ledger["failed"] / (ledger["failed"] + ledger["ok"] + ledger["slow"]))
    assert whole.auc == record.points[-1].slis["quality_auc"]
    last = reduced(drill, rush, [Stretch("last", rush.duration - 30.0, rush.duration)]).figures["last"]
    assert last.p95 == pytest.approx(record.points[-1].slis["latency_p95"], rel=0.02)  # nobody is refused by then


def test_the_parts_of_a_drill_are_told_apart(drill: Drill, rush: Scenario) -> None:
    outcome = reduced(drill, rush)
    assert list(outcome.figures) == [WHOLE, "before the fault", "fault to mitigation", "verdict window"]
    before, during, after = list(outcome.figures.values())[1:]
    assert before.errors == 0.0
    assert during.errors is not None
    assert during.errors > 0.2
    assert after.errors is not None
    assert after.errors < 0.01


def test_a_changed_rate_breaks_the_band_of_throughput_alone(quiet: Drill, calm: Scenario) -> None:
    traffic = dataclasses.replace(calm.world.traffic, rate=calm.world.traffic.rate * 1.05)
    busier = play(dataclasses.replace(calm, world=dataclasses.replace(calm.world, traffic=traffic)), Idle())
    found = against(quiet, busier, calm)
    assert missed(found) == {"throughput"}
    assert found.missed[0].distance == pytest.approx(0.05, abs=0.01)


def test_a_changed_service_time_breaks_the_band_of_p95_alone(quiet: Drill, calm: Scenario) -> None:
    slower = play(
        dataclasses.replace(calm, runtime=dataclasses.replace(calm.runtime, service_time=1.5 * calm.runtime.service_time)), Idle()
    )
    assert missed(against(quiet, slower, calm)) == {"p95"}


def test_a_page_that_does_not_fire_is_named(drill: Drill, rush: Scenario) -> None:
    events = edited(drill[0], lambda event: None if is_about(event, SECOND) else event)
    found = against(drill, (events, drill[1]), rush)
    assert missed(found) == {"pages"}
    assert found.missed[0].note == f"{SECOND} did not fire"
    back = against((events, drill[1]), drill, rush)
    assert back.missed[0].note == f"{SECOND} fired in addition"


def test_pages_in_another_order_are_named(drill: Drill, rush: Scenario) -> None:
    events = edited(drill[0], lambda event: dataclasses.replace(event, at=event.at + 70.0) if is_about(event, FIRST) else event)
    found = against(drill, (events, drill[1]), rush)
    assert missed(found) == {"order of pages"}
    assert found.missed[0].note == f"{FIRST} does not come before {SECOND}"


def test_without_scrapes_and_labels_there_is_no_data_and_no_pass(drill: Drill, rush: Scenario) -> None:
    def blind(event: Event) -> Event:
        if not isinstance(event.body, Observed):
            return event
        slis = {name: value for name, value in event.body.slis.items() if name != "quality_auc"}
        return dataclasses.replace(event, body=dataclasses.replace(event.body, slis=slis))

    found = against(drill, (edited(drill[0], blind), []), rush)
    assert not found.met
    assert {line.what: (line.met, line.note) for line in found.missed} == {
        "p95": (None, "no data on other"),
        "auc": (None, "no data on other"),
    }


def test_a_drill_that_breaks_off_has_no_figures(rush: Scenario) -> None:
    cut = [event for event in play(dataclasses.replace(rush, timeline=()), Idle())[0] if event.at < 100.0]
    outcome = reduced((cut, []), rush, [Stretch(WHOLE, 0.0, rush.duration)])
    assert outcome.verdict == "aborted"
    assert outcome.figures[WHOLE] == Figures()
    assert reduced(([], []), rush).figures[WHOLE] == Figures()


def test_counters_that_begin_again_lose_no_answers(quiet: Drill, calm: Scenario) -> None:
    events, scrapes = quiet
    half = len(scrapes) // 2
    taken = dict(zip(scrapes[half].series, scrapes[half].values.tolist(), strict=True))

    def since_the_restart(scrape: Scrape) -> Scrape:
        fresh = [value - taken.get(series, 0.0) for series, value in zip(scrape.series, scrape.values.tolist(), strict=True)]
        return dataclasses.replace(scrape, values=np.array(fresh))

    restarted = [*scrapes[: half + 1], *map(since_the_restart, scrapes[half + 1 :])]
    here, there = (reduced((events, some), calm).figures[WHOLE].p95 for some in (scrapes, restarted))
    assert there == pytest.approx(here, rel=1e-6)


def test_the_bands_are_those_of_the_design() -> None:
    assert {band.figure: (band.width, band.relative) for band in BANDS.figures} == {
        "throughput": (0.03, True),
        "p95": (0.25, True),
        "errors": (0.02, False),
        "auc": (0.02, False),
    }
    assert (bands_of("local").apart, bands_of("kind").apart) == (20.0, 30.0)
    assert bands_of("kind").figures == BANDS.figures


@given(st.floats(0.0, 1e4), st.floats(0.0, 1e4), st.booleans())
def test_a_band_is_as_wide_on_both_sides(sim: float, other: float, relative: bool) -> None:
    band = Band("p95", 0.25, relative=relative)
    distance = band.distance(sim, other)
    if sim > 0.0 or not relative:
        assert band.holds(distance) == band.holds(-distance)
        within = abs(other - sim) <= 0.25 * (sim if relative else 1.0)
        assert band.holds(distance) == within or math.isclose(abs(distance), 0.25, rel_tol=1e-6)
    else:
        assert band.holds(distance) == (other == 0.0)


@given(TIMES, TIMES, st.floats(0.0, 120.0))
def test_the_order_of_pages_reads_the_same_from_both_sides(sim, other, apart: float) -> None:
    found = contradictions(sim, other, apart)
    assert contradictions(sim, sim, apart) == ()
    assert {frozenset(pair) for pair in contradictions(other, sim, apart)} == {frozenset(pair) for pair in found}
    for first, second in found:
        assert dict(sim)[first] < dict(sim)[second]
        assert dict(other)[first] > dict(other)[second]
    assert set(contradictions(sim, other, apart + 10.0)) <= set(found)


def test_no_order_is_claimed_of_pages_that_fire_close_together() -> None:
    near = (("a", 10.0), ("b", 25.0))
    assert contradictions(near, (("b", 12.0), ("a", 20.0)), 20.0) == ()
    assert contradictions(near, (("b", 12.0), ("a", 40.0)), 20.0) == (("a", "b"),)
    assert contradictions(near, (("b", 12.0),), 20.0) == ()
