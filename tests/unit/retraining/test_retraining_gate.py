"""The gates of a run: each refusal in words, and what they say on real flights."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest

from drillbox.sandbox.control.gate import Comparison, SnapshotFacts, Verdict, judge, validate
from drillbox.sandbox.learning import snapshots
from drillbox.sandbox.learning.evaluation import HELD_OUT_HOURS, Evaluation, evaluate, held_out
from drillbox.sandbox.learning.references import reference
from drillbox.sandbox.learning.version import ModelVersion
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.world.calendar import minutes_of
from drillbox.sandbox.world.data import FEATURES, FlightData
from drillbox.sandbox.world.prices import decision_threshold

WHOLE = SnapshotFacts(
    rows=38_000,
    usual_rows=36_000.0,
    columns=("hour", "temp"),
    expected_columns=("hour", "temp"),
    null_excess={"hour": 0.0, "temp": 0.2},
    out_of_range={"hour": 0.0, "temp": 0.05},
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"columns": ("hour",)}, "schema: expected hour, temp, found hour"),
        ({"columns": ("hour", "tmp")}, "schema: expected hour, temp, found hour, tmp"),
        ({"columns": ("hour", "temp", "label")}, "schema: expected hour, temp, found hour, temp, label"),
        ({"rows": 25_199}, "25,199 rows are 70% of the usual 36,000"),
        ({"rows": 15_013}, "15,013 rows are 42% of the usual 36,000"),
        ({"rows": 0, "usual_rows": 0.0}, "there are no rows"),
        ({"null_excess": {"hour": 0.1, "temp": 0.21}}, "21% of temp is missing, more than usual by over 20%"),
        ({"out_of_range": {"hour": 0.9, "temp": 0.06}}, "90% of hour is out of range, more than usual by over 5%"),
    ],
)
def test_a_snapshot_that_is_not_as_usual_is_refused(change: dict[str, object], reason: str) -> None:
    assert validate(replace(WHOLE, **change)) == Verdict(False, reason)  # type: ignore[arg-type]  # a test's own


def test_a_snapshot_within_the_bounds_may_be_trained_on() -> None:
    told = "38,000 rows, 106% of the usual number; schema, nulls and ranges are fine"
    assert validate(WHOLE) == Verdict(True, told)
    assert validate(replace(WHOLE, rows=25_200)).passed


BETTER = Comparison(1_800, 0.24, 0.30)


@pytest.mark.parametrize(
    ("overall", "slices", "reason"),
    [
        (Comparison(199, 0.1, 0.3), {}, "199 flights to compare on, 200 are needed"),
        (
            Comparison(1_800, 0.2991, 0.30),
            {},
            "Brier score 0.2991 against the champion's 0.3000 on 1,800 flights: not lower by 0.002",
        ),
        (
            Comparison(1_800, 0.31, 0.30),
            {},
            "Brier score 0.3100 against the champion's 0.3000 on 1,800 flights: not lower by 0.002",
        ),
        (
            BETTER,
            {"origin=JFK": Comparison(600, 0.2, 0.3), "carrier=EV": Comparison(200, 0.251, 0.2)},
            "Brier score 0.2400 against the champion's 0.3000 on 1,800 flights, but 0.251 against 0.200 for carrier=EV",
        ),
    ],
)
def test_a_candidate_that_is_no_better_is_refused(overall: Comparison, slices: dict[str, Comparison], reason: str) -> None:
    assert judge(overall, slices, 0.002) == Verdict(False, reason)


def test_a_better_candidate_may_go_on_whatever_small_slices_say() -> None:
    slices = {"carrier=HA": Comparison(199, 0.9, 0.1), "origin=JFK": Comparison(600, 0.2499, 0.2)}
    assert judge(BETTER, slices, 0.002) == Verdict(True, "Brier score 0.2400 against the champion's 0.3000 on 1,800 flights")
    assert judge(Comparison(200, 0.3, 0.3), {}, 0.0).passed, "without a margin a draw will do"
    assert not judge(BETTER, {}, 0.061).passed


# ------------------------------------------------------------------------------------------------------------------ real flights

Compared = Callable[[dt.datetime, float], tuple[Evaluation, Verdict]]


@pytest.fixture(scope="module")
def winter(flight_data: FlightData, june: Scenario) -> ModelVersion:
    """A champion of January and February."""
    threshold = decision_threshold(june.world.prices)
    return snapshots.train(snapshots.take(flight_data, dt.datetime(2013, 1, 1), dt.datetime(2013, 3, 1)), threshold)


@pytest.fixture(scope="module")
def compared(flight_data: FlightData, winter: ModelVersion) -> Compared:
    """`compared(until, hours)`: a candidate of the 42 days before against the winter's, on the flights of the hours after."""

    def compare(until: dt.datetime, hours: float = HELD_OUT_HOURS) -> tuple[Evaluation, Verdict]:
        candidate = snapshots.train(snapshots.take(flight_data, until - dt.timedelta(days=42), until), winter.threshold)
        begin, end = minutes_of(until), minutes_of(until) + hours * 60.0
        found = evaluate(flight_data, held_out(flight_data, begin, end, end + 600.0), candidate, winter)
        return found, judge(found.overall, found.slices, 0.002)

    return compare


