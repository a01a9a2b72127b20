"""Sessions on the real simulation, short, and how they are served."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: host_kit

from host_kit import Served, nothing, served

from drillbox.sandbox.loading import find_scenario, load_scenario
from drillbox.sandbox.session import DrillSession
from drillbox.wiring import Wiring


@pytest.fixture(scope="session")
def new_session(flight_data: object, world_home: Path) -> Callable[..., DrillSession]:
    """`new_session("monday-rush")`: its short profile on the simulation, at t = 0."""
    assert world_home.is_dir()

    def make(name: str, *, start: bool = True) -> DrillSession:
        wiring = Wiring()
        session = wiring.session(load_scenario(find_scenario(name, wiring.library()), "short"), 1, "sim")
        if start:
            session.start(nothing)
        return session

    return make


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[Served]]:
    """`with serving(session) as served:` for tests that make the session themselves."""
    return served


@pytest.fixture
def serve(new_session: Callable[..., DrillSession]) -> Iterator[Callable[..., Served]]:
    """`serve("monday-rush")`: a session at t = 0 that the test drives, and its API."""
    with ExitStack() as stack:

        def make(name: str) -> Served:
            return stack.enter_context(served(new_session(name)))

        yield make
