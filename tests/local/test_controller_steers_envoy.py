"""The controller and a real Envoy in front of two model servers: what changes in the cluster reaches requests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.deploy.envoy.program import find_envoy

sys.path.insert(0, str(Path(__file__).parent))
from controller_kit import World, world

try:
    find_envoy()
except StackError as error:
    pytest.skip(str(error), allow_module_level=True)

BOTH = {"127.0.0.1", "127.0.0.2"}


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[World]:
    """A gateway that serves."""
    with world(tmp_path) as made:
        made.fill()
        made.start("controller.envoy")
        made.start()
        made.wait(made.ready)
        made.wait(lambda: made.healthy() == BOTH)
        yield made


def test_pods_come_and_go(pod: World) -> None:
    assert pod.ask() == 200
    pod.serve("c", "127.0.0.3")
    pod.wait(lambda: pod.healthy() == {*BOTH, "127.0.0.3"})
    pod.api.change("pods", "a", metadata__deletionTimestamp="2026-01-01T00:00:00Z")
    pod.wait(lambda: pod.healthy() == {"127.0.0.2", "127.0.0.3"})
    pod.api.delete("pods", "b")
    pod.wait(lambda: pod.healthy() == {"127.0.0.3"})
    pod.api.change("pods", "c", status__conditions=[{"type": "Ready", "status": "False"}])
    pod.wait(lambda: pod.healthy() == set())
    assert pod.ask() == 503
    pod.api.change("pods", "c", status__conditions=[{"type": "Ready", "status": "True"}])
    pod.wait(lambda: pod.ask() == 200)


def test_a_pod_that_kubernetes_still_calls_ready_but_that_does_not_answer_leaves(pod: World) -> None:
    pod.replicas["a"].ready = False
    pod.wait(lambda: pod.healthy() == {"127.0.0.2"})
    assert pod.series()['controller_endpoints{deployment="model-champion"}'] == 2.0
    pod.replicas["a"].ready = True
    pod.wait(lambda: pod.healthy() == BOTH)
