"""Every incident in four minutes: fair as the long one, within what two cores can play for real, and its table is the page's."""

from __future__ import annotations

import datetime as dt
import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from halfway import FRESH, STALE, halfway

from drillbox.sandbox.control.canary import MIN_REQUESTS
from drillbox.sandbox.learning.windows import Spans
from drillbox.sandbox.loading import Library
from drillbox.sandbox.model.events import Role
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.operators import Operator
from drillbox.sandbox.proving import prove
from drillbox.sandbox.scoring.expectations import first_firings, unmet
from drillbox.sandbox.scoring.record import Record, record_of
from drillbox.sandbox.scoring.verdict import Verdict, judge
from drillbox.stacks.control_plane import canary
from drillbox.wiring import Wiring

DOCS = Path(__file__).parents[3] / "docs"
ALL = (
    "after-the-burst", "after-the-holiday", "early-season", "monday-rush", "quiet-decay", "quiet-night", "slow-afternoon",
    "stormy-sunday",
)  # fmt: skip
LATE_LABELS = ("stormy-sunday", "quiet-night", "quiet-decay", "after-the-holiday")
PAGE = 14.4
"""Burn rate of the only page."""


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drillbox_docs_proofs", DOCS / "make_proofs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_whole_library_has_one() -> None:
    entries = Library.packaged().entries()
    assert {entry.id for entry in entries} == set(ALL)
    assert [entry.id for entry in entries if "short" not in entry.profiles] == []


@pytest.mark.parametrize("name", ALL)
def test_two_cores_can_play_it(scenario_named, name: str) -> None:
    scenario = scenario_named(name, "short")
    asked = [step.params["replicas"] for step in scenario.reference.steps if "replicas" in step.params]
    assert scenario.world.traffic.rate <= 120.0
    assert scenario.service.champion.replicas <= 4
    assert max(asked, default=0) <= 8
    assert {(book.notice, book.step) for book in scenario.runbooks.values()} == {(20.0, 10.0)}


@pytest.mark.parametrize("name", ["quiet-decay", "early-season"])
def test_it_proves_itself(scenario_named, name: str) -> None:
    def play(variant: Scenario, operator: Operator) -> Record:
        session = Wiring().session(variant, 1, "sim")
        session.start(lambda _step, _done: None)
        session.run(operator)
        return record_of(session.events(role=Role.FACILITATOR))

    scenario = scenario_named(name, "short")
    proof = prove(scenario, 1, play)
    assert [(check.name, check.detail) for check in proof.checks if not check.held] == []
    others = {operator: points for operator, points in proof.impacts.items() if operator not in {"healthy", "idle", "reference"}}
    assert max(others.values()) < (80.0 if scenario.control else 35.0)


@pytest.mark.parametrize("name", ["stormy-sunday", "quiet-night", "after-the-holiday"])
def test_the_reference_has_ten_seconds_to_spare(scenario_named, playing, name: str) -> None:
    """A real stack is not as punctual as a simulation."""
    scenario = scenario_named(name, "short")
    slow = replace(scenario, reference=replace(scenario.reference, notice=30.0))
    assert judge(playing(slow, "reference").record, slow).verdict is Verdict.PASSED
    idle = playing(scenario).record
    assert judge(idle, scenario).verdict is Verdict.FAILED
    assert unmet(idle, scenario) == ()
    assert {earlier for earlier, _ in scenario.alerts.order} <= first_firings(idle).keys()


@pytest.mark.parametrize("name", [*LATE_LABELS, "early-season"])
def test_quality_objectives_are_halfway_where_they_are_judged(scenario_named, name: str) -> None:
    """Where the champion is the stale model, the fresh one is that of the six weeks before the drill."""
    scenario = scenario_named(name, "short")
    world = scenario.world
    [goal] = [goal for goal in scenario.objectives if goal.brier is not None]
    hours = int(scenario.verdict_window * world.pace / 3600)
    judged = scenario.calendar(scenario.duration) - dt.timedelta(hours=hours)
    champion = (world.train_from, world.train_until)
    fresh = (world.start - FRESH, world.start) if champion == STALE else champion
    assert goal.brier == pytest.approx(halfway(judged, hours, fresh), abs=0.001)


@pytest.mark.parametrize("name", LATE_LABELS)
def test_labels_come_in_time_for_the_page(scenario_named, name: str) -> None:
    """From when they are ten hours old to the end there must be time to spend so much of the budget."""
    scenario = scenario_named(name, "short")
    [target] = [goal.target for goal in scenario.objectives if goal.sli == "quality"]
    wait = Spans().maturity_hours * 3600.0 / scenario.world.pace
    first = min(beat.at or 0.0 for beat in scenario.timeline)
    share = (scenario.duration - first - wait) / (scenario.warmup + scenario.duration)
    assert share > 1.5 * PAGE * (1.0 - target)


@pytest.mark.parametrize("name", ["quiet-decay", "after-the-holiday"])
def test_a_canary_gets_enough_requests_to_decide_on(scenario_named, name: str) -> None:
    course, rate = canary.course_of("short"), scenario_named(name, "short").world.traffic.rate
    assert min(course.shares) * rate * course.step > 1.5 * MIN_REQUESTS
    assert canary.course_of("") == canary.course_of("night-shift") == canary.FULL


@pytest.mark.parametrize("profile", ["full", "short"])
def test_the_page_has_the_table_of_the_whole_library(generator: ModuleType, profile: str) -> None:
    page = (DOCS / "proofs.md").read_text(encoding="utf-8")
    told = f"`drillbox {' '.join(generator.command(profile))}`\n\n```text\n"
    rows = [line.split() for line in page.partition(told)[2].partition("\n```")[0].splitlines()[1:]]
    proved = {(row[0], row[2]) for row in rows if row[-1] == "yes" and row[1] == (profile if profile == "short" else "-")}
    assert proved == {(name, str(seed)) for name in ALL for seed in range(1, 6)}
    assert generator.filled(page, profile, "nothing").count("```text\nnothing\n```") == 1
    with pytest.raises(ValueError, match=r"proofs\.md has no block after"):
        generator.filled("", profile, "nothing")
