"""The pipeline among pods: predictions that are posted, models of the registry, and trainers that take their time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from serving_kit import served

from drillbox.sandbox import paths
from drillbox.sandbox.learning import snapshots, store
from drillbox.sandbox.learning.version import TREES, ModelVersion
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.world.data import FlightData
from drillbox.sandbox.world.flights import World, open_world
from drillbox.stacks.control_plane.trainer import Order
from drillbox.stacks.services.common.logs import Log
from drillbox.stacks.services.common.registry import RegistryClient
from drillbox.stacks.services.common.scenarios import dump_scenario
from drillbox.stacks.services.common.settings import read
from drillbox.stacks.services.pipeline import remote as remote_side
from drillbox.stacks.services.pipeline.app import BATCH, build
from drillbox.stacks.services.pipeline.inbox import FullError, Inbox
from drillbox.stacks.services.pipeline.links import Links
from drillbox.stacks.services.pipeline.outbox import Said
from drillbox.stacks.services.pipeline.remote import Remote
from drillbox.stacks.services.pipeline.room import ControlRoom
from drillbox.stacks.services.pipeline.service import PipelineService
from drillbox.stacks.services.pipeline.settings import PipelineSettings
from drillbox.stacks.services.pipeline.versions import StoredVersions
from drillbox.stacks.services.registry.app import Registry
from drillbox.stacks.services.registry.app import build as registry_app
from drillbox.stacks.services.registry.archives import Archives
from drillbox.stacks.services.registry.settings import RegistrySettings

TOKEN = "of-the-tests"  # noqa: S105 -- of an application that lives as long as a test
HEADERS = {"X-Control-Token": TOKEN}


@pytest.fixture(scope="session")
def calm(flight_data: FlightData, world_home: Path) -> Scenario:
    return replace(load_scenario(Library.packaged().find("quiet-decay")), warmup=60.0)


@pytest.fixture(scope="session")
def calm_world(calm: Scenario) -> World:
    return open_world(calm.world, calm.duration, calm.warmup, 1)


@dataclass
class Clock:
    seconds: float

    def now(self) -> float:
        return self.seconds


# ---------------------------------------------------------------------------------------------------------- posted predictions


@given(
    batches=st.lists(st.lists(st.binary(min_size=1, max_size=9).filter(lambda line: b"\n" not in line), max_size=5), max_size=9)
)
def test_an_inbox_gives_every_line_once_and_in_order(batches: list[list[bytes]]) -> None:
    inbox, found = Inbox(), []
    for number, lines in enumerate(batches):
        inbox.put(b"".join(line + b"\n" for line in lines))
        if number % 2:
            found += inbox.read()
    found += inbox.read()
    assert found == [line for lines in batches for line in lines]
    assert (inbox.size, inbox.read()) == (0, [])


def test_a_full_inbox_takes_all_of_a_batch_or_nothing() -> None:
    inbox = Inbox(10)
    inbox.put(b"12345\n")
    with pytest.raises(FullError):
        inbox.put(b"6789\n")
    assert inbox.read() == [b"12345"]
    inbox.put(b"123456789\n")
    assert inbox.taken == 16


@pytest.fixture
def service(calm: Scenario, tmp_path: Path) -> PipelineService:
    (tmp_path / "scenario.json").write_text(dump_scenario(calm), encoding="utf-8")
    settings = read(PipelineSettings, {"DRILL_SCENARIO": str(tmp_path / "scenario.json"), "CONTROL_TOKEN": TOKEN})
    return PipelineService(settings, Log("pipeline"))


@pytest.fixture
def client(service: PipelineService) -> Iterator[TestClient]:
    with TestClient(build(service, TOKEN)) as found:
        yield found


def test_predictions_are_taken_before_the_control_plane_is_open(client: TestClient, service: PipelineService) -> None:
    assert client.get("/readyz").status_code == 503
    assert client.post("/predictions", content=b'{"a": 1}\n{"b": 2}\n', headers=HEADERS).status_code == 204
    assert service.inbox.read() == [b'{"a": 1}', b'{"b": 2}']


def test_predictions_that_are_not_taken(client: TestClient, service: PipelineService) -> None:
    assert client.post("/predictions", content=b"{}\n").status_code == 401
    large = client.post("/predictions", content=bytes(BATCH + 1), headers=HEADERS)
    assert (large.status_code, "4,194,304 bytes" in large.json()["error"]) == (413, True)
    service.inbox = Inbox(4)
    full = client.post("/predictions", content=b"12345\n", headers=HEADERS)
    assert (full.status_code, full.headers["retry-after"]) == (503, "2")
    assert service.inbox.read() == []


def test_the_control_plane_reads_what_is_posted(calm: Scenario, calm_world: World, warm_home: Path) -> None:
    inbox = Inbox()
    room = ControlRoom(calm, calm_world, Clock(-calm.warmup), Links(inbox=inbox), Log("pipeline"))
    seen: list[Any] = []
    room._answers.take = seen.extend  # type: ignore[method-assign,assignment]  # what becomes of them is told by other tests
    features = [0.0] * 14
    line = {"id": "1", "time": 0.0, "row": 7, "features": features, "score": 0.5, "version": "v2", "source": "model"}
    inbox.put(json.dumps(line).encode() + b"\n{torn\n")
    room.step()
    assert [(one.version, one.row, one.score) for one in seen] == [("v2", 7, 0.5)]
    assert room.unreadable == 1
    room.close()


# ------------------------------------------------------------------------------------------------------------ models elsewhere


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[str, Registry]]:
    settings = read(RegistrySettings, {"REGISTRY_FOLDER": str(tmp_path / "volume"), "CONTROL_TOKEN": TOKEN})
    one = Registry(settings, Archives(settings.folder, settings.room))
    with served(registry_app(one)) as url:
        yield url, one


def remote(url: str, stop: threading.Event | None = None) -> Remote:
    return Remote(RegistryClient(url, TOKEN), Log("pipeline"), stop or threading.Event())


def versions(world: World, scenario: Scenario, shared: Remote) -> StoredVersions:
    from contextlib import nullcontext

    return StoredVersions(world, scenario, nullcontext, shared)


def test_the_first_versions_come_from_the_registry_and_new_ones_go_there(
    calm: Scenario,
    calm_world: World,
    registry: tuple[str, Registry],
    warm_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, one = registry
    shared = remote(url)
    first = versions(calm_world, calm, shared)
    ids = {first.model(name).id for name in first.names}
    assert set(one.archives.entries()) == ids, "what it had not, it has now"
    snapshot = snapshots.take(calm_world.data, calm.world.start.replace(day=1), calm.world.start)
    name = first.add(snapshots.train(snapshot, 0.375, TREES), snapshot)
    assert first.model(name).id in one.archives.entries()

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(warm_home / "cache", target_is_directory=True)
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    assert store.find(next(iter(ids))) is None
    monkeypatch.setattr("drillbox.sandbox.learning.training.fit", pytest.fail)  # they are downloaded, not trained anew
    second = versions(calm_world, calm, shared)
    assert {second.model(name).id for name in second.names} == ids
    shared.close()


def test_a_registry_that_is_away_is_waited_for_until_the_service_stops(
    calm: Scenario, calm_world: World, warm_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = threading.Event()
    shared = remote("http://127.0.0.1:9", stop)
    failed: list[UsageError] = []

    def wait() -> None:
        try:
            versions(calm_world, calm, shared)
        except UsageError as error:
            failed.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while "next try in 1 s" not in capsys.readouterr().out:
        thread.join(0.01)
    stop.set()
    thread.join(60.0)
    assert "no answer from the artifact store at http://127.0.0.1:9" in str(failed[0])


def test_a_model_that_cannot_be_handed_over_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_side, "PATIENCE", 0.1)
    shared = remote("http://127.0.0.1:9")
    for call in (shared.offer, shared.fetch):
        with pytest.raises(UsageError, match="no answer from the artifact store"):
            call("flights-20130101-00000000")


# --------------------------------------------------------------------------------------------------------- trainers elsewhere


class Slow:
    """A trainer whose training is done when a test says so."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.where = "job of the tests"
        self.done = self.cancelled = False
        self.fails = ""

    def begin(self, order: Order) -> Slow:
        self.orders.append(order)
        return self

    def result(self) -> ModelVersion:
        assert self.done
        if self.fails:
            raise UsageError(self.fails)
        order = self.orders[-1]
        return snapshots.train(order.snapshot, order.threshold, TREES)

    def cancel(self) -> None:
        self.cancelled = True


