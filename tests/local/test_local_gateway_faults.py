"""Delays and aborts of the local stack's gateway: in the runtime file that Envoy watches, and in the undo log before that."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from drillbox.sandbox.model.service import Gateway
from drillbox.stacks.control_plane.gateway_faults import ABORT, DELAY, Injected
from drillbox.stacks.deploy.envoy.bootstrap import Listen
from drillbox.stacks.deploy.envoy.gateway import Envoy
from drillbox.stacks.deploy.envoy.policy import RUNTIME_FILE, Policy
from drillbox.stacks.local.gateway_faults import Disturbance
from drillbox.stacks.local.service import Service
from drillbox.stacks.local.stack import FAULTS_DONE
from drillbox.stacks.real.machine.undo import UndoLog

sys.path.insert(0, str(Path(__file__).parent))
from envoy_kit import free_address

SLOW = {"delay": 0.25, "share": 0.5}
REFUSED = {"share": 0.125, "status": 502}


class Door:
    """What faults need of a service: a gateway's files, without the gateway."""

    def __init__(self, folder: Path) -> None:
        self.gateway_folder = folder / "envoy"
        self.undo = UndoLog(folder)
        self.noted: list[list[str]] = []  # beats in the undo log whenever something was put into force
        self._envoy = Envoy(self.gateway_folder, Listen(free_address(), free_address(), free_address()))
        self._envoy.write(Policy(Gateway()))
        self.usual = self.runtime()
        self.faults = Disturbance(cast("Service", self), self.undo)

    def inject(self, injected: Injected) -> None:
        self.noted.append([entry.key for entry in self.undo.pending()])
        self._envoy.write(Policy(Gateway(), {}, injected))

    def runtime(self) -> dict[str, Any]:
        (resource,) = json.loads((self.gateway_folder / RUNTIME_FILE).read_text())["resources"]
        return dict(resource["layer"])

    def close(self) -> None:
        self._envoy.close()


@pytest.fixture
def door(tmp_path: Path) -> Any:
    made = Door(tmp_path)
    yield made
    made.close()


def test_the_stack_can_do_both() -> None:
    assert {DELAY, ABORT} <= FAULTS_DONE


def test_what_is_in_force_is_in_the_runtime_file_and_was_in_the_undo_log_before(door: Door) -> None:
    door.faults.begin("slow", DELAY, SLOW)
    assert door.runtime()["fault.http.delay.fixed_duration_ms"] == 250
    assert door.runtime()["fault.http.delay.fixed_delay_percent"]["numerator"] == 500_000
    door.faults.begin("refused", ABORT, REFUSED)
    assert door.runtime()["fault.http.abort.abort_percent"]["numerator"] == 125_000
    assert door.runtime()["fault.http.abort.http_status"] == 502
    assert door.noted == [["slow"], ["slow", "refused"]]
    door.faults.end("slow")
    assert door.runtime()["fault.http.delay.fixed_delay_percent"]["numerator"] == 0
    assert door.runtime()["fault.http.abort.http_status"] == 502
    door.faults.end("refused")
    assert door.runtime() == door.usual
    assert door.undo.pending() == []


@pytest.mark.parametrize("ended", [(), ("slow",), ("refused",)])
def test_whoever_clears_up_finds_the_way_back_to_a_gateway_without_faults(door: Door, ended: tuple[str, ...]) -> None:
    door.faults.begin("slow", DELAY, SLOW)
    door.faults.begin("refused", ABORT, REFUSED)
    for beat in ended:
        door.faults.end(beat)
    assert door.runtime() != door.usual
    assert UndoLog(door.undo.path.parent).undo_all(services=False) == []
    assert door.runtime() == door.usual


def test_the_same_fault_comes_a_second_time(door: Door) -> None:
    for beat in ("first", "second"):
        door.faults.begin(beat, ABORT, REFUSED)
        assert door.runtime()["fault.http.abort.abort_percent"]["numerator"] == 125_000
        door.faults.end(beat)
        assert door.runtime() == door.usual
    assert door.noted[::2] == [["first"], ["second"]]
