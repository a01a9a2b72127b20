"""Drills on the retraining loop; those that several tests look at are played once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: loop_kit

from loop_kit import Drill, with_loop

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.operators import Scripted
from drillbox.sandbox.world.data import FlightData


@pytest.fixture(scope="session")
def june(flight_data: FlightData, world_home: Path) -> Scenario:
    """`quiet-decay` as it is."""
    return load_scenario(Library.packaged().find("quiet-decay"))


@pytest.fixture(scope="session")
def july(flight_data: FlightData, world_home: Path) -> Scenario:
    """`after-the-holiday` as it is."""
    return load_scenario(Library.packaged().find("after-the-holiday"))


@pytest.fixture
def opened() -> Iterator[Callable[..., Drill]]:
    """`opened(scenario, until=0.0)`: a drill at a drill second; its stack goes down after the test."""
    drills: list[Drill] = []

    def begin(scenario: Scenario, until: float = 0.0) -> Drill:
        drills.append(Drill.open(scenario))
        return drills[-1].play(until)

    yield begin
    for drill in drills:
        drill.stack.down()


@pytest.fixture(scope="session")
def relieved(june: Scenario) -> Iterator[Drill]:
    """`quiet-decay` with its reference, up to the last second."""
    drill = Drill.open(june)
    operator = Scripted(june.reference)
    while drill.session.now < june.duration - 1.0:
        drill.session.advance(operator)
    yield drill
    drill.stack.down()


@pytest.fixture(scope="session")
def promoted(june: Scenario) -> Iterator[Drill]:
    """No fault; a run by hand from second 60 that was promoted, and its rollout."""
    drill = Drill.open(with_loop(june)).play(60.0)
    drill.do("retrain", days=14)
    drill.until_over()
    drill.play(drill.session.now + 60.0)
    yield drill
    drill.stack.down()
