"""What runs for a session is looked up in the kernel: since when, memory, ports; and where things are, as its host wrote it down."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from local_kit import python, until

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.housekeeping import Address, Standing, Trial
from drillbox.sandbox.world.cache import load_data
from drillbox.stacks.local.housekeeping import LocalHousekeeping
from drillbox.stacks.local.standing import write_where
from drillbox.stacks.real.machine.processes import Supervisor
from drillbox.stacks.real.trial import trial_of
from drillbox.stacks.services.model_server.questions import limits

LISTENS = """
import socket, time
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print("ports", *(one.getsockname()[1] for one in listeners), flush=True)
time.sleep(1000)
"""


@pytest.fixture
def keeper(tmp_path: Path) -> LocalHousekeeping:
    return LocalHousekeeping(tmp_path / "local", lambda _: [])


def stands(keeper: LocalHousekeeping) -> Standing:
    (found,) = keeper.standing()
    return found


def test_processes_are_found_with_memory_ports_and_beginning(keeper: LocalHousekeeping, tmp_path: Path) -> None:
    assert keeper.standing() == []
    supervisor = Supervisor(tmp_path / "local" / "drill", "drill")
    try:
        began = dt.datetime.now(dt.UTC)
        process = supervisor.start(python("model-champion-1", LISTENS))
        supervisor.start(python("feature-store", "import time; time.sleep(1000)"))
        said: list[str] = []
        until(lambda: said.extend(process.log_lines()) or said)
        found = stands(keeper)
        assert (found.session, found.host, found.scenario, found.trial) == ("drill", os.getpid(), "", None)
        host, store, model = found.parts
        assert [(part.name, part.replica) for part in found.parts] == [
            ("host", False),
            ("feature-store", False),
            ("model-champion-1", True),
        ]
        assert model.ports == tuple(sorted(int(word) for word in said[0].split()[1:]))
        assert (host.number, store.ports, model.number, model.state) == (os.getpid(), (), process.pid, "running")
        assert model.memory is not None
        assert model.memory > 1.0
        assert model.since is not None
        assert found.since is not None
        assert abs(model.since - began) < dt.timedelta(seconds=30)  # a busy machine
        assert found.since <= model.since
        process.signal(signal.SIGSTOP)
        until(lambda: stands(keeper).parts[2].state == "stopped")
        process.kill()
        until(lambda: len(stands(keeper).parts) == 2)
    finally:
        supervisor.down()
    assert keeper.standing() == []


def test_where_things_are_is_known_once_it_was_written_down(keeper: LocalHousekeeping, tmp_path: Path) -> None:
    folder = tmp_path / "local" / "drill"
    supervisor = Supervisor(folder, "drill")
    try:
        trial = Trial("http://127.0.0.1:7/v2/models/flights/infer", "{}")
        write_where(folder, "monday-rush", "127.0.0.1:7", "", "the built-in monitor", trial)
        found = stands(keeper)
        assert (found.scenario, found.trial) == ("monday-rush", trial)
        assert found.addresses == (
            Address("gateway", "http://127.0.0.1:7"),
            Address("alerts", "the built-in monitor"),
            Address("logs", str(folder / "logs")),
        )
        write_where(folder, "monday-rush", "127.0.0.1:7", "http://127.0.0.1:9", "Prometheus 3", trial)
        assert stands(keeper).addresses[1] == Address("prometheus", "http://127.0.0.1:9")
        for damaged in ("", "{", "[]", '{"scenario": "x"}'):
            (folder / "where.json").write_text(damaged)
            assert (stands(keeper).addresses, stands(keeper).trial) == ((), None)
    finally:
        supervisor.down()


@pytest.mark.parametrize("name", ["monday-rush", "quiet-night"])
def test_the_question_is_about_a_flight_that_leaves_soon(name: str) -> None:
    flight_data = load_data()
    world = load_scenario(Library.packaged().find(name), "short").world
    trial = trial_of("127.0.0.1:7", flight_data, world)
    assert trial.url == "http://127.0.0.1:7/v2/models/flights/infer"
    (given,) = json.loads(trial.body)["inputs"]
    assert (given["name"], given["shape"], len(given["data"])) == ("flight", [1, 6], 6)
    most = limits(len(flight_data.carriers), len(flight_data.origins), len(flight_data.dests))
    assert all(0 <= value <= bound for value, bound in zip(given["data"], most, strict=True))
