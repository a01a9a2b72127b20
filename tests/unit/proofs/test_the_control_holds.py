"""A control: nothing is wrong, a ticket says that something differs, and whoever acts on it does harm."""

from __future__ import annotations

import dataclasses

import pytest

from drillbox.sandbox.model.events import Role
from drillbox.sandbox.operators import Idle
from drillbox.sandbox.proving import prove
from drillbox.sandbox.scoring.record import Record, record_of
from drillbox.wiring import Wiring


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_check_of_the_control_holds(scenario_named, seed: int) -> None:
    def play(scenario, operator) -> Record:
        session = Wiring().session(scenario, seed, "sim")
        session.start(lambda _step, _done: None)
        session.run(operator)
        return record_of(session.events(role=Role.FACILITATOR))

    proof = prove(scenario_named("early-season", ""), seed, play)
    assert [(check.name, check.detail) for check in proof.checks if not check.held] == []
    assert proof.impacts["idle"] == proof.impacts["reference"] == 100.0


def test_its_alarm_is_a_ticket_and_the_only_one(scenario_named) -> None:
    scenario = scenario_named("early-season", "")
    session = Wiring().session(dataclasses.replace(scenario), 1, "sim")
    session.start(lambda _step, _done: None)
    session.run(Idle())
    alerts = [alert for _, alert in record_of(session.events()).alerts if alert.state == "firing"]
    assert [(alert.name, alert.labels["severity"]) for alert in alerts] == [("FeatureDrift", "ticket")]
