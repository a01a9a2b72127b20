"""Real processes are killed, stopped, and ended by their settings; what the service, its logs and the undo log say of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Autoscaler, Change, differences
from drillbox.sandbox.model.stack import ApplySpec, ClearFault, InjectFault
from drillbox.sandbox.model.telemetry import LogLine
from drillbox.stacks.deploy.envoy.program import find_envoy
from drillbox.stacks.local import bring_up as building
from drillbox.stacks.local.replicas import Replica, State
from drillbox.stacks.local.stack import LocalStack
from drillbox.stacks.real.machine.records import stat
from drillbox.stacks.real.machine.undo import UndoLog

try:
    find_envoy()
except StackError as missing:
    pytest.skip(str(missing), allow_module_level=True)

PATIENCE = 600.0
"""Wall seconds, on a machine that has hardly a moment for it."""


def scenario() -> Scenario:
    """A quiet one of two replicas, so that nearly all of a busy machine is left for starting processes."""
    rush = load_scenario(Library.packaged().find("monday-rush"), "short")
    world = replace(rush.world, traffic=replace(rush.world.traffic, rate=4.0))
    service = replace(rush.service, champion=replace(rush.service.champion, replicas=2), autoscaler=Autoscaler())
    runtime = replace(rush.runtime, start_time=1.0, load_time=1.0)
    return replace(rush, timeline=(), world=world, service=service, runtime=runtime)


class Driven:
    """A stack that is up, and what it has told so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = LocalStack(folder)
        self.logs: list[LogLine] = []
        self.changes: list[Change] = []
        self.stack.up(scenario(), 1, lambda _step, _done: None)

    def until(self, holds: Callable[[], object]) -> None:
        """Play on until it holds."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, "; ".join(line.text for line in self.logs[-20:])
            told = self.stack.advance(self.stack.drill.service.clock.now())
            self.logs += told.logs
            self.changes += told.changes

    def replicas(self) -> list[Replica]:
        return self.stack.drill.service.fleet.replicas()

    def all_ready(self) -> bool:
        return all(one.is_ready for one in self.replicas())

    def said(self, component: str = "") -> list[str]:
        return [line.text for line in self.logs if component in line.component]

    def stopped(self) -> list[Replica]:
        """Those whose process the kernel has stopped."""
        found = [(one, stat(one.process.pid)) for one in self.replicas() if one.process is not None]
        return [one for one, state in found if state is not None and state.state == "T"]

    def pending(self) -> list[str]:
        (folder,) = self.folder.iterdir()
        return [entry.kind for entry in UndoLog(folder).pending()]


@pytest.fixture
def driven(drillbox_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driven]:
    monkeypatch.setattr(building, "PATIENCE", PATIENCE)
    one = Driven(drillbox_home / "local")
    yield one
    one.stack.down()


@pytest.mark.slow
def test_replicas_are_killed_and_stopped_for_real_and_come_back(driven: Driven) -> None:
    apply = driven.stack.apply
    apply(InjectFault("kill", "pods.kill", {"count": 1, "every": 3.0}))
    driven.until(lambda: sum(text == "process ended: killed by SIGKILL" for text in driven.said("model-champion")) >= 2)
    apply(ClearFault("kill"))
    driven.until(driven.all_ready)
    assert sum(one.restarts for one in driven.replicas()) >= 2

    apply(InjectFault("hang", "pods.hang", {"count": 1}))
    apply(InjectFault("again", "pods.hang", {"count": 2}))
    driven.until(lambda: len(driven.stopped()) == 2)
    assert driven.pending() == ["continue"] * 3
    driven.until(lambda: [one.state for one in driven.replicas()] == [State.UNREACHABLE] * 2)
    apply(ClearFault("again"))
    driven.until(lambda: len(driven.stack.drill.service.fleet.ready()) == 1)
    [hung] = driven.stopped()
    assert driven.pending() == ["continue"]
    assert "health checks pass again: ready" in driven.said("model-champion")
    driven.until(lambda: "liveness probe fails: its container is to be restarted" in driven.said(hung.name))
    before = hung.restarts
    apply(ClearFault("hang"))
    driven.until(lambda: hung.restarts == before + 1 and driven.all_ready())
    ways = {
        "process ended: exit 0",
        "process ended: killed by SIGKILL",
    }  # it heard at last that it was to end, or was killed first
    assert sum(text in ways for text in driven.said(hung.name)) == hung.restarts
    assert driven.pending() == []


@pytest.mark.slow
def test_pushed_settings_end_every_process_until_they_are_rolled_back(driven: Driven) -> None:
    service = driven.stack.drill.service
    driven.stack.apply(InjectFault("push", "pods.crash_loop", {"after": 2.0}))
    assert service.spec.servers.settings == "revision-2"
    driven.until(lambda: all(one.restarts >= 2 for one in driven.replicas()))
    assert [change.field for change in driven.changes] == ["servers.settings", "platform.pushed"]
    assert "servers.settings: usual -> revision-2 (larger thread pools)" in driven.said("config-pipeline")
    for one in driven.replicas():
        told = driven.said(one.name)
        assert told.count("settings revision-2: thread pool is exhausted") >= 2
        assert told.count("process ended: exit 1") >= 2
        assert "restart in 10 s" in told
    driven.stack.apply(ClearFault("push"))
    before = service.spec
    plan = ACTIONS["roll-back-config"].plan
    assert plan is not None
    wanted = plan(before, {}, 1)
    driven.stack.apply(ApplySpec(before, tuple(differences(before, wanted, "you"))))
    assert service.spec.servers.settings == "usual"
    driven.until(driven.all_ready)
    restarts = [one.restarts for one in driven.replicas()]
    assert all(service.controls.get(f"{one.url}/control/settings")["exit_after"] == 0.0 for one in driven.replicas())
    lived = time.monotonic() + 4.0
    driven.until(lambda: time.monotonic() > lived)
    assert [one.restarts for one in driven.replicas()] == restarts
    assert driven.all_ready()


@pytest.mark.slow
def test_replicas_are_unready_and_new_ones_wait_for_their_image(driven: Driven) -> None:
    apply, service = driven.stack.apply, driven.stack.drill.service
    apply(InjectFault("unready", "pods.unready", {"count": 1}))
    driven.until(lambda: [one.state for one in driven.replicas()].count(State.UNREACHABLE) == 1)
    assert driven.stopped() == []
    apply(ClearFault("unready"))
    driven.until(driven.all_ready)
    assert [one.restarts for one in driven.replicas()] == [0, 0]

    apply(InjectFault("image", "pods.bad_image", {}))
    service.desire({"champion.replicas": 3}, "alice")
    driven.until(lambda: any(text.startswith("ImagePullBackOff") for text in driven.said("model-champion")))
    new = driven.replicas()[-1]
    assert (new.process, new.state) == (None, State.BACKING_OFF)
    service.desire({"servers.settings": "usual"}, "alice")
    driven.until(lambda: len(driven.replicas()) == 3 and driven.all_ready())
