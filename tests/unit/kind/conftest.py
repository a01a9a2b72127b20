"""For tests of the kind stack without an engine: clusters on a small engine, and a drill on the small API server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has modules of its own
from kind_kit import READY, FakeEngine, programs
from service_kit import Drill

from drillbox.stacks.kind.cluster.clusters import Clusters
from drillbox.stacks.kind.housekeeping import KindHousekeeping


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    """A drill whose cluster is the test's; it goes with the test."""
    made = Drill(tmp_path)
    yield made
    made.close()


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    """An engine with nothing on it."""
    return FakeEngine(tmp_path / "state.json")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Where a state folder keeps clusters."""
    return tmp_path / "home" / "kind"


@pytest.fixture
def clusters(tmp_path: Path, base: Path, engine: FakeEngine) -> Callable[..., Clusters]:
    """Makes those of that state folder: with a `kind` that does as its mode says, and nodes that are as ready as is said."""

    def make(mode: str = "", ready: dict[str, str] | None = None, **options: float) -> Clusters:
        found = READY if ready is None else ready
        environment = programs(tmp_path / "bin", engine.path, mode)
        return Clusters(base, engine, environment=environment, look=lambda _file: found, **options)

    return make


@pytest.fixture
def keeper(base: Path, engine: FakeEngine) -> KindHousekeeping:
    """The housekeeping of that state folder, where no drills are."""
    return KindHousekeeping(base, lambda _base: [], lambda: engine)
