"""With no fault, on thirty seeded starts of the year, hardly anybody is woken; and quality objectives are where they ought to be."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest
from halfway import FRESH, STALE, halfway

from drillbox.sandbox.loading import load_scenario
from drillbox.sandbox.model.scenario import Objective, Scenario
from drillbox.sandbox.operators import Idle
from drillbox.sandbox.scoring.record import record_of
from drillbox.wiring import Wiring

FIRST, LAST = dt.datetime(2013, 3, 1), dt.datetime(2013, 12, 10)
STARTS = 30
HOURS = 30
"""Calendar hours of a drill."""
SEED = 2013
MODEL = {"QualityBurnRate", "FeatureDrift"}
"""Alerts on quality and drift; all other pages are on the system or on data quality."""


def starts() -> list[dt.datetime]:
    """Whole hours, drawn."""
    hours = int((LAST - FIRST).total_seconds() // 3600)
    drawn = np.random.default_rng(SEED).integers(0, hours, STARTS)
    return [FIRST + dt.timedelta(hours=int(hour)) for hour in sorted(drawn)]


def healthy(start: dt.datetime) -> Scenario:
    """A quiet drill from there, with a model of the six weeks before, and the quality objective that belongs there."""
    control = load_scenario(Wiring().library().find("early-season"))
    traffic = dataclasses.replace(control.world.traffic, rate=40.0)
    world = dataclasses.replace(control.world, start=start, traffic=traffic, train_from=start - FRESH, train_until=start)
    champion = dataclasses.replace(control.service.champion, previous="")
    goals = [goal for goal in control.objectives if goal.sli != "quality"]
    goals.append(Objective("quality", "quality", 0.95, brier=halfway(start, HOURS)))
    service = dataclasses.replace(control.service, champion=champion)
    return dataclasses.replace(control, world=world, service=service, versions=(), objectives=tuple(goals))


def pages(scenario: Scenario) -> set[str]:
    session = Wiring().session(scenario, 1, "sim")
    session.start(lambda _step, _done: None)
    session.run(Idle())
    alerts = record_of(session.events()).alerts
    return {alert.name for _, alert in alerts if alert.state == "firing" and alert.labels["severity"] == "page"}


@pytest.mark.slow
def test_thirty_healthy_starts(warm_data: None) -> None:
    found = {start: pages(healthy(start)) for start in starts()}
    assert {start: names - MODEL for start, names in found.items() if names - MODEL} == {}, "system and data quality"
    assert len([start for start, names in found.items() if names & MODEL]) <= 3, found


@pytest.mark.parametrize("name", ["stormy-sunday", "quiet-night", "early-season", "after-the-holiday"])
def test_quality_objectives_are_halfway_between_fresh_and_stale(scenario_named, warm_data: None, name: str) -> None:
    scenario = scenario_named(name, "")
    world = scenario.world
    [limit] = [goal.brier for goal in scenario.objectives if goal.brier is not None]
    assert world.train_from is not None
    assert world.train_until is not None
    hours = round(scenario.duration * world.pace / 3600)
    assert limit == pytest.approx(halfway(world.start, hours, (world.train_from, world.train_until)), abs=0.001)


def test_the_objective_of_the_season_is_halfway_where_it_is_judged(scenario_named, warm_data: None) -> None:
    """The champion is the stale model here; the fresh one is that of the six weeks before the drill."""
    scenario = scenario_named("quiet-decay", "")
    world = scenario.world
    [limit] = [goal.brier for goal in scenario.objectives if goal.brier is not None]
    assert (world.train_from, world.train_until) == STALE
    hours = int(scenario.verdict_window * world.pace / 3600)
    judged = scenario.calendar(scenario.duration) - dt.timedelta(hours=hours)
    assert limit == pytest.approx(halfway(judged, hours, (world.start - FRESH, world.start)), abs=0.001)
