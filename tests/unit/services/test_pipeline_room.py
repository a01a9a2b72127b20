"""The control plane on real services sees and does what that of the simulation does; time is set by the tests."""

from __future__ import annotations

import datetime as dt
import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drillbox.sandbox.learning import snapshots
from drillbox.sandbox.learning.entries import Alias, Stage
from drillbox.sandbox.learning.registry import Registry
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.events import Registered
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Retraining, ServiceSpec, fields_of, with_fields
from drillbox.sandbox.model.stack import InjectFault
from drillbox.sandbox.world.data import OBSERVED_AFTER, FlightData
from drillbox.sandbox.world.flights import open_world
from drillbox.stacks.control_plane.interfaces import Answered
from drillbox.stacks.services.common.logs import Log
from drillbox.stacks.services.pipeline.outbox import Desire, Said
from drillbox.stacks.services.pipeline.replicas import Report
from drillbox.stacks.services.pipeline.room import ControlRoom, StoppingError
from drillbox.stacks.sim.sources import PlaneAnswers
from drillbox.stacks.sim.stack import SimStack

EVERY = 15.0
STORMY = dt.datetime(2013, 6, 26, 10)
"""A start at which a candidate of recent weeks is better than the winter's champion on the two days that are held out."""


class Clock:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds


Open = Callable[..., tuple[ControlRoom, Clock]]


@pytest.fixture
def june(flight_data: FlightData, warm_home: Path) -> Scenario:
    scenario = load_scenario(Library.packaged().find("quiet-decay"))
    return replace(scenario, warmup=60.0)


@pytest.fixture
def enter(tmp_path: Path) -> Iterator[Open]:
    rooms: list[ControlRoom] = []

    def begin(scenario: Scenario, registry: Path | None = None, at: float | None = None) -> tuple[ControlRoom, Clock]:
        clock = Clock(-scenario.warmup if at is None else at)
        world = open_world(scenario.world, scenario.duration, scenario.warmup, 1)
        rooms.append(ControlRoom(scenario, world, clock, tmp_path, Log("pipeline"), registry))
        return rooms[-1], clock

    yield begin
    for room in rooms:
        room.close()


def samples(room: ControlRoom) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {(name, labels): value for name, labels, value in room.standing.samples}


# -------------------------------------------------------------------------------------------------- the same as the simulation


