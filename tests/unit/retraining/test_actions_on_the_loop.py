"""What an operator can do with the retraining loop: each action, what it refuses, and what the change log says of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from loop_kit import TRAINING, Drill, fault, with_loop

from drillbox.sandbox.control.retraining import Trigger
from drillbox.sandbox.learning.entries import Stage
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.retraining import RETRAINING
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.scoring.harm import harm_of

Opened = Callable[..., Drill]


@pytest.fixture
def calm(june: Scenario, opened: Opened) -> Drill:
    """Nothing begins a run by itself."""
    return opened(with_loop(june), 10.0)


def begun(drill: Drill, stage: str, **loop: object) -> Drill:
    """A run by hand that has come to a stage."""
    if loop:
        assert drill.do("set-retraining", **loop) == ""
    assert drill.do("retrain", days=14) == ""
    drill.until_stage(stage)
    return drill


def registry_stage(drill: Drill, version: str) -> tuple[Stage, str]:
    """What the registry says has become of a version, and why."""
    assert drill.stack._book is not None
    entry = drill.stack._book.registry().lineage(drill.service.model(version).id)
    return entry.stage, entry.reason


# ------------------------------------------------------------------------------------------------------------ a run that goes on


def test_every_step_is_in_the_change_log_with_its_reason(promoted: Drill) -> None:
    run = promoted.runs[0]
    assert promoted.stages() == [
        ("run-1: snapshot", "by hand: asked for, on 14 days"),
        ("run-1: validation", f"{run.rows:,} rows, {run.late:.1%} late, data {run.data[:12]}"),
        ("run-1: training", "on 14 days until 2013-06-24 07:00"),
        ("run-1: evaluation", "v3 against v2"),
        ("run-1: canary", "v3 is tried out"),
        ("", "promoted: no worse than the champion at every step"),
    ]
    every = "no worse than the champion at every step"
    assert promoted.changed("gateway.canary_weight") == [
        (0.0, 0.05, "v3 is ready"),
        (0.05, 0.25, "no worse than the champion"),
        (0.25, 0.0, f"v3: {every}"),
    ]
    assert promoted.changed("champion") == [("v2", "v3", f"v3: {every}"), ("v1", "v2", f"v3: {every}")]
    assert ("", "v3", "to be tried out") in promoted.changed("candidate.version")
    by_the_loop = promoted.session.changes(by="retraining")
    assert len(by_the_loop) >= 15
    assert all(entry.change.why for entry in by_the_loop)
    assert [before for before, _, _ in promoted.changed("retraining.stage")][1:] == [s for s, _ in promoted.stages()][:-1]
    assert registry_stage(promoted, "v3") == (Stage.PROMOTED, every)


def test_what_the_log_says_of_a_run(promoted: Drill) -> None:
    told = " / ".join(promoted.logged("run-1"))
    for part in ("validation passed: 12,870 rows", "registered v3 (flights-20130624-", "gate passed: Brier score", "promoted v3"):
        assert part in told


def test_a_run_is_paid_for(promoted: Drill, june: Scenario) -> None:
    ledger = promoted.observed().ledger
    assert ledger["training_seconds"] == TRAINING
    assert harm_of(ledger, june.world.prices).training == pytest.approx(TRAINING / 3600.0 * 3.0)


def test_the_steps_take_their_time(promoted: Drill) -> None:
    at = {entry.change.after: entry.at for entry in promoted.session.changes("retraining.stage")}
    assert at["run-1: validation"] - at["run-1: snapshot"] == 5.0
    assert at["run-1: training"] - at["run-1: validation"] == 5.0
    assert at["run-1: evaluation"] - at["run-1: training"] == TRAINING
    assert at["run-1: canary"] - at["run-1: evaluation"] == 10.0
    assert at[""] - at["run-1: canary"] == 25.0 + 2 * 30.0, "two replicas come up, two steps of the canary"


# ---------------------------------------------------------------------------------------------------------------- a run that fails


def test_a_run_that_fails_says_why_costs_its_time_and_leaves_all_as_it_was(calm: Drill) -> None:
    before, age = calm.spec, calm.loop.age
    assert calm.do("retrain", days=1) == ""
    run = calm.until_over()
    assert run.result == "failed"
    assert run.reason == (
        f"the training window 2013-06-23 02:00 to 2013-06-24 02:00 has {run.rows} flights with known labels; "
        "it needs at least 1000, late ones and others"
    )
    assert calm.stages()[-1] == ("", f"failed: {run.reason}")
    assert [line.text for line in calm.session.logs("retraining", severity="error")] == [f"run-1 failed: {run.reason}"]
    assert calm.loop.training_seconds == TRAINING
    assert {path for path, *_ in differing(before, calm.spec)} == {"retraining.requested"}
    assert set(calm.registered()) == {"v1", "v2"} == set(calm.service.models)
    assert calm.loop.age > age, "it is as old as before"
    row = dict(zip(*table_row(calm), strict=True))
    assert (row["result"], row["version"], row["rows"]) == ("failed", None, run.rows)
    assert begun(calm, "validation").runs[1].number == 2, "the next one may begin"


def differing(before: object, after: object) -> list[tuple[str, object, object]]:
    from drillbox.sandbox.model.service import ServiceSpec, differences

    assert isinstance(before, ServiceSpec)
    assert isinstance(after, ServiceSpec)
    return [(change.field, change.before, change.after) for change in differences(before, after, "test")]


def table_row(drill: Drill) -> tuple[tuple[str, ...], tuple[object, ...]]:
    table = drill.stack.look("runs")
    return table.columns, table.rows[-1]


# --------------------------------------------------------------------------------------------------------------- retrain, freeze


def test_one_run_at_a_time(calm: Drill) -> None:
    begun(calm, "training")
    assert calm.do("retrain", days=7) == "one run at a time: run-1: training; end it with reject, or wait"
    calm.until_over()
    assert len(calm.runs) == 1


def test_without_days_the_loops_own_window_is_taken(calm: Drill) -> None:
    calm.do("retrain")
    calm.until_stage("validation")
    assert calm.runs[0].days == 14
    assert calm.changed("retraining.requested", "you")[0][1].startswith("14d#")


def test_a_freeze_gives_up_the_run_that_trains(calm: Drill) -> None:
    begun(calm, "training")
    calm.play(calm.session.now + 5.0)
    calm.do("freeze-retraining")
    calm.play(calm.session.now + 1.0)
    run = calm.runs[0]
    assert (run.result, run.reason, run.version, calm.stage) == ("stopped", "retraining was frozen", "", "")
    assert 0.0 < calm.loop.training_seconds < TRAINING
    assert calm.do("retrain") == "retraining is frozen; end that first with resume-retraining"
    assert calm.do("resume-retraining") == ""
    assert calm.do("resume-retraining") == "retraining is not frozen"
    calm.play(calm.session.now + 30.0)
    assert len(calm.runs) == 1, "what was given up is not made up for"
    assert calm.do("retrain") == ""


def test_a_freeze_leaves_a_canary_as_it_is(calm: Drill) -> None:
    begun(calm, "canary")
    calm.until(lambda: calm.spec.gateway.canary_weight > 0.0)
    calm.do("freeze-retraining")
    calm.play(calm.session.now + 120.0)
    assert (calm.stage, calm.spec.gateway.canary_weight, calm.spec.candidate.replicas) == ("run-1: canary", 0.05, 2)
    calm.do("resume-retraining")
    assert calm.until_over().result == "promoted"


def test_frozen_a_candidate_that_comes_up_gets_no_requests(calm: Drill) -> None:
    begun(calm, "canary")
    calm.do("freeze-retraining")
    calm.play(calm.session.now + 400.0)
    assert (calm.stage, calm.spec.gateway.canary_weight, calm.spec.candidate.replicas) == ("run-1: canary", 0.0, 2)
    calm.do("resume-retraining")
    calm.play(calm.session.now + 2.0)
    assert calm.spec.gateway.canary_weight == 0.05


# -------------------------------------------------------------------------------------------------------------- approve and reject


def test_a_version_waits_until_it_is_approved(calm: Drill) -> None:
    assert calm.do("approve") == "no run is waiting for approval; none is under way"
    begun(calm, "training", approval="hand")
    assert calm.do("approve") == "no run is waiting for approval; run-1: training"
    calm.until_stage("waiting for approval")
    calm.play(calm.session.now + 60.0)
    assert calm.stages()[-1] == ("run-1: waiting for approval", "v3 passed the gate")
    assert calm.spec.candidate.replicas == 0
    assert calm.do("approve") == ""
    calm.until_stage("canary")
    assert next(after for _, after, _ in calm.changed("retraining.decided", "you")).startswith("approve#")


@pytest.mark.parametrize(
    ("stage", "result", "becomes"),
    [
        ("training", "rejected", None),
        ("waiting for approval", "rejected", (Stage.REJECTED, "rejected by hand")),
        ("canary", "aborted", (Stage.ABORTED, "rejected by hand")),
    ],
)
def test_a_run_is_rejected_at_any_stage(calm: Drill, stage: str, result: str, becomes: tuple[Stage, str] | None) -> None:
    assert calm.do("reject") == "no run is under way; a version that serves is taken back with roll-back or abort-canary"
    begun(calm, stage, **({"approval": "hand"} if stage.startswith("waiting") else {}))
    if stage == "canary":
        calm.until(lambda: calm.spec.gateway.canary_weight > 0.0)
    assert calm.do("reject") == ""
    calm.play(calm.session.now + 2.0)
    run = calm.runs[0]
    assert (run.result, run.reason) == (result, "rejected by hand")
    assert calm.stages()[-1] == ("", f"{result}: rejected by hand")
    spec = calm.spec
    assert (spec.champion.version, spec.candidate.replicas, spec.gateway.canary_weight) == ("v2", 0, 0.0)
    if becomes is None:
        assert run.version == ""
    else:
        assert registry_stage(calm, "v3") == becomes


def test_an_old_approval_lets_nothing_go_on(calm: Drill) -> None:
    begun(calm, "waiting for approval", approval="hand", canary="off")
    calm.do("approve")
    calm.until_stage("")
    assert calm.runs[0].result == "promoted"
    calm.do("set-retraining", margin=0.0, gate="off")
    begun(calm, "waiting for approval")
    calm.play(calm.session.now + 30.0)
    assert calm.stage == "run-2: waiting for approval"


# ------------------------------------------------------------------------------------------------------------------ canary by hand


def test_a_canary_that_is_taken_out_ends_its_run(calm: Drill) -> None:
    assert calm.do("abort-canary") == "there is no candidate"
    begun(calm, "canary")
    calm.until(lambda: calm.spec.gateway.canary_weight > 0.0)
    assert calm.do("abort-canary") == ""
    calm.play(calm.session.now + 2.0)
    assert (calm.runs[0].result, calm.runs[0].reason) == ("aborted", "taken out by hand")
    assert calm.changed("gateway.canary_weight", "you") == [(0.05, 0.0, "")]
    assert registry_stage(calm, "v3") == (Stage.ABORTED, "taken out by hand")
    assert calm.spec.champion.version == "v2"


def test_a_canary_may_be_promoted_before_its_time(calm: Drill) -> None:
    begun(calm, "canary")
    calm.until(lambda: calm.spec.gateway.canary_weight > 0.0)
    assert calm.do("promote") == ""
    calm.play(calm.session.now + 2.0)
    assert (calm.runs[0].result, calm.runs[0].reason) == ("promoted", "promoted by hand")
    assert ("v2", "v3", "") in calm.changed("champion.version", "you")
    assert calm.changed("champion", "retraining") == [], "there is nothing left to do for the loop"
    assert registry_stage(calm, "v3") == (Stage.PROMOTED, "promoted by hand")


def test_another_candidate_takes_its_place(calm: Drill) -> None:
    begun(calm, "canary")
    calm.do("stage", version="v1", replicas=1)
    calm.play(calm.session.now + 2.0)
    assert (calm.runs[0].result, calm.runs[0].reason) == ("aborted", "taken out by hand")
    assert (calm.spec.candidate.version, calm.spec.candidate.replicas) == ("v1", 1), "which is not the loop's to take out"


# --------------------------------------------------------------------------------------------------------------- canary that fails


def test_a_candidate_that_does_not_come_up_is_given_up(june: Scenario, opened: Opened) -> None:
    scenario = with_loop(june)
    drill = opened(replace(scenario, runtime=replace(scenario.runtime, load_time=400.0)), 10.0)
    begun(drill, "canary")
    run = drill.until_over()
    assert (run.result, run.reason) == ("aborted", "v3 did not come up within 300 s")
    assert drill.spec.candidate.replicas == 0
    assert registry_stage(drill, "v3") == (Stage.ABORTED, run.reason)


def test_a_candidate_that_gets_other_features_than_in_training_is_taken_out(june: Scenario, opened: Opened) -> None:
    drill = opened(with_loop(june, fault("features.outage", 40.0, share=1.0)), 10.0)
    begun(drill, "canary")
    run = drill.until_over()
    assert run.result == "aborted"
    assert re.fullmatch(r"its scores are 0\.\d\d from what it says offline about the same \d+ questions", run.reason)
    spec = drill.spec
    assert (spec.champion.version, spec.candidate.replicas, spec.gateway.canary_weight) == ("v2", 0, 0.0)
    assert drill.changed("gateway.canary_weight")[-1] == (0.05, 0.0, run.reason)


def test_a_candidate_that_is_worse_on_the_same_flights_is_taken_out(june: Scenario, opened: Opened) -> None:
    """Two stormy days, and calm ones after them; held in a freeze until labels have come, the canary shows it."""
    after_storms = replace(with_loop(june, gate=False), world=replace(june.world, start=dt.datetime(2013, 5, 27)))
    drill = opened(after_storms, 10.0)
    drill.do("retrain", days=2)
    drill.until(lambda: drill.spec.gateway.canary_weight > 0.0)
    drill.do("freeze-retraining")
    drill.play(drill.session.now + 300.0)
    drill.do("resume-retraining")
    run = drill.until_over()
    assert run.result == "aborted", drill.logged("canary of")
    assert re.fullmatch(r"its Brier score is higher by 0\.\d{3} on the same \d+ flights", run.reason)


# ------------------------------------------------------------------------------------------------------------------------ settings


def test_thresholds_are_looked_at_from_then_on(calm: Drill) -> None:
    calm.play(60.0)
    assert calm.runs == []
    assert calm.do("set-retraining", decay=0.2, margin=0.9) == ""
    calm.until(lambda: calm.runs, 10.0)
    assert calm.runs[0].trigger is Trigger.DECAY
    run = calm.until_over()
    assert run.result == "rejected"
    assert run.reason.endswith("not lower by 0.9")
    assert registry_stage(calm, "v3") == (Stage.REJECTED, run.reason)


def test_a_schedule_may_be_set_in_the_drill(calm: Drill) -> None:
    assert calm.do("set-retraining", every=5, margin=0.9, days=7) == ""
    calm.until(lambda: calm.runs, 60.0)
    assert (calm.runs[0].trigger, calm.runs[0].days) == (Trigger.SCHEDULE, 7)
    assert 40.0 < calm.runs[0].began < 65.0, "five hours are 45 seconds"
    calm.do("set-retraining", every=0)
    calm.until_over()
    calm.play(calm.session.now + 60.0)
    assert len(calm.runs) == 1


def test_without_gate_and_canary_a_version_serves_at_once(calm: Drill) -> None:
    begun(calm, "evaluation", gate="off", canary="off", margin=0.9)
    run = calm.until_over()
    assert (run.result, run.reason) == ("promoted", "run-1 passed")
    assert calm.logged("gate failed")[0].endswith("not lower by 0.9; the gate is off, going on")
    assert calm.changed("candidate") == []
    assert registry_stage(calm, "v3") == (Stage.PROMOTED, "run-1 passed")


def test_every_setting_can_be_set_and_changes_its_field(calm: Drill) -> None:
    action = ACTIONS["set-retraining"]
    values = {
        "every": 500.0, "drift": 60.0, "decay": 0.9, "cooldown": 9.0, "days": 21, "gate": False, "margin": 0.5,
        "approval": "hand", "canary": False,
    }  # fmt: skip
    assert set(values) == {param.name for param in action.params}
    assert calm.do("set-retraining", **values) == ""
    assert {entry.change.field: entry.change.after for entry in calm.session.changes(by="you")} == {
        f"retraining.{name}": value for name, value in values.items()
    }
    assert calm.do("set-retraining") == ""
    assert len(calm.session.changes(by="you")) == len(values), "nothing asked for, nothing changed"


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"days": 0}, "0 is out of bounds: between 1 and 180"),
        ({"days": 181}, "181 is out of bounds: between 1 and 180"),
        ({"decay": 1.5}, "1.5 is out of bounds: between 0 and 1"),
        ({"approval": "handy"}, "did you mean 'hand'?"),
        ({"drft": 1.0}, "did you mean 'drift'?"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_can(calm: Drill, params: dict[str, object], reason: str) -> None:
    assert reason in calm.do("set-retraining", **params)
    assert calm.session.changes(by="you") == []


def test_the_scheduler_takes_half_a_minute_to_restart(calm: Drill) -> None:
    calm.do("restart-scheduler")
    calm.play(calm.session.now + 20.0)
    assert calm.logged("scheduler started") == []
    calm.play(calm.session.now + 15.0)
    assert calm.logged("scheduler started") == ["scheduler started"]
    assert calm.runs == []


def test_no_action_on_the_loop_is_left_out() -> None:
    assert {action.name for action in RETRAINING} == {
        "retrain", "freeze-retraining", "resume-retraining", "approve", "reject", "abort-canary", "restart-scheduler",
        "set-retraining",
    }  # fmt: skip
