"""For tests of the kind stack without an engine: a drill on the small API server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has modules of its own
from service_kit import Drill


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    """A drill whose cluster is the test's; it goes with the test."""
    made = Drill(tmp_path)
    yield made
    made.close()
