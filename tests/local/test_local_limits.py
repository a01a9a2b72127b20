"""Limits of memory and CPU: what is asked of cgroups and processes, what the kernel makes of it, and machines that cannot."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from local_kit import left, python, until

from drillbox.sandbox.cli.main import run
from drillbox.sandbox.learning.models import ensure_model
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.params import Value
from drillbox.sandbox.model.scenario import Beat, Scenario
from drillbox.sandbox.model.service import with_fields
from drillbox.sandbox.world.cache import load_data
from drillbox.stacks.deploy.envoy.names import Address
from drillbox.stacks.local import bring_up as building
from drillbox.stacks.local import limits
from drillbox.stacks.local.housekeeping import LocalHousekeeping
from drillbox.stacks.local.limits import PROCESS, Leak, Limits, effort
from drillbox.stacks.local.replicas import Replica, State
from drillbox.stacks.local.stack import LocalStack
from drillbox.stacks.real.machine import cgroups
from drillbox.stacks.real.machine.ports import HOST, free_port
from drillbox.stacks.real.machine.processes import Process, Supervisor
from drillbox.stacks.real.machine.programs import Program
from drillbox.stacks.real.pod_faults import Throttling
from drillbox.stacks.services.model_server.questions import request_body
from drillbox.wiring import Wiring

TOKEN = "token-of-the-tests"  # noqa: S105  # of processes that live as long as a test
limited = pytest.mark.skipif(bool(cgroups.available()), reason=f"no cgroups of our own: {cgroups.available()}")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario(Library.packaged().find("monday-rush"), "short")


class FakeCgroup:
    """Writes down what is asked of it. Of version 1 it refuses a limit below what is used."""

    def __init__(self, version: int = 2, used: float = 500.0) -> None:
        self.version, self.used = version, used
        self.memory: list[float | None] = []
        self.cpu: list[float | None] = []

    def limit_memory(self, mebibytes: float) -> None:
        if self.version == 1 and mebibytes < self.used:
            raise StackError("the kernel refuses it: Device or resource busy")
        self.memory.append(mebibytes)

    def limit_cpu(self, cores: float | None) -> None:
        self.cpu.append(cores)

    def counters(self) -> cgroups.Counters:
        return cgroups.Counters(self.used, 0, 0, 0, 0.0)


class FakeService:
    """What limits need of the service; `told` is what its model servers were told, and the limit on CPU at that moment."""

    def __init__(self, scenario: Scenario, states: tuple[State, ...] = (State.READY,), **cgroup: Any) -> None:
        self.scenario, self.spec = scenario, scenario.service
        self.programs = SimpleNamespace(strain={})
        self.replicas = [
            Replica(f"model-champion-{number}", number, "model-champion", "v1", Address(HOST, 1), 0.0, state)
            for number, state in enumerate(states)
        ]
        for one in self.replicas:
            one.process = SimpleNamespace(cgroup=FakeCgroup(**cgroup), exit_code=None)  # type: ignore[assignment]
        self.told: list[Mapping[str, object]] = []
        self.fleet = SimpleNamespace(
            replicas=lambda: self.replicas, tell_one=lambda one, settings: self.told.append({one.name: settings})
        )
        self.desired: list[tuple[Mapping[str, object], str, str]] = []

    def strain(self, settings: Mapping[str, float]) -> None:
        cgroup = self.cgroups[0]
        self.told.append({**settings, "cpu": cgroup.cpu[-1:]} if isinstance(cgroup, FakeCgroup) else settings)
        self.programs.strain |= settings

    def desire(self, fields: dict[str, Value], by: str, why: str) -> None:
        self.desired.append((fields, by, why))
        self.spec = with_fields(self.spec, fields)

    def set(self, **fields: float) -> None:
        self.spec = with_fields(self.spec, {f"servers.{name}": value for name, value in fields.items()})

    @property
    def cgroups(self) -> list[Any]:
        return [one.process.cgroup for one in self.replicas if one.process is not None]


# ------------------------------------------------------------------------------------------------------------- what is asked


def test_answers_compute_before_a_quota_is_there_and_until_it_is_gone(scenario: Scenario) -> None:
    service = FakeService(scenario, (State.READY, State.LOADING, State.DRAINING))
    bounds = Limits(service)  # type: ignore[arg-type]  # as much of a service as it needs
    assert service.programs.strain == {}, "nobody computes for nothing"
    service.set(cpu=2.0)
    bounds.apply_cpu()
    share = 0.006 / scenario.runtime.service_time
    assert service.told == [{"effort": pytest.approx(share), "cpu": []}]
    quotas = [one.cpu for one in service.cgroups]
    assert quotas == [[pytest.approx(2.0 * share)], [], [pytest.approx(2.0 * share)]], "who loads is not held up"
    service.replicas[1].state = State.READY
    bounds.admit(service.replicas[1])
    assert service.cgroups[1].cpu == [pytest.approx(2.0 * share)]
    service.set(cpu=0.0)
    bounds.apply_cpu()
    assert service.told[-1] == {"effort": 0.0, "cpu": [None]}
    assert [one.cpu[-1] for one in service.cgroups] == [None] * 3


def test_a_quota_is_never_less_than_the_kernel_hands_out_in_a_piece() -> None:
    for limit in (0.05, 0.2, 0.5, 1.0, 8.0):
        for service_time in (0.001, 0.04, 2.0):
            share = effort(limit, service_time)
            assert 0.0 < share <= 1.0
            assert limit * share >= 0.05 - 1e-9
    assert effort(8.0, 0.06) == pytest.approx(0.1), "two cores are enough for a hundred answers per second"


def test_a_scenario_that_begins_with_a_limit_or_leaks_later_begins_like_the_simulation(scenario: Scenario) -> None:
    servers = replace(scenario.service.servers, cpu=1.0)
    leaky = Beat("leak", "pods.memory_leak", {"leak": 1.0}, at=60.0)
    begun = replace(scenario, service=replace(scenario.service, servers=servers), timeline=(leaky,))
    service = FakeService(begun)
    Limits(service)  # type: ignore[arg-type]  # as above
    assert service.programs.strain == {"memory": PROCESS, "effort": pytest.approx(effort(1.0, scenario.runtime.service_time))}


@pytest.mark.parametrize(("version", "asked", "more"), [(2, [256.0], False), (1, [501.0], True)])
def test_a_memory_limit_below_what_is_used_leads_to_a_kill(
    scenario: Scenario, version: int, asked: list[float], more: bool
) -> None:
    service = FakeService(scenario, version=version, used=500.0)
    service.set(memory=256.0)
    Limits(service).apply_memory()  # type: ignore[arg-type]  # as above
    assert service.cgroups[0].memory == asked
    assert ({"model-champion-0": {"memory": 508.0}} in service.told) is more, "version 1 does not kill by itself"
    assert service.programs.strain == {"memory": PROCESS}


def test_more_memory_changes_no_process(scenario: Scenario) -> None:
    service = FakeService(scenario)
    service.set(memory=4096.0)
    Limits(service).apply_memory()  # type: ignore[arg-type]  # as above
    assert service.cgroups[0].memory == [4096.0]
    assert service.told == []


def test_leaks_add_up_and_end(scenario: Scenario) -> None:
    service = FakeService(scenario)
    leak = Leak(service)  # type: ignore[arg-type]  # as above
    leak.begin("a", "pods.memory_leak", {"leak": 0.5})
    leak.begin("b", "pods.memory_leak", {"leak": 99.9})
    assert [told["leak"] for told in service.told] == [0.5, 100.0], "a model server takes no more"
    leak.end("b")
    leak.end("a")
    leak.end("a")
    assert [told["leak"] for told in service.told[2:4]] == [0.5, 0.0]


def test_throttling_is_a_push_that_can_be_rolled_back(scenario: Scenario) -> None:
    service = FakeService(scenario)
    fault = Throttling(service)  # type: ignore[arg-type]  # as above
    fault.begin("push", "pods.cpu_throttling", {"limit": 0.5})
    fault.end("push")
    pushed = {"servers.cpu": 0.5, "platform.pushed": "servers.cpu=0.0"}
    assert service.desired == [(pushed, "capacity", "limits as they are used")]


# ------------------------------------------------------------------------------------------------------- machines that cannot


@pytest.fixture
def without_cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "mounts", list)


def test_capabilities_follow_from_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "available", lambda: "")
    able = LocalStack(tmp_path).capabilities
    assert {"pods.memory_leak", "pods.cpu_throttling"} <= able.faults
    assert "set-limits" in able.actions
    monkeypatch.setattr(limits, "available", lambda: "no cgroups here")
    unable = LocalStack(tmp_path).capabilities
    assert able.faults - unable.faults == {"pods.memory_leak", "pods.cpu_throttling"}
    assert able.actions - unable.actions == {"set-limits"}
    assert unable.why("set-limits") == " (no cgroups here)"
    assert unable.why("scale") == ""


@pytest.mark.usefixtures("without_cgroups")
def test_a_fault_that_needs_cgroups_is_refused_before_anything_starts(
    drillbox_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_args: None)  # the test runner keeps its handlers
    text = Library.packaged().find("monday-rush").read_text(encoding="utf-8")
    text, count = re.subn(r"fault: traffic\.spike\n( +)with: {.*}", r"fault: pods.memory_leak\n\1with: {leak: 1}", text)
    assert count >= 1
    text = text.replace("{component: clients, cause: traffic.spike}", "{component: model-server, cause: pods.memory_leak}")
    file = tmp_path / "leaky.yaml"
    file.write_text(text, encoding="utf-8")
    assert run(["run", str(file), "--stack", "local", "--operator", "idle"], Wiring()) == 3
    told = capsys.readouterr().err
    assert "this stack cannot realise pods.memory_leak (no cgroup controller for memory: it is not mounted" in told
    assert "nothing was brought up" in told
    assert list((drillbox_home / "local").glob("*")) == []


# ----------------------------------------------------------------------------------------------------------------- the kernel


class Server:
    """A real model server in a cgroup."""

    def __init__(self, folder: Path, model: str, **settings: str) -> None:
        self.supervisor = Supervisor(folder, "limits")
        port = free_port()
        given = {"SERVICE_HOST": HOST, "SERVICE_PORT": str(port), "SERVICE_COMPONENT": "model-champion-1", "CONTROL_TOKEN": TOKEN}
        fixed = {"DRILL_SEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        served = {"MODEL_VERSION": "v1", "MODEL_ARTIFACT": model, "MODEL_CONCURRENCY": "2", "MODEL_HOLD": "40"}
        program = (sys.executable, "-m", "drillbox.stacks.services.model_server")
        self.process: Process = self.supervisor.start(Program("server", program, given | fixed | served | settings, 1024.0))
        self.client = httpx.Client(base_url=f"http://{HOST}:{port}", timeout=60.0, trust_env=False)

    def ready(self) -> Server:
        until(self._ready, 240.0)
        return self

    @property
    def cgroup(self) -> cgroups.Cgroup:
        assert self.process.cgroup is not None
        return self.process.cgroup

    def _ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            assert self.process.alive(), self.process.log_lines()
            return False

    def tell(self, settings: Mapping[str, object]) -> None:
        self.client.post("/control/settings", json=settings, headers={"Authorization": f"Bearer {TOKEN}"}).raise_for_status()

    def ask(self) -> None:
        body = request_body(np.array([[1.0, 0.0, 3.0, 18.0, 2.0, 1000.0]]))
        self.client.post("/v2/models/flights/infer", content=body).raise_for_status()

    def ask_often(self, times: int) -> None:
        for _ in range(times):
            self.ask()

    def ended(self) -> str:
        """Why, once it has."""
        until(lambda: self.process.ended(0.0), 60.0)
        self.supervisor.reap()
        return self.process.end_reason


@pytest.fixture(scope="module")
def model(scenario: Scenario) -> str:
    return ensure_model(scenario.world, load_data()).id


@pytest.fixture
def start(tmp_path: Path, model: str, drillbox_home: Path) -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def begin(**settings: str) -> Server:
        running.append(Server(tmp_path / "session", model, DRILLBOX_HOME=str(drillbox_home), **settings))
        return running[-1].ready()

    yield begin
    for one in running:
        one.client.close()
        one.process.signal(signal.SIGKILL)
        one.supervisor.down()


@limited
def test_a_quota_slows_answers_and_a_leak_ends_in_a_kill_by_the_kernel(start: Callable[..., Server], scenario: Scenario) -> None:
    server = start(MODEL_MEMORY=str(PROCESS))
    service = FakeService(scenario)
    service.replicas[0].process = server.process
    service.strain = server.tell  # type: ignore[method-assign]
    bounds = Limits(service)  # type: ignore[arg-type]  # as above

    def answer(times: int) -> tuple[int, int]:
        before = server.cgroup.counters()
        server.ask_often(times)
        after = server.cgroup.counters()
        return after.periods - before.periods, after.throttled_periods - before.throttled_periods

    service.set(cpu=0.1)
    bounds.apply_cpu()
    periods, throttled = answer(5)  # each wants 40 ms of a tenth of a core: some 400 ms
    assert throttled >= 3
    assert periods >= 5 * 3, "five answers take three periods each, at least"
    service.set(cpu=0.0)
    bounds.apply_cpu()
    assert answer(3) == (0, 0)

    base = server.cgroup.working_set()
    assert PROCESS - 5.0 <= base <= PROCESS + 40.0, "of the simulation's size, and some for the kernel's own"
    Leak(service).begin("leak", "pods.memory_leak", {"leak": 10.0})  # type: ignore[arg-type]  # as above
    server.ask_often(10)
    until(lambda: server.cgroup.working_set() >= base + 95.0)
    assert server.cgroup.working_set() <= base + 130.0, "ten answers, ten MiB each"
    service.set(memory=base + 200.0)
    bounds.apply_memory()
    with pytest.raises(httpx.TransportError):
        server.ask_often(60)
    assert server.ended() == "out of memory"


GROWS = """
import signal
held = [b"x" * (100 << 20)]
signal.signal(signal.SIGUSR1, lambda *_: held.append(b"x" * (32 << 20)))
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_limits_of_cpu_are_lifted_from_what_is_to_end(tmp_path: Path) -> None:
    for name, files in (("v2", {"cpu.max": "500 100000"}), ("v1", {"cpu.cfs_quota_us": "500", "cpu.cfs_period_us": "100000"})):
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(content)
    cgroups.unthrottle([tmp_path / "v2", tmp_path / "v1", tmp_path / "gone"])
    assert (tmp_path / "v2" / "cpu.max").read_text() == "max 100000"
    assert (tmp_path / "v1" / "cpu.cfs_quota_us").read_text() == "-1"
    assert (tmp_path / "v1" / "cpu.cfs_period_us").read_text() == "100000"


