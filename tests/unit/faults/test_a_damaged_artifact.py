"""A release whose file is damaged: its servers run and never get ready, the others go on, and a roll-back ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from fault_kit import BEGINS, Drill

from drillbox.sandbox.model.scenario import Beat, Scenario, Version
from drillbox.stacks.sim.fleet import PodState

Opened = Callable[..., Drill]


@pytest.fixture
def damaged(calm: Scenario) -> Scenario:
    beat = Beat("release", "release.bad_artifact", {"version": "v2"}, at=BEGINS)
    return replace(calm, versions=(Version("v2", trees=30),), timeline=(beat,))


def test_servers_of_a_damaged_version_never_get_ready_and_the_others_go_on(damaged: Scenario, opened: Opened) -> None:
    drill = opened(damaged, 60.0)
    assert drill.spec.champion.version == "v2"
    stuck = [pod for pod in drill.pods if pod.version == "v2"]
    assert stuck
    assert {pod.state for pod in stuck} == {PodState.LOADING}
    assert all(pod.restarts == 0 for pod in stuck), "their processes run: nothing restarts them"
    assert {pod.version for pod in drill.ready} == {"v7"}
    assert len(drill.ready) >= 3, "a rolling update takes no more away before the new ones are ready"
    for pod in stuck:
        assert drill.logged("model v2 cannot be loaded: its file is damaged", pod.name)
    drill.play(180.0)
    assert {pod.version for pod in drill.ready} == {"v7"}


def test_a_roll_back_replaces_them(damaged: Scenario, opened: Opened) -> None:
    drill = opened(damaged, 60.0)
    assert drill.do("roll-back") == ""
    drill.play(100.0)
    assert {pod.version for pod in drill.pods} == {"v7"}
    assert len(drill.ready) == 4
