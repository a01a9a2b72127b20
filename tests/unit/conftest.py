"""The real flight data, read and cached once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbox.sandbox.world.cache import load_data
from drillbox.sandbox.world.data import FlightData


@pytest.fixture(scope="session")
def world_home(session_home: Path) -> Path:
    """A home whose cache all tests share."""
    return session_home


@pytest.fixture(scope="session")
def flight_data(world_home: Path) -> FlightData:
    """All flights."""
    assert world_home.is_dir()
    return load_data()


@pytest.fixture
def warm_home(flight_data: FlightData, world_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`DRILLBOX_HOME` with the data cached."""
    assert len(flight_data)
    monkeypatch.setenv("DRILLBOX_HOME", str(world_home))
    return world_home
