"""The debrief's course of the drill: nothing that fails may look healthy, and the numbers are those of the record."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from drillbox.sandbox.drill import Result
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.reports.course import course
from drillbox.sandbox.reports.markdown import debrief
from drillbox.sandbox.scoring.harm import harm_of
from drillbox.sandbox.scoring.record import Point, Record
from drillbox.sandbox.scoring.times import Times
from drillbox.sandbox.scoring.verdict import judge

RATE = 100.0
STEADY = (0.0, 600.0)


def record(failing: float, start: float, end: float) -> Record:
    """A drill at 100 requests a second, of which a share fails from `start` to `end` seconds, observed every 5 s."""
    points, good, total = [], 0.0, 0.0
    for index in range(1, 241):
        at = index * 5.0
        share = failing if start < at <= end else 0.0
        good, total = good + 5.0 * RATE * (1.0 - share), total + 5.0 * RATE
        slis = {"request_rate": RATE, "error_ratio": share, "latency_p95": 0.1, "saturation": 0.5, "replicas": 3.0}
        ledger = {
            "failed": total - good,
            "slow": 0.0,
            "ok": good,
            "prediction_cost": 0.0,
            "replica_seconds": 3.0 * at,
            "training_seconds": 0.0,
        }
        points.append(Point(at, slis, {"availability": (good, total), "latency": (good, total)}, ledger))
    return Record(points=points, ledger=points[-1].ledger, ended="finished", until=1200.0)


@pytest.fixture(scope="module")
def told() -> Callable[[Record], Result]:
    scenario = load_scenario(Library.packaged().find("monday-rush"))

    def tell(what: Record) -> Result:
        harm = harm_of(what.ledger, scenario.world.prices)
        return Result(scenario, 1, "sim", "you", what, judge(what, scenario), harm, Times(), (), None)

    return tell


def chart_of(text: str, name: str) -> str:
    """The drawn part of one line of the charts."""
    found = re.search(rf"^{name} *\|(.*)\| ", text, flags=re.MULTILINE)
    assert found, text
    return found[1]


def rows_of(text: str) -> list[list[str]]:
    """The cells of the table's rows."""
    lines = [line for line in text.splitlines() if re.match(r"\| \d\d:\d\d \|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_small_steady_failure_is_seen(told: Callable[[Record], Result]) -> None:
    """5% of errors are five times what the objective allows, and the lowest bar of a chart to 100%."""
    text = course(told(record(0.05, 0.0, 1200.0)))
    assert chart_of(text, "errors") == "▁" * 60
    assert chart_of(text, "availability") == "x" * 60
    assert all(row[2] == "95.00% ✗" for row in rows_of(text))


def test_a_healthy_drill_has_no_marks(told: Callable[[Record], Result]) -> None:
    text = course(told(record(0.0, *STEADY)))
    assert chart_of(text, "availability").strip() == ""
    assert all(row[2] == "100.00%" for row in rows_of(text))


def test_marks_stand_where_the_failure_was(told: Callable[[Record], Result]) -> None:
    text = course(told(record(0.5, 300.0, 600.0)))
    assert chart_of(text, "availability") == " " * 15 + "x" * 15 + " " * 30
    assert [row[0] for row in rows_of(text) if "✗" in row[2]] == ["06:00", "07:00", "08:00", "09:00", "10:00"]


def test_one_bad_observation_is_marked(told: Callable[[Record], Result]) -> None:
    """A column of the chart stands for 20 s, and their mean would meet the objective."""
    assert chart_of(course(told(record(0.02, 300.0, 305.0))), "availability").count("x") == 1


def test_the_table_adds_up(told: Callable[[Record], Result]) -> None:
    what = record(0.5, 300.0, 600.0)
    result = told(what)
    rows = rows_of(course(result))
    assert len(rows) == 20
    assert rows[-1][0] == "20:00"
    first = harm_of(what.points[0].ledger, result.scenario.world.prices).total
    assert sum(float(row[-1].replace(",", "")) for row in rows) == pytest.approx(result.harm.total - first, abs=0.2)
    assert {row[1] for row in rows} == {"100"}


def test_a_record_that_breaks_off_has_a_course(told: Callable[[Record], Result]) -> None:
    whole = record(0.5, 300.0, 600.0)
    for length in (0, 1, 2, 13):
        cut = replace(whole, points=whole.points[:length], ended="")
        text = debrief(told(cut))
        assert "## Aborted" in text
        assert len(rows_of(text)) == (0 if length < 2 else 2 if length == 13 else 1)


def test_without_data_there_is_a_gap_and_no_healthy_line(told: Callable[[Record], Result]) -> None:
    what = record(0.0, *STEADY)
    blind = replace(what, points=[replace(point, slis={}, counts={}) for point in what.points])
    text = course(told(blind))
    assert chart_of(text, "errors") == "·" * 60
    assert chart_of(text, "availability") == "·" * 60
    assert {(row[2], row[4]) for row in rows_of(text)} == {("-", "-")}


def test_all_lines_of_the_charts_are_aligned(told: Callable[[Record], Result]) -> None:
    block = course(told(record(0.5, 300.0, 600.0))).split("```")[1].splitlines()[1:]
    assert len({(line.index("|"), line.index("|", line.index("|") + 1)) for line in block if line}) == 1
