"""The pipeline over HTTP: views, controls, what is refused, and a process that begins and ends in order."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from serving_kit import served

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import fields_of
from drillbox.sandbox.model.views import VIEWS
from drillbox.sandbox.world.data import FlightData
from drillbox.sandbox.world.flights import World, open_world
from drillbox.stacks.services.common.logs import Log
from drillbox.stacks.services.common.process import listen
from drillbox.stacks.services.common.scenarios import dump_scenario
from drillbox.stacks.services.common.settings import read
from drillbox.stacks.services.pipeline.app import FAMILIES, OWN, SHOWN, build
from drillbox.stacks.services.pipeline.freshness import StoreClient
from drillbox.stacks.services.pipeline.room import ControlRoom
from drillbox.stacks.services.pipeline.service import Drill, PipelineService
from drillbox.stacks.services.pipeline.settings import PipelineSettings

TOKEN = "of-the-tests"  # noqa: S105 -- of an application that lives as long as a test
POD: dict[str, Any] = {
    "name": "model-champion-1", "deployment": "model-champion", "version": "v2", "ready": True, "restarts": 0,
    "busy_seconds": 1.5, "slots": 4, "requests": 10.0, "failed": 0.0, "slow": 0.0,
}  # fmt: skip


@dataclass
class Client:
    """The application with a control plane that stands where a test puts it."""

    service: PipelineService
    http: httpx.Client

    def control(self, method: str, path: str, body: object = None, token: str = TOKEN) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return self.http.request(method, f"/control/{path}", content=content, headers=headers)

    def refused(self, method: str, path: str, body: object = None, status: int = 422) -> str:
        answer = self.control(method, path, body)
        assert answer.status_code == status, answer.text
        told: str = answer.json()["error"]
        return told

    @property
    def room(self) -> ControlRoom:
        assert self.service.room is not None
        return self.service.room


@pytest.fixture(scope="session")
def decay(flight_data: FlightData, world_home: Path) -> Scenario:
    return replace(load_scenario(Library.packaged().find("quiet-decay")), warmup=60.0)


@pytest.fixture(scope="session")
def decaying(decay: Scenario) -> World:
    return open_world(decay.world, decay.duration, decay.warmup, 1)


def given(folder: Path, scenario: Scenario, **more: str) -> PipelineSettings:
    (folder / "scenario.json").write_text(dump_scenario(scenario), encoding="utf-8")
    (folder / "predictions").mkdir(exist_ok=True)
    where = {"DRILL_SCENARIO": str(folder / "scenario.json"), "PIPELINE_PREDICTIONS": str(folder / "predictions")}
    return read(PipelineSettings, {**where, "CONTROL_TOKEN": TOKEN, **more})


@pytest.fixture
def client(decay: Scenario, decaying: World, warm_home: Path, tmp_path: Path) -> Iterator[Client]:
    service = PipelineService(given(tmp_path, decay), Log("pipeline"))
    service.room = ControlRoom(
        decay, decaying, Drill(None, -decay.warmup, decay.duration), tmp_path / "predictions", Log("pipeline")
    )
    service._why = ""
    with served(build(service, TOKEN)) as url, httpx.Client(base_url=url, timeout=30.0, trust_env=False) as http:
        yield Client(service, http)
    service.room.close()


def test_versions_are_told_first(client: Client) -> None:
    items = client.control("GET", "outbox").json()["items"]
    assert [(one["number"], one["kind"], one["version"]) for one in items] == [(0, "registered", "v2"), (1, "registered", "v1")]
    assert items[0]["artifact"] == items[0]["model"]
    assert client.control("GET", "outbox?after=1").json() == {"items": []}
    assert client.control("GET", "outbox?after=-1").json()["items"] == items


def test_a_fault_is_a_desire(client: Client) -> None:
    body = {"fault": "config.push", "params": {"timeout": 0.2}}
    assert client.control("PUT", "beats/b%201", body).status_code == 204
    items = client.control("GET", "outbox?after=1").json()["items"]
    assert items[0] == {
        "number": 2, "at": -60.0, "kind": "desire", "fields": {"gateway.timeout": 0.2, "platform.pushed": "gateway.timeout=0.6"},
        "by": "config-pipeline", "why": "settings of the new region",
    }  # fmt: skip
    assert [(one["kind"], one["component"], one["severity"]) for one in items[1:]] == [("log", "config-pipeline", "info")]
    assert client.control("DELETE", "beats/b%201").status_code == 204
    assert client.control("DELETE", "beats/b%201").status_code == 204


def test_the_state_and_the_replicas_are_told(client: Client, decay: Scenario) -> None:
    plain = json.loads(json.dumps(dict(fields_of(decay.service))))
    assert client.control("PUT", "spec", plain).status_code == 204
    assert client.room.spec == decay.service
    assert client.control("PUT", "spec", {"champion.replicas": 7}).status_code == 204
    assert client.room.spec.champion.replicas == 7
    assert client.control("PUT", "pods", [POD]).status_code == 204
    assert client.control("GET", "state").json() == {"training_seconds": 0.0, "runs": 0, "stage": "", "in_step": 0.0}


def test_what_is_wrong_is_refused_with_what_would_be_right(client: Client) -> None:
    assert "unknown field 'gateway.timeot'; did you mean 'gateway.timeout'?" in client.refused(
        "PUT", "spec", {"gateway.timeot": 1.0}
    )
    assert "model-champion" in client.refused("PUT", "pods", [{**POD, "deployment": "model-x"}])
    assert "busy_seconds" in client.refused("PUT", "pods", [{**POD, "busy_seconds": -1}])
    assert "two replicas 'model-champion-1'" in client.refused("PUT", "pods", [POD, POD])
    assert "'labels.dely' is not of the control plane: did you mean 'labels.delay'?" in client.refused(
        "PUT", "beats/b", {"fault": "labels.dely"}
    )
    assert "'features.stale' is not of the control plane" in client.refused("PUT", "beats/b", {"fault": "features.stale"})
    assert "delay" in client.refused("PUT", "beats/b", {"fault": "labels.delay", "params": {"dely": 1.0}})
    assert "out of bounds" in client.refused("PUT", "beats/b", {"fault": "labels.delay", "params": {"delay": -1.0}})
    slow = {"fault": "release.slow_model", "params": {"version": "v9"}}
    assert client.refused("PUT", "beats/b", slow) == "unknown version 'v9'; the versions are v2, v1"
    assert client.control("GET", "outbox?after=-2").status_code == 422
    assert client.control("PUT", "spec", [1]).status_code == 422
    assert "the drill is from t = -60 s" in client.refused("PUT", "start", {"origin": -1e9})


@pytest.mark.parametrize(("method", "path"), [("GET", "outbox"), ("GET", "state"), ("PUT", "spec"), ("DELETE", "beats/b")])
def test_controls_want_the_token(client: Client, method: str, path: str) -> None:
    assert client.control(method, path, {}, "wrong").status_code == 401


def test_views(client: Client) -> None:
    found = client.http.get("/views/feature", params={"subject": "temp"}).json()
    assert found["columns"] == ["values", "in training", "now"]
    assert client.http.get("/views/version", params={"subject": "v1"}).json()["title"] == "Lineage of v1"
    unknown = client.http.get("/views/featre")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "unknown view 'featre'; did you mean 'feature'?")
    assert client.http.get("/views/replicas").status_code == 404
    assert client.http.get("/views/feature", params={"subject": "tmp"}).json()["error"].startswith("unknown feature 'tmp'")
    assert client.http.get("/views/rows", params={"subject": "x"}).status_code == 422
    without = client.http.get("/views/freshness")
    assert (without.status_code, "PIPELINE_FEATURES_URL is not set" in without.text) == (503, True)


def test_the_catalogue_has_no_other_views_and_faults() -> None:
    assert {*SHOWN, "replicas"} == set(VIEWS)
    assert {name.partition(".")[0] for name in OWN} == set(FAMILIES)
    assert all(name in FAULTS for name in OWN)


def test_every_fault_can_begin_and_end(client: Client) -> None:
    fitting: dict[str, object] = {
        "version": "v1",
        "delay": 60.0,
        "cutoff": 12,
        "runs": 1,
        "days": 2,
        "step": 1,
        "every": 30.0,
        "most": 8,
    }
    for fault in OWN.values():
        params = {one.name: fitting[one.name] for one in fault.params if one.required}
        assert client.control("PUT", "beats/b", {"fault": fault.name, "params": params}).status_code == 204, fault.name
        assert client.control("DELETE", "beats/b").status_code == 204


def test_before_it_is_open_it_says_so(client: Client) -> None:
    client.service.room, room = None, client.room
    client.service._why = "the pipeline is starting"
    assert client.http.get("/readyz").status_code == 503
    assert client.http.get("/metrics").text == ""
    assert client.refused("PUT", "pods", [POD], status=503) == "the pipeline is starting"
    client.service.room = room


def test_schemathesis_finds_nothing(client: Client) -> None:
    schema = schemathesis.openapi.from_url(f"{client.http.base_url}/openapi.json")
    for operation in (found.ok() for found in schema.get_all_operations()):
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            _try(operation, mode)
    assert client.http.get("/healthz").status_code == 200
    assert client.control("PUT", "pods", [POD]).status_code == 204


def _try(operation: Any, mode: Any) -> None:
    from hypothesis import given as whatever
    from hypothesis.errors import Unsatisfiable

    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @whatever(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        # Which fields and versions there are is beyond what a schema says.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])
        if case.path.startswith("/control"):  # a token makes good what is wrong with the headers
            headers = {"Authorization": f"Bearer {TOKEN}"}
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance, negative_data_rejection])

    try:
        check()
    except Unsatisfiable:  # nothing to get wrong in an operation without parameters
        assert mode == schemathesis.GenerationMode.NEGATIVE


# --------------------------------------------------------------------------------------------------------------------- settings


def test_settings_that_are_wrong(tmp_path: Path, decay: Scenario) -> None:
    with pytest.raises(UsageError, match="DRILL_SCENARIO is not set"):
        read(PipelineSettings, {})
    with pytest.raises(UsageError, match="PIPELINE_FEATURES_URL='store'"):
        given(tmp_path, decay, PIPELINE_FEATURES_URL="store")
    known = given(tmp_path, decay)
    with pytest.raises(UsageError, match=r"t = 0 at 1e\+09 s of CLOCK_MONOTONIC would make it"):
        PipelineService(given(tmp_path, decay, DRILL_ORIGIN="1e9"), Log("pipeline"))
    (tmp_path / "predictions").rmdir()
    with pytest.raises(UsageError, match=r"PIPELINE_PREDICTIONS=.* is no folder"):
        PipelineService(known, Log("pipeline"))
    (tmp_path / "scenario.json").unlink()
    with pytest.raises(UsageError, match=r"scenario.json cannot be read"):
        PipelineService(known, Log("pipeline"))


# ------------------------------------------------------------------------------------------------------------------- as a process


def test_a_process_begins_reads_and_ends(start: Callable[..., Any], tmp_path: Path, decay: Scenario, decaying: World) -> None:
    given(tmp_path, decay)
    ids = decaying.draws.of_hour(math.floor(decaying.draws.calendar(0.0) / 60.0))
    line = {
        "id": "1", "time": 0.0, "row": int(decaying.examples.rows[ids.stop - 1]), "score": 0.5, "version": "v2", "source": "model",
        "features": [None if math.isnan(one) else one for one in decaying.examples.features[ids.stop - 1].tolist()],
    }  # fmt: skip
    (tmp_path / "predictions" / "a.jsonl").write_text(json.dumps(line) + "\n{", encoding="utf-8")
    store = start("feature_store", DRILL_START=decay.world.start.isoformat(), DRILL_PACE=str(decay.world.pace)).ready()
    one = start(
        "pipeline",
        DRILL_SCENARIO=str(tmp_path / "scenario.json"),
        PIPELINE_PREDICTIONS=str(tmp_path / "predictions"),
        PIPELINE_FEATURES_URL=store.url,
        PIPELINE_REGISTRY=str(tmp_path / "registry"),
    ).ready()
    assert one.metrics()["retraining_runs_total"] == 0.0
    assert one.client.get("/views/freshness").json()["rows"][0][0] == "EWR"
    # Nothing happens before somebody says when t = 0 is: it was 40 s of drill time ago.
    assert one.control({"origin": time.monotonic() - 40.0}, "/control/start", "PUT").status_code == 204
    _until(lambda: one.metrics().get("quality_monitor_brier", 0.0) > 0.0)
    leaves_last = one.client.get("/views/rows").json()["rows"][-1]
    assert leaves_last[-2] == 0.5
    assert one.metrics()["pipeline_lag_seconds"] < 30.0
    assert (tmp_path / "registry" / "registry.sqlite").exists()
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(30.0) == 0


def _until(holds: Callable[[], bool], patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_a_control_plane_that_breaks_down_ends_the_service(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise UsageError("the model is damaged")

    ended: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *given: ended.append(given))
    monkeypatch.setattr(client.room, "step", broken)
    client.service._run()
    assert (client.service.failed, ended) == (True, [(os.getpid(), signal.SIGTERM)])
    assert "the control plane broke down: UsageError('the model is damaged')" in capsys.readouterr().out
    assert client.http.get("/readyz").status_code == 503


def test_a_feature_store_that_is_away_is_told_of(client: Client) -> None:
    free = listen("127.0.0.1", 0)
    port = free.getsockname()[1]
    free.close()
    client.service.store = StoreClient(f"http://127.0.0.1:{port}")
    answer = client.http.get("/views/freshness")
    assert (answer.status_code, "the feature store does not answer for EWR" in answer.text) == (503, True)
    client.service.store.close()
