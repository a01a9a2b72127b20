"""A scenario goes to another process and comes back as it was."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drillbox.sandbox.loading.library import Library
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.scenario import Traffic
from drillbox.sandbox.model.traffic import Constant, Flow, Ramp
from drillbox.stacks.services.common.scenarios import dump_scenario, load_scenario, read_scenario

LIBRARY = Library.packaged()
ALL = [(entry.id, profile) for entry in LIBRARY.listing().entries for profile in ("", *entry.profiles)]


@pytest.fixture
def raw() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dump_scenario(LIBRARY.load(LIBRARY.find("monday-rush"))))
    return found


@pytest.mark.parametrize(("name", "profile"), ALL)
def test_every_scenario_comes_back_as_it_was(name: str, profile: str) -> None:
    scenario = LIBRARY.load(LIBRARY.find(name), profile)
    found = load_scenario(dump_scenario(scenario))
    assert found == scenario
    assert types(found) == types(scenario)  # a count stays a count, a share a share


def types(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return type(value), {field.name: types(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: types(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [types(each) for each in value]
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def test_what_is_wrong_is_said(raw: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="it is no scenario"):
        load_scenario("[")
    with pytest.raises(UsageError, match="it is no scenario: KeyError"):
        load_scenario("{}")
    with pytest.raises(UsageError, match=r"^duration: .*valid number"):
        load_scenario(json.dumps({**raw, "duration": "long"}))
    raw["world"]["traffic"]["flows"] = [{"rate": 1.0, "shapes": [{"kind": "ramq"}]}]
    with pytest.raises(UsageError, match="unknown shape 'ramq'.*ramp"):
        load_scenario(json.dumps(raw))


def test_a_file_that_is_no_scenario_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    with pytest.raises(UsageError, match="scenario.json cannot be read"):
        read_scenario(path)
    path.write_text("no", encoding="utf-8")
    with pytest.raises(UsageError, match="scenario.json: it is no scenario"):
        read_scenario(path)


def test_shapes_of_traffic_come_back_as_what_they_are() -> None:
    plain = LIBRARY.load(LIBRARY.find("monday-rush"))
    flows = (Flow(30.0, (Constant(2.0), Ramp(10.0, 20.0, 3.0))), Flow(5.0, ()))
    scenario = replace(plain, world=replace(plain.world, traffic=Traffic(35.0, flows)))
    found = load_scenario(dump_scenario(scenario))
    assert found == scenario
    assert types(found) == types(scenario)
