"""Whole drills, played in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest

import drillbox.scenarios
from drillbox.sandbox.engine import Readings
from drillbox.sandbox.loading import load_scenario
from drillbox.sandbox.model.events import Role
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.telemetry import Scrape
from drillbox.sandbox.observing import BuiltInMonitor
from drillbox.sandbox.operators import Idle, Scripted
from drillbox.sandbox.scoring.record import Record, record_of
from drillbox.sandbox.session import DrillSession
from drillbox.stacks.sim.stack import SimStack

FOLDER = Path(next(iter(drillbox.scenarios.__path__)))
sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: halfway

SCENARIOS = {
    "monday-rush": "traffic",
    "after-the-burst": "traffic",
    "slow-afternoon": "release",
    "stormy-sunday": "features",
    "quiet-night": "features",
    "early-season": "drift",
    "quiet-decay": "retraining",
    "after-the-holiday": "retraining",
}


class KeepingMonitor(BuiltInMonitor):
    """Keeps the scrapes and what was read of each."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.scrapes: list[Scrape] = []
        self.readings: list[Readings] = []

    def observe(self, scrape: Scrape) -> Readings:
        self.scrapes.append(scrape)
        self.readings.append(super().observe(scrape))
        return self.readings[-1]


@dataclass(frozen=True)
class Played:
    """A drill that was played to its end."""

    session: DrillSession
    record: Record
    scrapes: list[Scrape] = field(default_factory=list)
    readings: list[Readings] = field(default_factory=list)


@cache
def scenario_of(name: str, profile: str = "") -> Scenario:
    return load_scenario(FOLDER / SCENARIOS[name] / f"{name}.yaml", profile)


def new_session(scenario: Scenario, seed: int = 1) -> tuple[DrillSession, KeepingMonitor]:
    monitor = KeepingMonitor(scenario)
    return DrillSession(scenario, seed, SimStack(), monitor), monitor


def play_drill(scenario: Scenario, operator: str = "idle", seed: int = 1) -> Played:
    session, monitor = new_session(scenario, seed)
    session.start(lambda _step, _done: None)
    session.run(Idle() if operator == "idle" else Scripted(scenario.runbooks[operator]))
    return Played(session, record_of(session.events(role=Role.FACILITATOR)), monitor.scrapes, monitor.readings)


@pytest.fixture(scope="session")
def scenario_named(warm_data: None) -> Callable[..., Scenario]:
    """`scenario_named(name, profile="")`."""
    return scenario_of


@pytest.fixture(scope="session")
def playing(warm_data: None) -> Callable[..., Played]:
    """`playing(scenario, operator="idle", seed=1)` plays a drill."""
    return play_drill


@pytest.fixture(scope="session")
def opening(warm_data: None) -> Callable[..., tuple[DrillSession, KeepingMonitor]]:
    """`opening(scenario, seed=1)`: a session that has not started, and its monitor."""
    return new_session


@pytest.fixture(scope="session")
def warm_data(session_home: Path) -> None:
    """The state folder of the tests is in force before anything is read."""
    assert session_home.is_dir()


@pytest.fixture(scope="session")
def with_retry_budget() -> Callable[[Scenario, float], Scenario]:
    """The same scenario with another retry budget of the gateway from the start."""

    def change(scenario: Scenario, budget: float) -> Scenario:
        service = scenario.service
        return replace(scenario, service=replace(service, gateway=replace(service.gateway, retry_budget=budget)))

    return change
