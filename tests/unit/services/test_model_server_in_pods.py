"""A model server that fetches its model from the registry, and sends its predictions to the pipeline."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox import paths
from drillbox.sandbox.learning.references import reference
from drillbox.sandbox.learning.version import ModelVersion
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.world.data import FEATURES, FlightData
from drillbox.stacks.services.common.logs import Log
from drillbox.stacks.services.common.registry import RegistryClient
from drillbox.stacks.services.common.settings import read
from drillbox.stacks.services.model_server import predictions
from drillbox.stacks.services.model_server.fetching import Fetcher
from drillbox.stacks.services.model_server.outlets import FileOutlet, HttpOutlet, UnwrittenError, outlet_of
from drillbox.stacks.services.model_server.predictions import Answer, PredictionLog
from drillbox.stacks.services.model_server.questions import request_body
from drillbox.stacks.services.model_server.settings import ModelSettings

TOKEN = "token-of-the-tests"  # noqa: S105 -- of processes that live as long as a test
INFER = "/v2/models/flights/infer"
FLIGHTS = np.array([[1.0, 0.0, 3.0, 18.0, 2.0, 1000.0]])


def until(holds: Callable[[], bool], patience: float = 120.0) -> None:
    deadline, pause = time.monotonic() + patience, threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        pause.wait(0.01)


def answer(number: int, flights: int = 1) -> Answer:
    return Answer(f"{number}", float(number), (), np.zeros((flights, len(FEATURES))), np.full(flights, 0.5), "model")


# ---------------------------------------------------------------------------------------------------------------------- models


@pytest.fixture
def empty_home(tmp_path: Path, world_home: Path) -> Path:
    """Another machine: it has the data, and no models."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(world_home / "cache", target_is_directory=True)
    return tmp_path / "home"


def test_it_fetches_its_model_as_soon_as_the_registry_gives_it(
    start: Any, tmp_path: Path, empty_home: Path, version: ModelVersion, world_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = start("registry", REGISTRY_FOLDER=str(tmp_path / "volume")).ready()
    beat = "/control/beats/b"
    assert registry.control({"fault": "artifacts.refusing"}, beat, "PUT").status_code == 204
    server = start(home=empty_home, MODEL_STORE_URL=f"{registry.url}/origin", MODEL_REFERENCE=version.id)
    told = server.wait_for("loading model v1: 503 Service Unavailable from the artifact store")
    assert told.endswith(f"at {registry.url}/origin: downloads are refused; next try in 1 s")
    until(lambda: "503 Service Unavailable" in server.client.get("/readyz").text)
    assert server.client.get("/readyz").status_code == 503
    assert server.client.get("/healthz").status_code == 200
    monkeypatch.setenv(paths.HOME_VARIABLE, str(world_home))
    with RegistryClient(registry.url, TOKEN) as client:
        assert client.upload(version.id)
    registry.client.delete(beat, headers={"X-Control-Token": TOKEN})
    server.ready()
    assert (empty_home / "models" / version.id / "model.skops").exists()
    assert httpx.post(f"{server.url}{INFER}", content=request_body(FLIGHTS), timeout=30.0).status_code == 200


def test_it_ends_in_order_while_it_waits_for_its_model(start: Any, empty_home: Path) -> None:
    server = start(home=empty_home, MODEL_STORE_URL="http://127.0.0.1:9")
    server.wait_for("no answer from the artifact store at http://127.0.0.1:9")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30.0) == 0
    assert not server.text("cannot be loaded")


def test_services_of_an_image_with_prebuilt_caches_write_nothing(
    start: Any, version: ModelVersion, flight_data: FlightData, warm_home: Path
) -> None:
    reference(version, flight_data)
    nowhere = Path("/proc/drillbox")  # nobody can write there, root included
    server = start(home=nowhere, DRILLBOX_PREBUILT=str(warm_home))
    features = start("feature_store", home=nowhere, DRILLBOX_PREBUILT=str(warm_home), DRILL_START="2013-03-01T08:30")
    features.ready()
    server.ready()
    assert httpx.post(f"{server.url}{INFER}", content=request_body(FLIGHTS), timeout=30.0).status_code == 200


