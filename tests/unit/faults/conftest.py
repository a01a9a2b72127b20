"""A calm drill, to which each test adds its fault."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: fault_kit

from fault_kit import Drill

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.world.data import FlightData


@pytest.fixture(scope="session")
def calm(flight_data: FlightData, world_home: Path) -> Scenario:
    """`slow-afternoon` without its fault: four replicas, half busy at most, that start in five seconds."""
    scenario = load_scenario(Library.packaged().find("slow-afternoon"))
    traffic = replace(scenario.world.traffic, rate=80.0)
    return replace(
        scenario,
        timeline=(),
        versions=(),
        warmup=30.0,
        world=replace(scenario.world, traffic=traffic),
        runtime=replace(scenario.runtime, start_time=2.0, load_time=3.0),
    )


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