def test_in_june_the_gate_says_yes(compared: Compared) -> None:
    found, verdict = compared(dt.datetime(2013, 6, 24))
    assert verdict.passed, verdict.reason
    assert found.overall.flights > 1_700
    assert found.overall.champion - found.overall.candidate > 0.05
    assert {"origin=EWR", "origin=JFK", "origin=LGA", "carrier=UA", "dest=ATL"} <= found.slices.keys()
    for by in ("origin=", "carrier=", "dest="):
        assert sum(one.flights for name, one in found.slices.items() if name.startswith(by)) == found.overall.flights


@pytest.mark.parametrize(
    ("day", "hours", "why"),
    [
        (5, HELD_OUT_HOURS, "not lower by 0.002"),
        (5, 15 * 24.0, "not lower by 0.002"),
        (11, HELD_OUT_HOURS, "not lower by 0.002"),
        (10, HELD_OUT_HOURS, "for carrier=EV"),
    ],
)
def test_in_december_the_recent_weeks_help_nobody_and_the_gate_says_no(
    compared: Compared, day: int, hours: float, why: str
) -> None:
    _, verdict = compared(dt.datetime(2013, 12, day), hours)
    assert not verdict.passed
    assert verdict.reason.endswith(why)


def test_flights_before_noon_are_not_the_usual_number(flight_data: FlightData, winter: ModelVersion) -> None:
    until = dt.datetime(2013, 6, 24)
    usual = reference(winter, flight_data)
    taken = [snapshots.take(flight_data, dt.datetime(2013, 5, 13), until, before_hour=hour) for hour in (12, 24)]
    short, whole = (snapshots.facts(snapshot, usual, snapshots.rows_per_day(winter)) for snapshot in taken)
    assert short.columns == FEATURES
    verdict = validate(short)
    assert not verdict.passed
    assert verdict.reason == f"{short.rows:,} rows are {short.rows / short.usual_rows:.0%} of the usual {short.usual_rows:,.0f}"
    assert 0.35 < short.rows / whole.rows < 0.45
    assert taken[0].late < 0.7 * taken[1].late, "a morning's flights are the punctual ones"
    assert validate(whole).passed, validate(whole).reason


def test_every_month_of_the_year_is_within_ranges_and_nulls(flight_data: FlightData, winter: ModelVersion) -> None:
    usual, per_day = reference(winter, flight_data), snapshots.rows_per_day(winter)
    assert per_day == usual.rows / 59.0
    for month in range(3, 13):
        until = dt.datetime(2013, month, 15)
        verdict = validate(snapshots.facts(snapshots.take(flight_data, until - dt.timedelta(days=42), until), usual, per_day))
        assert verdict.passed, f"{until:%B}: {verdict.reason}"
