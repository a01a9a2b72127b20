"""Names in commands are checked against what there is: versions of the scenario, replicas that exist now."""

from __future__ import annotations

from drillbox.sandbox.engine import Engine
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.events import Command, Completed, Rejected
from drillbox.sandbox.model.telemetry import Telemetry
from drillbox.stacks.sim.stack import CAPABILITIES


def outcome(action: str, **params: object) -> Completed | Rejected:
    engine = Engine(load_scenario(Library.packaged().find("slow-afternoon")), CAPABILITIES)
    engine.observe(Telemetry(0.0, replicas=("model-champion-1", "model-champion-2")), None)
    engine.submit(Command("you", 1, action, params))
    body = engine.step(1.0).events[-1].body
    assert isinstance(body, Completed | Rejected)
    return body


def test_an_unknown_version_is_rejected_with_the_nearest() -> None:
    body = outcome("stage", version="v88")
    assert isinstance(body, Rejected)
    assert body.reason == "unknown version 'v88'; did you mean 'v8'?"


def test_an_unknown_replica_is_rejected_with_the_nearest() -> None:
    body = outcome("restart", replica="model-champion-9")
    assert isinstance(body, Rejected)
    assert "unknown replica 'model-champion-9'; did you mean 'model-champion-" in body.reason


def test_known_names_are_taken() -> None:
    assert isinstance(outcome("stage", version="v8"), Completed)
    assert isinstance(outcome("restart", replica="model-champion-2"), Completed)
    assert isinstance(outcome("restart", replica="all"), Completed)