Enter = Callable[[Slow], tuple[ControlRoom, Clock]]


@pytest.fixture
def enter(calm: Scenario, calm_world: World, warm_home: Path) -> Iterator[Enter]:
    rooms: list[ControlRoom] = []

    def begin(trainer: Slow) -> tuple[ControlRoom, Clock]:
        clock = Clock(-1.0)
        quick = replace(calm, runtime=replace(calm.runtime, training_time=10.0))
        rooms.append(ControlRoom(quick, calm_world, clock, Links(trainer=trainer), Log("pipeline")))
        rooms[-1].tell_spec({"retraining.requested": "14d#1"})
        return rooms[-1], clock

    yield begin
    for room in rooms:
        room.close()


def play(room: ControlRoom, clock: Clock, until: float) -> None:
    while clock.seconds < until:
        clock.seconds += 1.0
        room.step()


def said(room: ControlRoom) -> list[str]:
    return [item.body.text for item in room.outbox.read(-1) if isinstance(item.body, Said)]


def test_a_training_lasts_until_it_is_done_and_the_loop_goes_on_meanwhile(enter: Enter) -> None:
    trainer = Slow()
    room, clock = enter(trainer)
    play(room, clock, 60.0)
    assert room.standing.stage == "run-1: training"
    assert room.standing.at == 60.0, "nothing else waits for it"
    assert room.standing.training_seconds > 40.0
    (order,) = trainer.orders
    assert (order.run, order.recipe.days) == (1, 14)
    assert any("job of the tests" in text for text in said(room))
    trainer.done = True
    play(room, clock, 63.0)
    assert room.standing.stage != "run-1: training"
    assert any(text.startswith("run-1 registered v") for text in said(room))