def test_without_a_registry_nothing_is_fetched() -> None:
    Fetcher("", "v1", Log("model-server"), pytest.fail).fetch(("unknown",))


def test_a_catalogue_says_which_model_is_behind_a_version() -> None:
    given = {"MODEL_VERSION": "v2", "MODEL_CATALOGUE": '{"v1": "flights-1", "v2": "flights-2"}'}
    assert read(ModelSettings, given).model_id == "flights-2"
    assert read(ModelSettings, {**given, "MODEL_VERSION": "v3"}).model_id == "v3"
    assert read(ModelSettings, {**given, "MODEL_ARTIFACT": "flights-3"}).model_id == "flights-3"
    for wrong in ("[]", "{", '{"v1": 1}', "[" * 100_000):
        with pytest.raises(UsageError, match="MODEL_CATALOGUE=.* is wrong"):
            read(ModelSettings, {**given, "MODEL_CATALOGUE": wrong})


def test_addresses_that_are_wrong(tmp_path: Path) -> None:
    given = {"MODEL_VERSION": "v1"}
    with pytest.raises(UsageError, match="MODEL_STORE_URL='registry' is wrong"):
        read(ModelSettings, {**given, "MODEL_STORE_URL": "registry"})
    with pytest.raises(UsageError, match="MODEL_PREDICTION_URL='ftp://x' is wrong"):
        read(ModelSettings, {**given, "MODEL_PREDICTION_URL": "ftp://x"})
    both = {"MODEL_PREDICTION_LOG": str(tmp_path / "x"), "MODEL_PREDICTION_URL": "http://x/predictions"}
    with pytest.raises(UsageError, match="give either MODEL_PREDICTION_LOG or MODEL_PREDICTION_URL"):
        read(ModelSettings, {**given, **both})
    assert outlet_of(read(ModelSettings, given)) is None
    assert isinstance(outlet_of(read(ModelSettings, {**given, "MODEL_PREDICTION_LOG": "/x"})), FileOutlet)
    posted = outlet_of(read(ModelSettings, {**given, "MODEL_PREDICTION_URL": "http://pipeline:8080/predictions"}))
    assert isinstance(posted, HttpOutlet)
    posted.close()


# ----------------------------------------------------------------------------------------------------------------- predictions


class Reader:
    """An outlet that fails as often as it is told to."""

    def __init__(self, *failures: bool | None) -> None:
        self.failures = deque(failures)  # whether what fails is to be kept; None: it does not fail
        self.batches: list[bytes] = []
        self.closed = threading.Event()

    def write(self, lines: bytes) -> None:
        keep = self.failures.popleft() if self.failures else None
        if keep is not None:
            raise UnwrittenError("nobody reads", keep=keep)
        self.batches.append(lines)

    def close(self) -> None:
        self.closed.set()

    @property
    def ids(self) -> list[str]:
        return [json.loads(line)["id"] for line in b"".join(self.batches).splitlines()]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "PERIOD", 0.001)
    monkeypatch.setattr(predictions, "LONGEST", 0.004)


@given(failures=st.lists(st.sampled_from([True, None]), max_size=8), sizes=st.lists(st.integers(1, 40), max_size=12))
def test_nothing_is_lost_and_the_order_stays_while_nobody_reads(failures: list[bool | None], sizes: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "PERIOD", 0.001)
        patch.setattr(predictions, "LONGEST", 0.002)
        patch.setattr(predictions, "BATCH", 3000)
        reader = Reader(*failures)
        log = PredictionLog(reader, "v1", Log("model-server"))
        for number, flights in enumerate(sizes):
            log.add(answer(number, flights))
        log.close(30.0)
    assert reader.ids == [f"{number}" for number, flights in enumerate(sizes) for _ in range(flights)]
    assert log.dropped == 0
    assert all(len(batch) < 3000 + 400 for batch in reader.batches)
    assert reader.closed.is_set()