@limited
@pytest.mark.parametrize("who", ["host", "down"])
def test_throttled_processes_end_and_leave_no_cgroup(tmp_path: Path, who: str) -> None:
    folder = tmp_path / "local" / "limits"
    supervisor = Supervisor(folder, "limits")
    busy = "held = b'x' * (64 << 20)\nprint('ready', flush=True)\nwhile True: pass"
    process = supervisor.start(python("busy", busy, memory=300.0))
    until(lambda: "ready" in process.log_lines())
    assert process.cgroup is not None
    process.cgroup.limit_memory(200.0)
    process.cgroup.limit_cpu(0.01)
    until(lambda: process.cgroup and process.cgroup.counters().throttled_periods >= 1)
    if who == "down":
        supervisor._claim.release()  # as when the host has died
        said: list[str] = []
        assert LocalHousekeeping(tmp_path / "local", lambda _: []).down(["limits"], said.append) == []
        assert any("killed" in line for line in said)
    supervisor.down(0.2)
    assert left(folder, "limits") == []


def test_what_cannot_be_ended_stays_known_to_down(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "session", "limits")

    def fails(_patience: float) -> None:
        raise StackError("cannot be ended: model-champion-1 (4711)")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "down", fails)
        with pytest.raises(StackError, match="4711"):
            building._end(supervisor)
        assert supervisor.folder.is_dir()
    building._end(supervisor)
    assert not supervisor.folder.exists()


@limited
def test_a_limit_below_what_a_process_has_kills_it(tmp_path: Path, scenario: Scenario) -> None:
    supervisor = Supervisor(tmp_path / "session", "limits")
    process = supervisor.start(python("grows", GROWS, memory=300.0))
    until(lambda: "ready" in process.log_lines())
    service = FakeService(scenario)
    service.replicas[0].process = process
    service.fleet.tell_one = lambda _one, _settings: process.signal(signal.SIGUSR1)
    service.set(memory=64.0)
    Limits(service).apply_memory()  # type: ignore[arg-type]  # as above
    until(lambda: process.ended(0.0))
    supervisor.reap()
    assert process.end_reason == "out of memory"
    supervisor.down()
