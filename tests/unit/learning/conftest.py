"""The real data, built once for all tests of world and learning in a home of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbox.sandbox.world.cache import load_data
from drillbox.sandbox.world.data import FlightData


@pytest.fixture(scope="session")
def world_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that all tests of this process share."""
    return tmp_path_factory.getbasetemp() / "world-home"


@pytest.fixture(scope="session")
def flight_data(world_home: Path) -> FlightData:
    """All flights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRILLBOX_HOME", str(world_home))
        return load_data()


@pytest.fixture
def warm_home(flight_data: FlightData, world_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`DRILLBOX_HOME` with the data cached."""
    monkeypatch.setenv("DRILLBOX_HOME", str(world_home))
    yield world_home