def test_what_is_refused_for_good_is_dropped_and_counted(quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    reader = Reader(False)
    log = PredictionLog(reader, "v1", Log("model-server"))
    log.add(answer(0, 3))
    until(lambda: log.dropped == 3)
    log.add(answer(1))
    log.close(30.0)
    assert reader.ids == ["1"]
    said = [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()]
    assert said == ["nobody reads", "predictions are written again"]


def test_what_waits_is_bounded(quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(predictions, "MOST", 5)
    reader = Reader(*[True] * 100_000)
    log = PredictionLog(reader, "v1", Log("model-server"))
    log.add(answer(0))
    until(lambda: len(reader.failures) < 100_000)
    for number in range(1, 20):
        log.add(answer(number))
    assert 0 < log.dropped < 20
    log.close(0.01)
    assert "predictions are lost: nobody took them in time" in capsys.readouterr().out


class Pipeline:
    """Takes predictions over real HTTP, and answers what it is told to."""

    def __init__(self, port: int = 0, status: int = 204) -> None:
        seen: list[str] = []
        tokens: set[str | None] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                lines = self.rfile.read(int(self.headers["Content-Length"]))
                tokens.add(self.headers["X-Control-Token"])
                if self.server.status < 300:  # type: ignore[attr-defined]
                    seen.extend(json.loads(line)["id"] for line in lines.splitlines())
                self.send_response(self.server.status)  # type: ignore[attr-defined]
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                """Quietly."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.status = status  # type: ignore[attr-defined]
        self.seen, self.tokens = seen, tokens
        self.port = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(30.0)


@pytest.fixture
def pipeline() -> Iterator[Callable[..., Pipeline]]:
    running: list[Pipeline] = []

    def begin(**given: Any) -> Pipeline:
        running.append(Pipeline(**given))
        return running[-1]

    yield begin
    for one in running:
        one.end()


def test_predictions_outlive_a_pipeline_that_starts_anew(
    start: Any, version: ModelVersion, pipeline: Callable[..., Pipeline]
) -> None:
    first = Pipeline()
    url = f"http://127.0.0.1:{first.port}/predictions"
    server = start(MODEL_PREDICTION_URL=url).ready()

    def ask(number: int) -> None:
        content = request_body(FLIGHTS, request_id=f"{number}")
        assert httpx.post(f"{server.url}{INFER}", content=content, timeout=30.0).status_code == 200

    ask(1)
    until(lambda: first.seen == ["1"])
    assert first.tokens == {TOKEN}
    first.end()
    ask(2)
    assert server.wait_for("predictions cannot be sent to").endswith("they wait")
    second = pipeline(port=first.port, status=503)
    ask(3)
    until(lambda: bool(second.tokens))
    second.server.status = 204  # type: ignore[attr-defined]
    until(lambda: second.seen == ["2", "3"])
    server.wait_for("predictions are written again")
    ask(4)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30.0) == 0
    assert second.seen == ["2", "3", "4"], "the rest is sent on the way out"


@pytest.mark.parametrize(("status", "keep"), [(503, True), (401, True), (404, True), (500, True), (413, False), (422, False)])
def test_what_the_pipeline_answers_decides_whether_a_batch_waits(status: int, keep: bool) -> None:
    outlet = HttpOutlet("http://x/", TOKEN, httpx.Client(transport=httpx.MockTransport(lambda _request: httpx.Response(status))))
    with pytest.raises(UnwrittenError, match=f"it answers {status}; they {'wait' if keep else 'are dropped'}") as failed:
        outlet.write(b"{}\n")
    assert failed.value.keep is keep
    outlet.close()


def test_a_file_that_cannot_be_written_is_told_of_and_keeps_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnwrittenError, match=r"cannot be logged to .*: No such file or directory; they are dropped") as failed:
        FileOutlet(tmp_path / "none" / "log.jsonl").write(b"{}\n")
    assert not failed.value.keep
    path = tmp_path / "log.jsonl"
    FileOutlet(path).write(b"{}\n")
    FileOutlet(path).write(b"[]\n")
    assert path.read_bytes() == b"{}\n[]\n"
