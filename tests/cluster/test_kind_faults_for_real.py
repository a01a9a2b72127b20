"""Faults of nodes and containers on a real cluster: what they do, who notices, how it recovers, and that nothing stays undone."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.params import Value, parse_params
from drillbox.sandbox.model.stack import ClearFault, InjectFault
from drillbox.sandbox.model.telemetry import Telemetry
from drillbox.stacks.kind.drills import folders
from drillbox.stacks.kind.engine import Engine
from drillbox.stacks.kind.node_hands import Reach, undo_log
from drillbox.stacks.kind.programs import KUBECTL, find
from drillbox.stacks.kind.service import KindService
from drillbox.stacks.kind.settings import Settings
from drillbox.stacks.kind.stack import KindStack
from drillbox.stacks.services.controller.pods import ServerPod, node_ready

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.soak]

PATIENCE = 420.0
"""Wall seconds for anything to come to hold: pods leave a lost node after some 80 s, and burn rates look back five minutes."""


class Faulty:
    """A drill that is up, without an incident of its own."""

    def __init__(self, base: Path, engine: Engine) -> None:
        self.base, self.engine = base, engine
        self.stack = KindStack(base)
        self.fired: set[str] = set()
        self.firing: set[str] = set()
        self.last: Telemetry | None = None

    def up(self) -> None:
        scenario = load_scenario(Library.packaged().find("slow-afternoon"), "short")
        calm = replace(scenario, timeline=(), warmup=20.0, duration=3600.0)
        self.stack.up(calm, 1, lambda _step, _done: None)
        self.until(lambda: self.ledger()[1] > 100)

    def begin(self, fault: str, **given: Value) -> None:
        self.stack.apply(InjectFault(fault, fault, parse_params(FAULTS[fault].params, given, base_units=True)))

    def end(self, fault: str) -> None:
        self.stack.apply(ClearFault(fault))

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            told = self.last = self.stack.advance(self.service.clock.now() + 1.0)
            self.firing = {one.name for one in told.alerts or () if one.firing}
            self.fired |= self.firing
            if holds():
                return
            assert time.monotonic() < deadline, f"it did not come to hold: {self.pods()}, firing {self.firing}"

    @property
    def service(self) -> KindService:
        service = self.stack.drill.service
        assert isinstance(service, KindService)
        return service

    def pods(self) -> list[ServerPod]:
        return self.service.pods()

    def ledger(self) -> tuple[float, float]:
        """Requests that failed, and that were answered in time."""
        assert self.last is not None
        return self.last.ledger.failed, self.last.ledger.ok

    def serve(self, count: int) -> bool:
        return sum(one.ready for one in self.pods()) == count == len(self.pods())

    def kubectl(self, *arguments: str) -> str:
        place = self.service.place
        command = [find(KUBECTL).path, f"--kubeconfig={place.kubeconfig}", f"--namespace={place.namespace}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout

    def pending(self) -> list[str]:
        return [entry.kind for folder in folders(self.base) for entry in undo_log(folder, self.engine).pending()]


@pytest.fixture
def faulty(engine: Engine, tmp_path: Path) -> Iterator[Faulty]:
    one = Faulty(tmp_path / "kind", engine)
    yield one
    one.stack.down()


@pytest.fixture
def container(engine: Engine) -> Iterator[str]:
    """A container on a network of its own, as a node is."""
    image, name = Settings.read().base_image, f"drillbox-tests-{secrets.token_hex(4)}"
    if engine.image(image) is None:
        pytest.skip(f"the engine does not have the image {image}")
    api = engine.client.api
    api.create_network(name, driver="bridge")
    try:
        made = api.create_container(image, ["sleep", "600"], name=name, host_config=api.create_host_config(network_mode=name))
        api.start(made["Id"])
        yield name
    finally:
        api.remove_container(name, force=True)
        api.remove_network(name)


def test_what_is_done_to_a_container_is_undone_by_whoever_comes_next(engine: Engine, container: str, tmp_path: Path) -> None:
    def state() -> tuple[str, list[str]]:
        found = engine.client.api.inspect_container(container)
        addresses = [one["IPAddress"] for one in found["NetworkSettings"]["Networks"].values()]
        return found["State"]["Status"], addresses

    before = state()
    for how, lost in (("pause", "paused"), ("stop", "exited"), ("disconnect", "running")):
        reach = Reach.of(engine, tmp_path)
        reach.undo.note(container, *reach.hands.as_it_is(container))
        reach.hands.lose(container, how)
        assert state() != before
        assert state()[0] == lost
        Reach.of(engine, tmp_path).take_back()
        assert state() == before
    reach = Reach.of(engine, tmp_path)
    reach.undo.note("cpu", *reach.hands.cpu_as_it_is(container))
    reach.hands.limit_cpu(container, 0.25)
    assert engine.client.api.inspect_container(container)["HostConfig"]["CpuQuota"] == 25_000
    Reach.of(engine, tmp_path).take_back()
    assert engine.client.api.inspect_container(container)["HostConfig"]["CpuQuota"] == -1
    assert Reach.of(engine, tmp_path).undo.pending() == []


def test_faults_of_containers_and_nodes_are_real_and_leave_nothing_behind(faulty: Faulty) -> None:
    """One after the other in one drill: to bring it up takes longer than a fault."""
    faulty.up()
    a_process_hangs_and_is_restarted(faulty)
    a_replica_is_unready_and_not_restarted(faulty)
    a_leak_is_killed_at_the_limit(faulty)
    pods_move_from_a_paused_node_and_the_service_recovers(faulty)

    faulty.begin("nodes.loss", node="node-1", how="stop")  # the drill ends with a node that is lost
    faulty.stack.down()
    assert not folders(faulty.base)


def a_process_hangs_and_is_restarted(faulty: Faulty) -> None:
    faulty.begin("pods.hang", count=1)
    assert faulty.pending() == ["container-process"]
    faulty.until(lambda: any(one.restarts == 1 for one in faulty.pods()))
    faulty.end("pods.hang")
    assert faulty.pending() == []
    faulty.until(lambda: faulty.serve(3))


def a_replica_is_unready_and_not_restarted(faulty: Faulty) -> None:
    faulty.begin("pods.unready", count=1)
    faulty.until(lambda: sum(one.ready for one in faulty.pods()) == 2)
    faulty.end("pods.unready")
    faulty.until(lambda: faulty.serve(3))
    assert sum(one.restarts for one in faulty.pods()) == 1


def a_leak_is_killed_at_the_limit(faulty: Faulty) -> None:
    faulty.begin("pods.memory_leak", leak=8.0)
    faulty.until(lambda: any(one.died for one in faulty.pods()))
    faulty.end("pods.memory_leak")
    found = json.loads(faulty.kubectl("get", "pods", "--output=json", "--selector=drillbox.dev/pool"))
    ends = [one["status"]["containerStatuses"][0] for one in found["items"]]
    reasons = {(end.get(state) or {}).get("terminated", {}).get("reason") for end in ends for state in ("state", "lastState")}
    assert "OOMKilled" in reasons
    faulty.until(lambda: faulty.serve(3) and not faulty.firing)


def pods_move_from_a_paused_node_and_the_service_recovers(faulty: Faulty) -> None:
    node = faulty.service.seen().nodes["node-1"]
    assert node.metadata is not None
    lost = node.metadata.name
    assert any(one.node == lost for one in faulty.pods())
    faulty.begin("nodes.loss", node="node-1")
    assert faulty.pending() == ["node"]
    faulty.until(lambda: not node_ready(faulty.service.seen().nodes["node-1"]))
    faulty.until(lambda: "NodeNotReady" in faulty.fired)
    faulty.until(lambda: faulty.serve(3) and all(one.node != lost for one in faulty.pods()))
    failed, answered = faulty.ledger()
    faulty.end("nodes.loss")
    assert faulty.pending() == []
    faulty.until(lambda: node_ready(faulty.service.seen().nodes["node-1"]) and not faulty.firing)
    faulty.until(lambda: faulty.ledger()[1] > answered + 500)
    assert faulty.ledger()[0] - failed < 50, "the service has recovered"