class Recorder:
    """Passes on what the plane answered, and writes it down as model servers would."""

    def __init__(self, inner: PlaneAnswers, stack: SimStack, folder: Path) -> None:
        self._inner, self._stack, self._folder = inner, stack, folder
        self.lines = 0

    def collect(self, now: float) -> Mapping[str, Answered]:
        world, before = self._stack._service.world, self._inner._counted.copy()
        counts = self._stack._service.plane.answers_by_example
        found = self._inner.collect(now)
        end = world.draws.time_of(now)
        for name, answered in found.items():
            ids = np.flatnonzero(counts[self._stack._service.models[name]] > before[self._stack._service.models[name]])
            assert len(ids) == len(answered.rows)
            with (self._folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
                for place, example in enumerate(ids.tolist()):
                    file.write(self._line(name, place, world.examples.weather_hours[example], answered, end) + "\n")
        return found

    def _line(self, name: str, place: int, weather: int, answered: Answered, end: float) -> str:
        """An answer at a moment of the hour in which it was asked for, in the time since the last look."""
        draws = self._stack._service.world.draws
        hour = int(weather) + OBSERVED_AFTER // 60
        first, last = max(end - EVERY, draws.time_of(hour * 60.0)), min(end, draws.time_of((hour + 1) * 60.0))
        moment = (first + last) / 2.0 if first < last else last - 0.001  # asked in the last moment of an hour, answered after it
        self.lines += 1
        return json.dumps(
            {
                "id": str(self.lines),
                "time": round(moment, 6),
                "row": int(answered.rows[place]),
                "features": [None if math.isnan(value) else value for value in answered.features[place].tolist()],
                "score": float(answered.scores[place]),
                "version": name,
                "source": "model",
            }
        )


def test_gauges_are_those_of_the_simulation_on_the_same_answers(june: Scenario, enter: Open, tmp_path: Path) -> None:
    june = replace(june, world=replace(june.world, traffic=replace(june.world.traffic, rate=20.0)))
    room, clock = enter(june)
    stack = SimStack()
    stack.up(june, 1, lambda _step, _done: None)
    recorder = stack._quality._answers = Recorder(stack._quality._answers, stack, tmp_path)  # type: ignore[arg-type, assignment]
    beats = {
        30.0: ("gaps", "features.nulls", {"feature": "wind_gust", "share": 0.5}),
        60.0: ("late", "labels.delay", {"delay": 60.0}),
    }
    seen = set()
    for end in np.arange(-june.warmup + EVERY, 241.0, EVERY).tolist():
        stack.advance(end)
        with (tmp_path / "torn.jsonl").open("ab") as file:  # a server that was killed while it wrote
            file.write(b'{"id": "x", "tim\n{"id"')
        clock.seconds = end
        room.step()
        if end in beats:
            beat, fault, params = beats[end]
            stack.apply(InjectFault(beat, fault, params))
            if fault.startswith("labels"):
                room.begin(beat, fault, params)
        wanted = {(name, labels): value for name, labels, value in stack._exporter._model.named() if "feature_store" not in name}
        assert samples(room) == pytest.approx(wanted, rel=1e-9, abs=1e-9), end
        seen |= {name for name, _ in wanted}
    assert recorder.lines > 2000
    assert room.unreadable == 20
    assert {"quality_monitor_auc", "quality_monitor_drift_psi", "quality_monitor_called_late"} <= seen
    for view, subject in (("feature", "wind_gust"), ("rows", ""), ("slices", ""), ("version", "v2")):
        assert room.look(view, subject) == stack.look(view, subject)
    stack.down()


def test_the_rules_answer_for_no_model(june: Scenario, enter: Open, tmp_path: Path) -> None:
    room, clock = enter(june)
    world = open_world(june.world, june.duration, june.warmup, 1)
    ids = world.draws.of_hour(math.floor(world.draws.calendar(-50.0) / 60.0))
    line: dict[str, Any] = {"id": "1", "time": -50.0, "features": world.examples.features[ids.start].tolist(), "score": 1.0}
    line |= {"row": int(world.examples.rows[ids.start]), "version": "v2"}
    lines = [{**line, "source": "rules"}, {**line, "source": "model", "version": "v99"}, {**line, "source": "model", "row": 5}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(one).replace("NaN", "null") + "\n" for one in lines), encoding="utf-8")
    clock.seconds = -40.0
    room.step()
    assert ("quality_monitor_called_late", ()) not in samples(room)
    (tmp_path / "b.jsonl").write_text(json.dumps({**line, "source": "model"}).replace("NaN", "null") + "\n", encoding="utf-8")
    clock.seconds = -25.0
    room.step()
    assert samples(room)["quality_monitor_called_late", ()] == 1.0
    assert room.unreadable == 0


# --------------------------------------------------------------------------------------------------------------- a retraining run


