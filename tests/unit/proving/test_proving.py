"""`prove` holds for good scenarios and names what is wrong with bad ones; impact is a scale with fixed points."""

from __future__ import annotations

import dataclasses
import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.cli.main import cli
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.events import Role
from drillbox.sandbox.model.scenario import Runbook, Scenario, Step, Trigger
from drillbox.sandbox.operators import Idle, Operator, Scripted
from drillbox.sandbox.proving import Proof, prove
from drillbox.sandbox.scoring.harm import harm_of
from drillbox.sandbox.scoring.impact import control_impact, impact
from drillbox.sandbox.scoring.record import Record, record_of
from drillbox.wiring import Wiring

MONEY = st.floats(0.0, 1e6)


@pytest.fixture(scope="module")
def rush() -> Scenario:
    return load_scenario(Library.packaged().find("monday-rush"), "short")


def play(scenario: Scenario, operator: Operator) -> Record:
    session = Wiring().session(scenario, 1, "sim")
    session.start(lambda _step, _done: None)
    session.run(operator)
    return record_of(session.events(role=Role.FACILITATOR))


def failures(proof: Proof) -> dict[str, str]:
    return {check.name: check.detail for check in proof.checks if not check.held}


def test_a_good_scenario_is_proved(rush: Scenario) -> None:
    proof = prove(rush, 1, play)
    assert failures(proof) == {}
    assert proof.impacts["idle"] == 0.0
    assert proof.impacts["reference"] == 100.0
    names = {check.name for check in proof.checks}
    assert {"healthy passes", "idle fails", "reference passes", "shotgun fails", "restart-replicas fails"} <= names


def test_a_fault_without_effect_is_found(rush: Scenario) -> None:
    beat = dataclasses.replace(rush.timeline[0], params={"factor": 1.0, "ramp": 0.0})
    found = failures(prove(dataclasses.replace(rush, timeline=(beat,)), 1, play))
    assert "no objective's alert fires" in found["the fault breaks an objective"]
    assert "passed" in found["idle fails"]


def test_a_reference_that_does_nothing_is_found(rush: Scenario) -> None:
    lazy = Runbook("reference", (Step(Trigger(at=60.0), "declare", {}),), notice=20.0, step=10.0)
    found = failures(prove(dataclasses.replace(rush, reference=lazy), 1, play))
    assert "availability" in found["reference passes"]
    assert "0.0% of the healthy harm" in found["worth it"]


def test_a_gamer_that_wins_is_found(rush: Scenario) -> None:
    found = failures(prove(dataclasses.replace(rush, also_right=""), 1, play))
    assert set(found) == {"maximum-replicas fails"}
    assert found["maximum-replicas fails"].startswith("passed, impact 1")


def test_alerts_that_must_not_fire_are_found(rush: Scenario) -> None:
    alerts = dataclasses.replace(rush.alerts, forbidden=("AvailabilityBurnRate",))
    found = failures(prove(dataclasses.replace(rush, alerts=alerts), 1, play))
    assert "AvailabilityBurnRate fired at" in found["alerts of idle as expected"]


@given(idle=MONEY, reference=MONEY, you=MONEY)
def test_impact_has_fixed_points_and_falls_with_harm(idle: float, reference: float, you: float) -> None:
    points = impact(you, idle, reference)
    if idle <= reference:
        assert points is None
        return
    assert points is not None
    assert impact(idle, idle, reference) == 0.0
    assert impact(reference, idle, reference) == 100.0
    assert (points < 0.0) == (you > idle)


@given(idle=MONEY, worst=MONEY, you=MONEY)
def test_impact_of_a_control_is_100_for_idling_and_never_more(idle: float, worst: float, you: float) -> None:
    points = control_impact(you, idle, worst)
    if worst <= idle:
        assert points is None
        return
    assert points is not None
    assert control_impact(idle, idle, worst) == 100.0
    assert points <= 100.0


def test_the_command_prints_a_table_and_json() -> None:
    ran = CliRunner().invoke(cli, ["prove", "monday-rush", "--profile", "short"], obj=Wiring(), standalone_mode=False)
    assert ran.return_value == 0
    assert "monday-rush  short    1" in ran.stdout
    ran = CliRunner().invoke(
        cli,
        ["prove", "monday-rush", "--profile", "short", "--seeds", "2", "--jobs", "2", "--json"],
        obj=Wiring(),
        standalone_mode=False,
    )
    data = json.loads(ran.stdout)
    assert [(proof["seed"], proof["held"]) for proof in data] == [(1, True), (2, True)]


def test_the_reference_more_than_halves_the_harm_of_the_first_incident() -> None:
    full = load_scenario(Library.packaged().find("monday-rush"))
    idle, reference = (
        harm_of(play(full, operator).ledger, full.world.prices).total for operator in (Idle(), Scripted(full.reference))
    )
    assert reference < idle / 2
