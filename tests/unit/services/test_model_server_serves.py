from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from drillbox.sandbox.learning.references import reference
from drillbox.sandbox.learning.version import ModelVersion
from drillbox.sandbox.world.data import FEATURES, FlightData
from drillbox.stacks.services.model_server.questions import request_body

INFER = "/v2/models/flights/infer"
FLIGHTS = np.array([[1.0, 0.0, 3.0, 18.0, 2.0, 1000.0]])
SLOW = {"MODEL_CONCURRENCY": "1", "MODEL_QUEUE": "1", "MODEL_WORK": "300"}


def ask(service: Any, **arguments: Any) -> httpx.Response:
    return httpx.post(f"{service.url}{INFER}", content=request_body(FLIGHTS, **arguments), timeout=30.0, trust_env=False)


def until(holds: Any, patience: float = 120.0) -> None:
    from threading import Event

    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline
        Event().wait(0.02)


def crowded(service: Any, pool: ThreadPoolExecutor) -> list[Any]:
    """One request in service, and one that waits."""
    asked = [pool.submit(ask, service)]
    until(lambda: service.metrics()["model_server_inflight"] == 1)
    asked.append(pool.submit(ask, service))
    until(lambda: service.metrics()["model_server_queue_length"] == 1)
    return asked


def test_a_full_queue_refuses_at_once_and_rules_take_the_overflow(start: Any) -> None:
    service = start(**SLOW).ready()
    with ThreadPoolExecutor(4) as pool:
        asked = crowded(service, pool)
        refused = ask(service)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json() == {"error": "the queue is full"}
        assert service.control({"fallback": "overflow"}).json()["fallback"] == "overflow"
        rules = ask(service)
        assert rules.json()["parameters"] == {"source": "rules"}
        assert rules.json()["outputs"][0]["data"] == [1.0]  # an evening flight
        assert [one.result().json()["parameters"]["source"] for one in asked] == ["model", "model"]
    found = service.metrics()
    assert found['model_server_requests_total{code="503"}'] == 1
    assert found['model_server_requests_total{code="200"}'] == 3
    assert found['model_server_predictions_total{source="model"}'] == 2
    assert found['model_server_predictions_total{source="rules"}'] == 1
    assert found["model_server_busy_seconds_total"] >= 2 * 0.3  # CPU that two answers used, one after the other
    assert found["model_server_inflight"] == found["model_server_queue_length"] == 0


@pytest.mark.parametrize("cancel", ["false", "true"])
def test_work_that_nobody_waits_for_goes_on_unless_it_is_cancelled(start: Any, cancel: str) -> None:
    service = start(**{**SLOW, "MODEL_WORK": "1500", "MODEL_CANCEL_ON_TIMEOUT": cancel}).ready()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{service.url}{INFER}", content=request_body(FLIGHTS), timeout=0.5, trust_env=False)
    until(lambda: service.metrics()["model_server_inflight"] == 0)
    found = service.metrics()
    assert found['model_server_predictions_total{source="model"}'] == (cancel == "false")
    assert (found["model_server_busy_seconds_total"] >= 1.5) == (cancel == "false")
    assert ask(service).status_code == 200  # the slot is free again


def test_sigterm_finishes_what_is_there_and_exits_with_0(start: Any, tmp_path: Path) -> None:
    log = tmp_path / "predictions.jsonl"
    service = start(**SLOW, MODEL_PREDICTION_LOG=str(log)).ready()
    with ThreadPoolExecutor(2) as pool:
        asked = crowded(service, pool)
        service.process.send_signal(signal.SIGTERM)
        assert [one.result().status_code for one in asked] == [200, 200]
    assert service.process.wait(60) == 0
    assert len(log.read_text().splitlines()) == 2
    service.wait_for("terminated")
    with pytest.raises(httpx.ConnectError):
        ask(service)