class Stack:
    """Does what the pipeline wants, and says so; replicas are ready some seconds after they were wanted."""

    def __init__(self, room: ControlRoom, clock: Clock, scenario: Scenario) -> None:
        self.room, self.clock = room, clock
        self.spec: ServiceSpec = scenario.service
        self.desires: list[Desire] = []
        self.said: list[Said] = []
        self.registered: list[Registered] = []
        self.failing = 0.0
        self._after = -1
        self._since: dict[tuple[str, str], float] = {}
        self._counts: dict[str, int] = {}

    def play(self, holds: Callable[[], object], patience: int = 400) -> None:
        for _ in range(patience):
            if holds():
                return
            self.second()
        raise AssertionError(f"it did not come to hold: {self.room.standing}, {self.desires[-3:]}")

    def second(self) -> None:
        self.clock.seconds += 1.0
        self.room.step()
        self._listen()
        self._report()

    def tell(self, **fields: object) -> None:
        self.spec = with_fields(self.spec, {path.replace("__", "."): value for path, value in fields.items()})  # type: ignore[misc]
        self.room.tell_spec(dict(fields_of(self.spec)))

    def _listen(self) -> None:
        for item in self.room.outbox.read(self._after):
            self._after = item.number
            match item.body:
                case Desire() as desire:
                    self.desires.append(desire)
                    self.spec = with_fields(self.spec, dict(desire.fields))
                    self.room.tell_spec(dict(fields_of(self.spec)))
                case Said() as line:
                    self.said.append(line)
                case version:
                    self.registered.append(version)

    def _report(self) -> None:
        reports = []
        for pool, workload in (("champion", self.spec.champion), ("candidate", self.spec.candidate)):
            began = self._since.setdefault((pool, workload.version), self.clock.seconds)
            for number in range(workload.replicas):
                name = f"model-{pool}-{number}"
                self._counts[name] = self._counts.get(name, 0) + 20
                failed = self.failing * self._counts[name] if pool == "candidate" else 0.0
                ready = self.clock.seconds - began >= 3.0
                counts = (0.0, float(self._counts[name]), failed, 0.0)
                reports.append(Report(name, f"model-{pool}", workload.version, ready, *counts))
        self.room.tell_replicas(reports)

    def stages(self) -> list[str]:
        found = [str(one.fields["retraining.stage"]) for one in self.desires if "retraining.stage" in one.fields]
        return [stage.partition(": ")[2] for stage in found]


@pytest.fixture
def stormy(june: Scenario) -> Scenario:
    return replace(
        june,
        world=replace(june.world, start=STORMY),
        runtime=replace(june.runtime, training_time=5.0),
        service=replace(june.service, retraining=Retraining(days=14)),
    )


def test_a_run_by_hand_goes_all_the_way(stormy: Scenario, enter: Open, tmp_path: Path) -> None:
    room, clock = enter(stormy, registry=tmp_path / "registry")
    stack = Stack(room, clock, stormy)
    clock.seconds = 10.0
    stack.second()
    champion = stormy.service.champion.version
    stack.tell(retraining__requested="14d#1")
    stack.play(lambda: room.standing.runs and not stack.spec.retraining.stage)
    assert stack.stages() == ["snapshot", "validation", "training", "evaluation", "canary", ""]
    told = stack.registered[-1]
    assert (told.version, room.standing.training_seconds) == ("v3", 5.0)
    assert [one.fields["gateway.canary_weight"] for one in stack.desires if "gateway.canary_weight" in one.fields] == [
        0.05, 0.25, 0.0,
    ]  # fmt: skip
    assert (stack.spec.champion.version, stack.spec.champion.previous) == ("v3", champion)
    assert (stack.spec.candidate.replicas, stack.spec.gateway.canary_weight) == (0, 0.0)
    assert room.spec == stack.spec
    registry = Registry(tmp_path / "registry")
    entry = registry.lineage(told.model)
    assert entry.stage == Stage.PROMOTED
    assert (told.model, told.flights) == (entry.model.id, entry.model.quality.flights)
    (run,) = room.look("runs", "").rows
    assert run[0] == "run-1"
    assert "promoted" in run
    assert any(line.component == "retraining" and line.text.startswith("stage: none -> run-1: snapshot") for line in stack.said)
    # The registry follows once the rollout is complete.
    assert registry.resolve(Alias.CHAMPION).model.id != told.model  # type: ignore[union-attr]
    for _ in range(5):
        stack.second()
    assert registry.resolve(Alias.CHAMPION).model.id == told.model  # type: ignore[union-attr]
    assert room.look("version", "v3").facts["champion"] == "v3"
    assert room.standing.samples


