"""The JSON Schema: right as a schema, agreeing with `validate` on every packaged scenario and on mistakes that it can know of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema_rs
import pytest

import drillbox.scenarios
from drillbox.sandbox.loading import load_scenario_text
from drillbox.sandbox.loading.document import parse_document
from drillbox.sandbox.loading.json_schema import KINDS, json_schema
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.errors import InvalidScenarioError
from drillbox.sandbox.model.faults import FAULTS

LIBRARY = sorted(Path(drillbox.scenarios.__path__[0]).rglob("*.yaml"))


@pytest.fixture(scope="module")
def errors() -> Callable[..., list[str]]:
    validators = {kind: jsonschema_rs.validator_for(json_schema(kind)) for kind in KINDS}

    def check(text: str, kind: str = "scenario") -> list[str]:
        data = parse_document(text, "a.yaml").data
        return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validators[kind].iter_errors(data)]

    return check


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_schema(kind: str) -> None:
    jsonschema_rs.meta.validate(json_schema(kind))
    assert json.loads(json.dumps(json_schema(kind))) == json_schema(kind)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_every_packaged_scenario_fits(errors: Callable[..., list[str]], path: Path) -> None:
    assert errors(path.read_text(encoding="utf-8")) == []


SHAPES = (
    "[{constant: {factor: 2}}, {ramp: {at: 0, over: 1m, factor: 2}}, {spike: {at: 1m, for: 5s, factor: 3, ramp: 1s}},"
    " {step: {at: {cal: 1h}, factor: 1.5}}, {diurnal: {ahead: {cal: 3h}, floor: 5%}}, {burst: {factor: 2, calm: 1m, busy: 5s}},"
    ' {replay: {csv: "time,rate\\n0,5", between: steps, repeat: true}}]'
)


def test_every_shape_fits(errors: Callable[..., list[str]], valid: str) -> None:
    text = valid.replace("{rate: 120/s}", f"{{rate: 120/s, shapes: {SHAPES}, plus: [{{rate: 600/m}}]}}")
    load_scenario_text(text, "a.yaml")
    assert errors(text) == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("title:", "tilte:", ""),
        ("difficulty: 2", "difficulty: 9", "difficulty"),
        ("difficulty: 2", "difficulty: hard", "difficulty"),
        ("duration: 20m", "duration: 20", "duration"),
        ("rate: 120/s", "rate: 120", "world.traffic.rate"),
        ("{rate: 120/s}", "{rate: 120/s, shapes: [{spyke: {}}]}", "world.traffic.shapes.0"),
        ("fault: traffic.spike\n    with", "fault: traffic.spyke\n    with", "timeline.0.fault"),
        ("with: {factor: 4, ramp: 30s}", "with: {faktor: 4, ramp: 30s}", "timeline.0.with"),
        ("with: {factor: 4, ramp: 30s}", "with: {factor: 400, ramp: 30s}", "timeline.0.with.factor"),
        ("with: {factor: 4, ramp: 30s}", "with: {ramp: 30s}", "timeline.0.with"),
        ("with: {share: 50%}", "with: {share: half}", "operators.reference.steps.0.with.share"),
        ("do: shed", "do: shred", "operators.reference.steps.0.do"),
        ("sli: availability", "sli: saturation", "objectives.0.sli"),
        ("cause: traffic.spike", "cause: bad luck", "answer.cause"),
        ("fallback: off", "fallback: perhaps", "service.fallback"),
        ("    duration: 4m", "    duration: 4", "profiles.short.duration"),
        ("    duration: 4m", "    durations: 4m", "profiles.short"),
        ("    duration: 4m", "    id: other", "profiles.short"),
        ("reference: {notice: 20s}", "reference: {notize: 20s}", "profiles.short.operators.reference"),
    ],
)
def test_what_an_editor_can_know_it_tells_where_it_is(
    errors: Callable[..., list[str]], valid: str, old: str, new: str, where: str
) -> None:
    assert valid.count(old) == 1
    assert any(error.startswith(f"{where}:") for error in errors(valid.replace(old, new)))
    with pytest.raises(InvalidScenarioError):
        load_scenario_text(valid.replace(old, new), "a.yaml")


def test_runbooks(errors: Callable[..., list[str]]) -> None:
    book = "id: mine\nsteps:\n  - alert: AvailabilityBurnRate\n    do: shed\n    with: {share: 50%}\n"
    assert errors(book, "runbook") == []
    assert errors(book.replace("share", "shear"), "runbook") != []


def test_editors_can_tell_what_each_fault_and_action_is() -> None:
    defs = json_schema()["$defs"]
    assert isinstance(defs, dict)
    text = json.dumps(defs)
    for entry in (*FAULTS.values(), *ACTIONS.values()):
        assert json.dumps({"const": entry.name, "description": entry.help}) in text
        for param in entry.params:
            assert json.dumps(param.help) in text


def test_every_key_has_a_description() -> None:
    schema = json_schema()
    defs = schema["$defs"]
    assert isinstance(defs, dict)
    for name, part in (*defs.items(), ("the root", schema)):
        assert isinstance(part, dict)
        properties = part.get("properties")
        assert isinstance(properties, dict)
        assert [key for key, value in properties.items() if isinstance(value, dict) and "description" not in value] == [], name
