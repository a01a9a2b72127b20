"""A scenario of the library, and the objects of its drill."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from drillbox.sandbox.loading import find_scenario, load_scenario
from drillbox.sandbox.loading.library import Library
from drillbox.sandbox.model.scenario import Scenario
from drillbox.stacks.deploy.kubernetes.setup import Setup

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: objects_kit

from objects_kit import Cluster, setup_of


@pytest.fixture(scope="session")
def slow_afternoon() -> Scenario:
    return load_scenario(find_scenario("slow-afternoon", Library.packaged()))


@pytest.fixture(scope="session")
def drill(slow_afternoon: Scenario) -> Setup:
    return setup_of(slow_afternoon)


@pytest.fixture(scope="session")
def rendered(drill: Setup) -> Cluster:
    return Cluster.of(drill)


@pytest.fixture
def cluster(rendered: Cluster) -> Cluster:
    """One for each test: changes replace documents, and change none."""
    return rendered.copy()