def test_a_training_that_failed_fails_the_run_with_its_reason(enter: Enter) -> None:
    trainer = Slow()
    trainer.done, trainer.fails = True, "job x failed (BackoffLimitExceeded): ImportError: libgomp"
    room, clock = enter(trainer)
    play(room, clock, 40.0)
    assert f"run-1 failed: {trainer.fails}" in said(room)
    assert room.look("runs", "").rows[0][0] == "run-1"
    assert "failed" in room.look("runs", "").rows[0]


def test_a_run_that_is_frozen_cancels_its_training(enter: Enter) -> None:
    trainer = Slow()
    room, clock = enter(trainer)
    play(room, clock, 30.0)
    assert not trainer.cancelled
    room.tell_spec({"retraining.frozen": True})
    play(room, clock, 33.0)
    assert trainer.cancelled
    assert any("retraining was frozen" in text for text in said(room))


# -------------------------------------------------------------------------------------------------------------------- settings


def test_settings_that_do_not_go_together(calm: Scenario, tmp_path: Path) -> None:
    (tmp_path / "scenario.json").write_text(dump_scenario(calm), encoding="utf-8")
    given = {"DRILL_SCENARIO": str(tmp_path / "scenario.json")}
    with pytest.raises(UsageError, match="PIPELINE_JOB_TEMPLATE=.*set PIPELINE_REGISTRY_URL, too"):
        read(PipelineSettings, {**given, "PIPELINE_JOB_TEMPLATE": "/x"})
    with pytest.raises(UsageError, match="PIPELINE_REGISTRY_URL='registry' is wrong"):
        read(PipelineSettings, {**given, "PIPELINE_REGISTRY_URL": "registry"})
    both = {**given, "PIPELINE_REGISTRY_URL": "http://r", "PIPELINE_JOB_TEMPLATE": str(tmp_path / "none.yaml")}
    with pytest.raises(UsageError, match="PIPELINE_JOB_TEMPLATE=.*cannot be read"):
        PipelineService(read(PipelineSettings, both), Log("pipeline"))