def test_a_candidate_that_fails_is_taken_out(stormy: Scenario, enter: Open) -> None:
    room, clock = enter(stormy)
    stack = Stack(room, clock, stormy)
    stack.failing = 0.2
    clock.seconds = 10.0
    stack.tell(retraining__requested="14d#1")
    stack.play(lambda: room.standing.runs and not stack.spec.retraining.stage)
    assert (stack.spec.champion.version, stack.spec.candidate.replicas) == (stormy.service.champion.version, 0)
    (run,) = room.look("runs", "").rows
    assert "aborted" in run


def test_others_come_in_while_a_model_is_trained(stormy: Scenario, enter: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    room, clock = enter(stormy)
    stack = Stack(room, clock, stormy)
    begun, go_on, real = threading.Event(), threading.Event(), snapshots.train

    def slow(*given: Any) -> Any:
        begun.set()
        assert go_on.wait(60.0)
        return real(*given)

    monkeypatch.setattr(snapshots, "train", slow)
    stack.tell(retraining__requested="14d#1")
    clock.seconds = 40.0
    thread = threading.Thread(target=room.step)
    thread.start()
    assert begun.wait(60.0)
    try:
        assert room.standing.stage == "run-1: training"
        assert room.standing.at < 40.0  # it lags behind
        stack._listen()
        stack._report()
        assert stack.stages()[-1] == "training"
        room.begin("slow", "labels.delay", {"delay": 60.0})
        assert room.look("runs", "").rows[0][0] == "run-1"
        stack.tell(retraining__frozen=True)
    finally:
        go_on.set()
        thread.join(60.0)
    assert room.standing.at == 40.0
    stack.second()
    assert stack.stages()[-1] == ""
    assert any("stopped: retraining was frozen" in line.text for line in stack.said)


def test_a_stop_ends_a_run_in_training(stormy: Scenario, enter: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    room, clock = enter(stormy)
    real = snapshots.train

    def stopped(*given: Any) -> Any:
        room.stop()
        return real(*given)

    monkeypatch.setattr(snapshots, "train", stopped)
    room.tell_spec({"retraining.requested": "14d#1"})
    clock.seconds = 40.0
    with pytest.raises(StoppingError):
        room.step()
    assert not room.lock.locked()


# -------------------------------------------------------------------------------------------------------- the rest of its controls


def test_the_autoscaler_follows_what_is_reported(june: Scenario, enter: Open) -> None:
    scaled = replace(june.service, autoscaler=replace(june.service.autoscaler, enabled=True, minimum=1, maximum=8, target=0.5))
    june = replace(june, service=scaled)
    room, clock = enter(june)
    champion = june.service.champion
    for second in range(0, 40, 5):
        clock.seconds = second - june.warmup
        work = 0.95 * champion.concurrency * second
        pods = [Report(f"p{n}", "model-champion", champion.version, True, work, 0.0, 0.0, 0.0) for n in range(champion.replicas)]
        room.tell_replicas(pods)
        room.step()
    wanted = [item.body for item in room.outbox.read(-1) if isinstance(item.body, Desire)]
    expected = min(8, math.ceil(champion.replicas * 0.95 / 0.5))
    assert [(one.fields, one.by) for one in wanted] == [({"champion.replicas": expected}, "autoscaler")]


def test_the_autoscaler_looks_when_the_report_of_its_period_has_come(june: Scenario, enter: Open) -> None:
    """A rush that began in the middle of the period is seen as it is, not as it was at the report before."""
    scaled = replace(june.service, autoscaler=replace(june.service.autoscaler, enabled=True, minimum=1, maximum=8, target=0.5))
    june = replace(june, service=scaled)
    room, clock = enter(june)
    champion = june.service.champion
    busy = 0.0
    for second, share in ((15, 0.5), (20, 0.5), (25, 0.5), (30, 1.0)):
        clock.seconds = second - june.warmup
        room.step()
        clock.seconds += 0.6  # the scrape, and what it takes to arrive
        busy += 5.0 * share * champion.concurrency
        pods = [Report(f"p{n}", "model-champion", champion.version, True, busy, 0.0, 0.0, 0.0) for n in range(champion.replicas)]
        room.tell_replicas(pods)
        clock.seconds += 0.6
        room.step()
    wanted = [item.body for item in room.outbox.read(-1) if isinstance(item.body, Desire)]
    expected = math.ceil(round(champion.replicas * (0.5 + 0.5 + 1.0) / 3.0 / 0.5, 1))
    assert [(one.fields, one.by) for one in wanted] == [({"champion.replicas": expected}, "autoscaler")]


def test_a_push_and_a_planner_act_through_the_desired_state(june: Scenario, enter: Open) -> None:
    room, clock = enter(june)
    room.begin("push", "config.push", {"timeout": 0.2})
    room.begin("push", "config.push", {"timeout": 0.2})  # put twice, it acts once
    room.begin("plan", "cost.runaway", {"step": 2, "every": 10.0, "most": 64})
    clock.seconds = -june.warmup + 25.0
    room.step()
    wanted = [item.body for item in room.outbox.read(-1) if isinstance(item.body, Desire)]
    replicas = june.service.champion.replicas
    assert [one.by for one in wanted] == ["config-pipeline", *["batch-planner"] * 3]
    assert wanted[0].fields["gateway.timeout"] == 0.2
    assert wanted[-1].fields["champion.replicas"] == replicas + 6
    room.end("plan")
    room.end("plan")
    clock.seconds += 30.0
    room.step()
    assert room.spec.champion.replicas == replicas + 6


def test_a_release_of_a_version_that_there_is_not(june: Scenario, enter: Open) -> None:
    room, _ = enter(june)
    with pytest.raises(UsageError, match=r"unknown version 'v9'; the versions are v2, v1"):
        room.begin("release", "release.slow_model", {"version": "v9"})
    room.begin("release", "release.slow_model", {"version": "v1"})
    assert room.spec.champion.version == "v1"


def test_an_order_to_restart_reaches_the_scheduler(june: Scenario, enter: Open) -> None:
    room, _ = enter(june)
    room.begin("stuck", "retraining.stuck", {})
    room.tell_spec({"retraining.restarted": "all#1"})
    room.tell_spec({"retraining.restarted": "all#1"})
    texts = [item.body.text for item in room.outbox.read(-1) if isinstance(item.body, Said)]
    assert texts == ["scheduler started"]


def test_a_desire_that_nobody_has_read_is_withdrawn_when_an_operator_decides_otherwise(june: Scenario, enter: Open) -> None:
    room, _ = enter(june)
    room.begin("push", "config.push", {"timeout": 0.2})
    room.tell_spec({"gateway.timeout": 3.0})
    assert room.spec.gateway.timeout == 3.0
    (wanted,) = [item.body for item in room.outbox.read(-1) if isinstance(item.body, Desire)]
    assert set(wanted.fields) == {"platform.pushed"}


def test_it_goes_on_in_the_middle_of_a_drill(june: Scenario, enter: Open) -> None:
    room, clock = enter(june, at=100.0)
    clock.seconds = 130.0
    room.step()
    assert (room.standing.at, room.standing.runs) == (130.0, 0)
    assert samples(room)["quality_monitor_flights", (("labels", "matured"),)] > 100


def test_a_registry_that_cannot_be_written_is_told_of(
    june: Scenario, enter: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "registry.sqlite").write_text("no database at all, " * 100, encoding="utf-8")
    room, clock = enter(june, registry=tmp_path / "registry")
    clock.seconds += 1.0
    room.step()
    told = [line for line in capsys.readouterr().out.splitlines() if "registry.sqlite" in line]
    assert len(told) == 1
