"""A scenario of the library, and the objects of its drill."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast

import pytest

from drillbox.sandbox.loading import find_scenario, load_scenario
from drillbox.sandbox.loading.library import Library
from drillbox.sandbox.model.scenario import Scenario
from drillbox.stacks.deploy.kubernetes.objects import document, objects_of
from drillbox.stacks.deploy.kubernetes.setup import Setup

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: objects_kit

from objects_kit import Cluster, Doc, of_kind, setup_of


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


@pytest.fixture(scope="session")
def docs(drill: Setup) -> list[Doc]:
    return [document(one) for one in objects_of(drill)]


@pytest.fixture(scope="session")
def job(docs: list[Doc]) -> Doc:
    """The Job of a training run, as the pipeline finds it."""
    return cast("Doc", json.loads(of_kind(docs, "ConfigMap")["training"]["data"]["job.yaml"]))


@pytest.fixture(scope="session")
def pods(docs: list[Doc], job: Doc) -> dict[str, Doc]:
    """Specs of pods by what makes them."""
    return {name: one["spec"]["template"]["spec"] for name, one in of_kind([*docs, job], "Deployment", "Job").items()}
