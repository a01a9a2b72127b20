"""A whole incident on real processes, as a team plays it in CI: alone on the machine, it takes five minutes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drillbox.sandbox.cli.main import run
from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.deploy.envoy.program import find_envoy
from drillbox.wiring import Wiring

try:
    find_envoy()
except StackError as missing:
    pytest.skip(str(missing), allow_module_level=True)


@pytest.mark.real
@pytest.mark.slow
def test_the_reference_wins_the_flash_crowd_on_real_processes(drillbox_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_args: None)  # the test runner keeps its handlers
    told = drillbox_home / "told.json"
    command = ["run", "monday-rush", "--stack", "local", "--profile", "short", "--operator", "reference", "-q"]
    assert run([*command, "--json", str(told)], Wiring()) == 0
    (result,) = json.loads(told.read_text(encoding="utf-8"))
    assert result["verdict"] == "passed"
    assert list((drillbox_home / "local").iterdir()) == []
