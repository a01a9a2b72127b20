"""Each fault of the retraining loop, by its mechanism, in a short drill."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from loop_kit import TRAINING, Drill, fault, with_loop

from drillbox.sandbox.control.retraining import Trigger
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.world.calendar import minutes_of
from drillbox.testing import total

Opened = Callable[..., Drill]

PLAYED = {
    "retraining.partial_data",
    "retraining.stuck",
    "retraining.storm",
    "retraining.catch_up",
    "retraining.immature_labels",
    "release.swapped",
}


def test_no_fault_of_the_loop_is_left_out() -> None:
    assert {name for name in FAULTS if name.startswith("retraining.")} | {"release.swapped"} == PLAYED


# --------------------------------------------------------------------------------------------------------------- partial data


def test_partial_data_makes_short_snapshots_that_nothing_stops(june: Scenario, opened: Opened) -> None:
    drill = opened(with_loop(june, fault("retraining.partial_data", 10.0, cutoff=12, ungated=True)), 20.0)
    assert drill.changed("retraining", "ml-platform") == [
        (True, False, "faster releases"),  # the gate
        (True, False, "faster releases"),  # the canary
    ]
    drill.do("retrain")
    run = drill.until_over()
    assert (run.result, run.version, drill.spec.champion.version) == ("promoted", "v3", "v3")
    told = f"{run.rows:,} rows are {run.ratio:.0%} of the usual {run.rows / run.ratio:,.0f}"
    assert drill.logged("validation failed") == [f"run-1 validation failed: {told}; the gate is off, going on"]
    assert 0.3 < run.ratio < 0.5
    snapshot = drill.service.snapshots["v3"]
    assert (drill.service.world.data.hour[snapshot.rows] < 12).all()
    assert "canary" not in " ".join(stage for stage, _ in drill.stages())
    drill.play(drill.session.now + 10.0)
    assert total(drill.session.last_scrape, "retraining_snapshot_rows_ratio") == pytest.approx(run.ratio)
    served = drill.loop._monitor.reference
    assert served.base_rate == pytest.approx(run.late), "the reference is that of the rows it was trained on"
    drill.do("set-retraining", gate="on")
    drill.do("retrain")
    again = drill.until_over()
    assert again.result == "stopped"
    assert again.ratio == pytest.approx(run.ratio, abs=0.05), "a champion of half the data does not make that the usual"


def test_partial_data_are_stopped_by_the_gate_if_it_is_left_on(june: Scenario, opened: Opened) -> None:
    drill = opened(with_loop(june, fault("retraining.partial_data", 10.0, lasts=60.0, cutoff=12, ungated=False)), 20.0)
    drill.do("retrain")
    run = drill.until_over()
    assert run.result == "stopped"
    assert run.reason.startswith("validation: ")
    assert "of the usual" in run.reason
    assert drill.loop.training_seconds == 0.0
    assert drill.spec.champion.version == "v2"
    drill.play(75.0)
    drill.do("retrain")
    drill.until(lambda: len(drill.runs) == 2 and drill.runs[1].ratio)
    assert drill.runs[1].ratio > 1.0, "the fault is over, and the rows are there again"


# ---------------------------------------------------------------------------------------------------------------------- stuck


def test_a_stuck_scheduler_begins_nothing_until_it_is_restarted(june: Scenario, opened: Opened) -> None:
    loop = {"every": 12.0, "drift": 0.1, "decay": 0.1, "cooldown": 0.0}
    drill = opened(with_loop(june, fault("retraining.stuck"), **loop), 150.0)
    assert drill.runs == []
    assert drill.logged() == [], "it says nothing"
    age = total(drill.session.last_scrape, "retraining_last_run_age_seconds")
    assert drill.do("retrain", days=14) == ""
    run = drill.until_over()
    assert (run.trigger, run.result) == (Trigger.HAND, "promoted")
    drill.play(drill.session.now + 30.0)
    assert len(drill.runs) == 1
    assert total(drill.session.last_scrape, "retraining_last_run_age_seconds") < age
    drill.do("restart-scheduler")
    drill.until(lambda: len(drill.runs) == 2, 40.0)
    assert drill.logged("scheduler started")
    assert drill.runs[1].trigger is not Trigger.HAND


def test_without_the_fault_the_same_scheduler_begins_at_once(june: Scenario, opened: Opened) -> None:
    drill = opened(with_loop(june, decay=0.1), 10.0)
    assert [run.trigger for run in drill.runs] == [Trigger.DECAY]
    assert drill.stages()[0][0] == "run-1: snapshot", "the first step of the first run is in the change log"


# ---------------------------------------------------------------------------------------------------------------------- storm


def test_in_a_storm_one_run_follows_the_other(june: Scenario, opened: Opened) -> None:
    storm = fault("retraining.storm", 10.0, lasts=150.0, drift=99.0)
    drill = opened(with_loop(june, storm, drift=50.0, margin=1.0), 220.0)
    assert drill.changed("retraining.cooldown", "ml-platform") == [(48.0, 0.0, "fresher models")]
    assert len(drill.runs) == 4
    assert {run.trigger for run in drill.runs} == {Trigger.DRIFT}
    assert {run.why for run in drill.runs} == {"drift 99.00 is above 50"}
    begins = [run.began for run in drill.runs]
    assert all(later - earlier == 25.0 + TRAINING for earlier, later in pairwise(begins))
    assert drill.loop.training_seconds == 4 * TRAINING
    assert drill.observed().ledger["training_seconds"] == 4 * TRAINING
    assert total(drill.session.last_scrape, "retraining_runs_total") == 4
    assert drill.stage == "", "with the flag the storm has passed"


def test_the_flag_alone_begins_one_run_in_a_cooldown(june: Scenario, opened: Opened) -> None:
    storm = fault("retraining.storm", 10.0, drift=99.0)
    drill = opened(with_loop(june, storm, drift=50.0, margin=1.0), 12.0)
    drill.do("set-retraining", cooldown=48.0)
    drill.play(220.0)
    assert len(drill.runs) == 1


# ------------------------------------------------------------------------------------------------------------------- catch-up


def catching_up(june: Scenario, opened: Opened, runs: int) -> Drill:
    return opened(with_loop(june, fault("retraining.catch_up", 10.0, runs=runs), margin=1.0), 12.0)


def test_a_catch_up_makes_as_many_runs_as_were_missed(june: Scenario, opened: Opened) -> None:
    drill = catching_up(june, opened, 3)
    assert drill.logged() == ["scheduler started; 3 scheduled runs were missed"]
    drill.play(250.0)
    assert [run.why for run in drill.runs] == [f"{left} missed runs are to be made up for" for left in (3, 2, 1)]
    assert {run.trigger for run in drill.runs} == {Trigger.CATCH_UP}
    assert drill.loop.training_seconds == 3 * TRAINING


def test_a_freeze_holds_a_catch_up_and_a_restart_forgets_it(june: Scenario, opened: Opened) -> None:
    drill = catching_up(june, opened, 100)
    drill.until_stage("training")
    drill.do("freeze-retraining")
    drill.play(150.0)
    assert [run.result for run in drill.runs] == ["stopped"]
    drill.do("resume-retraining")
    drill.play(165.0)
    assert len(drill.runs) == 2, "what was missed is still to be made up for"
    drill.do("freeze-retraining")
    drill.do("restart-scheduler")
    drill.play(205.0)
    drill.do("resume-retraining")
    drill.play(250.0)
    assert len(drill.runs) == 2


# ------------------------------------------------------------------------------------------------------------ immature labels


def test_labels_that_have_not_come_count_as_on_time(june: Scenario, opened: Opened) -> None:
    hasty = fault("retraining.immature_labels", 2.0, days=2)
    drill = opened(with_loop(june, hasty, gate=False, canary=False, decay=0.1), 10.0)
    run = drill.until_over()
    assert (run.days, run.result) == (2, "promoted")
    snapshot, data = drill.service.snapshots["v3"], drill.service.world.data
    now = minutes_of(snapshot.until)
    assert 0.0 <= drill.loop._begins + 400.0 / 60.0 * (run.began + 5.0) - now < 60.0, "up to this very hour"
    unknown = data.known_at[snapshot.rows] > now
    assert np.count_nonzero(unknown) > 50
    assert not snapshot.labels[unknown].any()
    assert data.label[snapshot.rows][unknown].mean() > 0.2, "many of these are late, which nobody knows yet"
    assert np.array_equal(snapshot.labels[~unknown], data.label[snapshot.rows][~unknown])


def test_a_gate_has_nothing_to_judge_a_hasty_version_on(june: Scenario, opened: Opened) -> None:
    drill = opened(with_loop(june, fault("retraining.immature_labels", 2.0, days=2), decay=0.1), 10.0)
    run = drill.until_over()
    assert (run.result, run.reason) == ("rejected", "gate: no flights to compare on that neither was trained on")
    assert drill.spec.champion.version == "v2"


# -------------------------------------------------------------------------------------------------------------------- swapped


def answered(drill: Drill, deployment: str) -> float:
    return total(drill.session.last_scrape, "model_server_predictions_total", deployment=deployment)


def test_swapped_the_candidate_answers_nearly_everybody(june: Scenario, opened: Opened) -> None:
    drill = opened(with_loop(june, fault("release.swapped", 90.0)), 10.0)
    drill.do("stage", version="v1", replicas=2)
    drill.play(60.0)
    drill.do("set-canary", weight=0.05)
    drill.play(91.0)
    spec = drill.spec
    assert (spec.champion.version, spec.candidate.version, spec.gateway.canary_weight) == ("v1", "v2", 0.05)
    why = "deploy of the aliases"
    assert ("v2", "v1", why) in drill.changed("champion.version", "release-pipeline")
    assert drill.changed("candidate.version", "release-pipeline") == [("v1", "v2", why)]
    drill.play(180.0)  # the rollouts are over
    before = [answered(drill, pool) for pool in ("model-champion", "model-candidate")]
    drill.play(240.0)
    champion, candidate = (
        answered(drill, pool) - earlier for pool, earlier in zip(("model-champion", "model-candidate"), before, strict=True)
    )
    assert candidate / (champion + candidate) == pytest.approx(0.05, abs=0.02)
    table = drill.stack.look("version", "v1")
    assert table.facts["champion"] == "v1", "the registry follows what is deployed"
    assert drill.do("roll-back") == ""
    assert drill.spec.champion.version == "v2"


def test_swapped_without_a_candidate_deploys_the_one_that_is_named(june: Scenario, opened: Opened) -> None:
    drill = opened(with_loop(june, fault("release.swapped", 10.0, version="v1")), 12.0)
    assert (drill.spec.champion.version, drill.spec.champion.previous) == ("v1", "v2")
    assert drill.spec.candidate.version == ""
