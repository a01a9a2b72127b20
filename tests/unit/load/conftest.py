from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from load_kit import new_world

from drillbox.sandbox.world.flights import World


@pytest.fixture(scope="session")
def world() -> World:
    return new_world()