def test_live_changes_quarantine_and_the_prediction_log(
    start: Any, tmp_path: Path, version: ModelVersion, flight_data: FlightData
) -> None:
    log = tmp_path / "predictions.jsonl"
    service = start(MODEL_PREDICTION_LOG=str(log), MODEL_POD="pod-1", MODEL_DEPLOYMENT="model-champion").ready()
    weather = np.full((1, 8), 50.0)
    assert ask(service, online=weather, request_id="a", rows=[7]).status_code == 200
    assert service.control({"quarantined": "temp", "concurrency": 3}).json()["quarantined"] == "temp"
    assert ask(service, online=weather, request_id="b", rows=[8]).status_code == 200
    assert service.control({"fallback": "always"}).status_code == 200
    assert ask(service, request_id="c").json()["parameters"] == {"source": "rules"}
    until(lambda: log.exists() and len(log.read_text().splitlines()) == 3)
    first, second, third = (json.loads(line) for line in log.read_text().splitlines())
    temp = FEATURES.index("temp")
    assert (first["id"], first["row"], first["version"], first["source"]) == ("a", 7, "v1", "model")
    assert first["features"][temp] == 50.0
    assert second["features"][temp] == reference(version, flight_data).imputations[temp] != 50.0
    assert (third["row"], third["source"], third["features"][temp]) == (None, "rules", None)
    assert service.metrics()['model_server_slots{deployment="model-champion",pod="pod-1"}'] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fallback": "alway"}, "'off', 'overflow' or 'always'"),
        ({"quarantined": "tempp"}, "did you mean 'temp'?"),
        ({"concurrency": 0}, "greater than or equal to 1"),
        ({"slots": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_control_says_so(server: Any, changes: dict[str, Any], message: str) -> None:
    refused = server.control(changes)
    assert refused.status_code == 422
    assert message in refused.json()["error"]


def test_controls_need_the_token(server: Any, start: Any) -> None:
    post = server.client.post
    assert post("/control/settings", json={"queue": 1}).status_code == 401
    assert post("/control/settings", json={"queue": 1}, headers={"Authorization": "Bearer no"}).status_code == 401


def _store_with(tmp_path: Path, world_home: Path, version: ModelVersion, content: bytes | None, *, matching: bool) -> Path:
    """A home whose store has that version with another file."""
    import hashlib

    from drillbox.sandbox.learning import store

    target = tmp_path / "models" / version.id
    shutil.copytree(store.models_dir() / version.id, target)
    (tmp_path / "cache").symlink_to((world_home / "cache").resolve(), target_is_directory=True)
    if content is not None:
        (target / "model.skops").write_bytes(content)
        if matching:
            meta = json.loads((target / "meta.json").read_text())
            (target / "meta.json").write_text(json.dumps({**meta, "sha256": hashlib.sha256(content).hexdigest()}))
    return tmp_path


def _hostile(marker: Path) -> bytes:
    """A file that would run a command if its types were trusted."""
    import os

    import skops.io

    class_with_a_command = __import__("functools").partial(os.system, f"touch {marker}")
    content: bytes = skops.io.dumps(class_with_a_command)
    return content


@pytest.mark.parametrize("kind", ["corrupted", "hostile"])
def test_a_bad_model_file_is_refused_and_it_is_never_ready(
    start: Any, tmp_path: Path, world_home: Path, version: ModelVersion, kind: str
) -> None:
    content = _hostile(tmp_path / "ran") if kind == "hostile" else b"PK\x03\x04 no zip"
    service = start(home=_store_with(tmp_path, world_home, version, content, matching=kind == "hostile"))
    text = service.wait_for("cannot be loaded")
    assert ("types that are not trusted" if kind == "hostile" else "is not the file that was stored") in text
    ready = service.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (503, {"error": "model v1 cannot be loaded"})
    assert service.client.get("/healthz").status_code == 200
    assert ask(service).status_code == 503
    assert service.metrics()["model_server_ready"] == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "MODEL_VERSION is not set"),
        ({"MODEL_VERSION": "v1", "MODEL_FALLBACK": "alway"}, "did you mean 'always'?"),
        ({"MODEL_VERSION": "v1", "MODEL_QUARANTINED": "tempp"}, "did you mean 'temp'?"),
        ({"MODEL_VERSION": "v1", "MODEL_SLOWNES": "2"}, "did you mean MODEL_SLOWNESS?"),
        ({"MODEL_VERSION": "v1", "SERVICE_PORT": "many"}, "SERVICE_PORT='many' is wrong"),
        ({"MODEL_VERSION": "v1", "MODEL_WORK": "nan"}, "MODEL_WORK='nan' is wrong"),
    ],
)
def test_wrong_settings_name_variable_and_nearest(settings: dict[str, str], message: str) -> None:
    from drillbox.sandbox.model.errors import UsageError
    from drillbox.stacks.services.common.settings import read
    from drillbox.stacks.services.model_server.settings import ModelSettings

    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        read(ModelSettings, settings)


def test_a_taken_port_is_told_with_exit_code_2(version: ModelVersion) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "drillbox.stacks.services.model_server"],
            env={"MODEL_VERSION": "v1", "SERVICE_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 is in use: set SERVICE_PORT" in done.stderr


def test_an_answer_holds_its_slot_for_its_time_without_using_a_core(start: Any) -> None:
    service = start(
        MODEL_CONCURRENCY="2", MODEL_QUEUE="4", MODEL_HOLD="400", MODEL_RULES_HOLD="100", MODEL_SLOW_BOUND="0.2"
    ).ready()
    before = service.cpu_seconds()
    with ThreadPoolExecutor(4) as pool:
        began = time.monotonic()
        assert [one.result().status_code for one in [pool.submit(ask, service) for _ in range(4)]] == [200] * 4
        assert time.monotonic() - began >= 0.8  # two at once
    found = service.metrics()
    assert found["model_server_busy_seconds_total"] >= 4 * 0.39
    assert service.cpu_seconds() - before < 4 * 0.4
    assert found["model_server_slow_answers_total"] == 4
    service.control({"fallback": "always"})
    assert ask(service).json()["parameters"] == {"source": "rules"}
    assert service.metrics()["model_server_busy_seconds_total"] - found["model_server_busy_seconds_total"] >= 0.09
    assert service.metrics()["model_server_slow_answers_total"] == 4


def test_who_hangs_up_frees_a_slot_that_is_held_if_work_is_cancelled(start: Any) -> None:
    service = start(MODEL_HOLD="60000", MODEL_CANCEL_ON_TIMEOUT="true").ready()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{service.url}{INFER}", content=request_body(FLIGHTS), timeout=0.5, trust_env=False)
    until(lambda: service.metrics()["model_server_inflight"] == 0)


def test_a_server_and_a_store_learn_when_the_drill_begins(start: Any, tmp_path: Path) -> None:
    log = tmp_path / "predictions.jsonl"
    service = start(MODEL_PREDICTION_LOG=str(log)).ready()
    store = start("feature_store", DRILL_START="2013-07-08T12:00:00", DRILL_PACE="3600").ready()
    origin = {"origin": time.monotonic() + 3600.0}
    for one in (service, store):
        assert one.control(origin, "/control/start", "PUT").status_code == 204
        assert one.control({"origin": "soon"}, "/control/start", "PUT").status_code == 422
    assert ask(service).status_code == 200
    until(lambda: log.exists() and len(log.read_text().splitlines()) == 1)
    assert json.loads(log.read_text())["time"] < -3000.0
    known = store.client.get("/v1/features", params={"origin": "JFK"}).json()
    assert known["event_time"].startswith("2013-02-")  # 150 days before: an hour takes a second
