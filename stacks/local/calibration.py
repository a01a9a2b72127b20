"""What a model server costs on this machine: real processes of it, with nothing else of a drill beside them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from ...sandbox.learning import training
from ...sandbox.learning.models import ensure_model
from ...sandbox.learning.version import ModelVersion, lineage
from ...sandbox.model.calibration import Timings
from ...sandbox.model.errors import StackError
from ...sandbox.model.scenario import WorldConfig
from ...sandbox.model.stack import Progress
from ...sandbox.world.cache import load_data
from ...sandbox.world.data import FLIGHT_FEATURES, FlightData, departure_hour
from ..real.machine.ports import HOST, free_port, give_back
from ..real.machine.processes import Process, Supervisor
from ..real.machine.programs import Program
from ..services.model_server.questions import request_body

REQUESTS = 400
"""Requests for each of the times of an answer: the median moves by a few percent from one measurement to the next."""
STARTS = 3
WARM = 20
"""Requests that are not counted, of each process that is measured."""
PATIENCE = 60.0
"""Seconds that a process has to be ready."""
_PAUSE = 0.005
_BUSY = "model_server_busy_seconds_total"
_INFLIGHT = "model_server_inflight"
_HOLD = 600_000.0
"""Milliseconds: longer than any measurement."""
_REFUSED = "cannot be loaded"
"""What a server says that will never be ready."""
_PATH = "/v2/models/flights/infer"


class Server(Protocol):
    """A model server that runs."""

    start_time: float
    load_time: float

    def ask(self) -> None:
        """Have a request answered, or refused if it is full."""

    def busy(self) -> float:
        """Seconds that its slots were busy so far."""

    def cpu(self) -> float:
        """Seconds of processor time that it has used so far."""

    def answer_by_rules(self) -> None:
        """Have it answer by the rules from now on."""

    def fill(self) -> None:
        """Have it refuse all requests from now on: its slot is taken, and nobody may wait."""

    def close(self) -> None:
        """End it."""


def measure(
    config: WorldConfig,
    folder: Path,
    progress: Progress,
    *,
    requests: int = REQUESTS,
    starts: int = STARTS,
    serve: Callable[[ModelVersion, FlightData, Path], Server] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Timings:
    """Measure this machine.

    Args:
        config: world whose model is trained and served.
        folder: that the processes get as theirs, and that is removed afterwards.
        progress: is told.
        requests: to ask for each of the times of an answer.
        starts: of processes.
        serve: starts a server that is ready; a real process if not given.
        clock: in seconds.

    Raises:
        StackError: a process does not come up.
        UsageError: the data, the model or the state folder cannot be read or written.
    """
    data = load_data(progress)
    version = ensure_model(config, data, progress)
    progress("training a model", 0.0)
    began = clock()
    training.fit(data, lineage(config, data))
    trained = clock() - began
    start: list[float] = []
    load: list[float] = []
    answers: list[float] = []
    rules: list[float] = []
    cpu = refusal = 0.0
    for number in range(starts):
        progress("starting a model server", number / starts)
        server = (serve or RealServer)(version, data, folder)
        try:
            start.append(server.start_time)
            load.append(server.load_time)
            if number == starts - 1:
                progress("asking a model server", 0.0)
                cpu, answers = _cpu(server, requests), _answers(server, requests)
                server.answer_by_rules()
                progress("asking a model server", 0.7)
                rules = _answers(server, requests)
                server.fill()
                refusal = _cpu(server, requests)
        finally:
            server.close()
    median = statistics.median
    return Timings(
        median(answers), variation(answers), cpu, refusal, median(rules), median(start), median(load), trained, requests, starts
    )


def variation(values: Sequence[float]) -> float:
    """Standard deviation over mean; 0 where all are 0."""
    mean = statistics.fmean(values)
    return statistics.pstdev(values) / mean if mean > 0.0 else 0.0


def _cpu(server: Server, requests: int) -> float:
    """Processor time per request."""
    for _ in range(WARM):
        server.ask()
    before = server.cpu()
    for _ in range(requests):
        server.ask()
    return (server.cpu() - before) / requests


def _answers(server: Server, requests: int) -> list[float]:
    """Seconds that each of the requests took a slot, as the server's own counter has it."""
    for _ in range(WARM):
        server.ask()
    times = []
    before = server.busy()
    for _ in range(requests):
        server.ask()
        after = server.busy()
        times.append(after - before)
        before = after
    return times


class RealServer:
    """A process of the model server. When this returns it is ready.

    Raises:
        StackError: it does not come up.
    """

    def __init__(self, version: ModelVersion, data: FlightData, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._token = secrets.token_urlsafe(16)
        self._client = httpx.Client(base_url=f"http://{HOST}:{self._port}", timeout=PATIENCE, trust_env=False)
        self._body = _question(data)
        self._holder: socket.socket | None = None
        self._hopeless = False
        self._supervisor = Supervisor(self._folder, "calibrate")
        try:
            began = time.perf_counter()
            self._process = self._supervisor.start(self._program(version))
            self._until(lambda: self._fine("/healthz"))
            listening = time.perf_counter()
            self._until(lambda: self._fine("/readyz"))
            self.start_time, self.load_time = listening - began, time.perf_counter() - listening
        except BaseException:
            self.close()
            raise

    def ask(self) -> None:
        """Have a request answered, or refused if it is full."""
        answer = self._client.post(_PATH, content=self._body, headers={"content-type": "application/json"})
        if answer.status_code != (httpx.codes.SERVICE_UNAVAILABLE if self._holder else httpx.codes.OK):
            raise StackError(f"the model server answered {answer.status_code}: {answer.text[:200]}")

    def busy(self) -> float:
        """Seconds that its slots were busy so far."""
        return self._reads(_BUSY)

    def cpu(self) -> float:
        """Seconds of processor time that it has used so far, in user mode and in the kernel."""
        text = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii", errors="replace")
        fields = text.rpartition(")")[2].split()  # the name before may hold anything
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc_pid_stat(5)

    def answer_by_rules(self) -> None:
        """Have it answer by the rules from now on."""
        self._change({"fallback": "always"})

    def fill(self) -> None:
        """Have it refuse all requests from now on: one whose answer nobody will read holds its only slot."""
        self._change({"fallback": "off", "hold": _HOLD})
        self._holder = socket.create_connection((HOST, self._port), PATIENCE)
        head = f"POST {_PATH} HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {len(self._body)}\r\n\r\n"
        self._holder.sendall(head.encode() + self._body)
        self._until(lambda: self._reads(_INFLIGHT) > 0.0)

    def close(self) -> None:
        """End it, and remove its folder."""
        if self._holder is not None:
            self._holder.close()
        self._client.close()
        self._supervisor.down()
        give_back(self._port)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _program(self, version: ModelVersion) -> Program:
        settings = {
            "SERVICE_PORT": str(self._port),
            "CONTROL_TOKEN": self._token,
            "MODEL_VERSION": "v1",
            "MODEL_ARTIFACT": version.id,
            "MODEL_CONCURRENCY": "1",
            "MODEL_QUEUE": "0",
            "MODEL_CANCEL_ON_TIMEOUT": "true",  # so that it ends at once
        }
        return Program("model-server", (sys.executable, "-m", "drillbox.stacks.services.model_server"), settings)

    def _change(self, settings: dict[str, object]) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        self._client.post("/control/settings", json=settings, headers=headers).raise_for_status()

    def _reads(self, metric: str) -> float:
        """The sum of a metric's samples."""
        families = text_string_to_metric_families(self._client.get("/metrics").text)
        return sum(sample.value for family in families for sample in family.samples if sample.name == metric)

    def _until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline, pause = time.monotonic() + PATIENCE, threading.Event()
        while not holds():
            if self._hopeless or not self._process.alive() or time.monotonic() > deadline:
                raise StackError(f"the model server did not come up: {_last_words(self._process)}")
            pause.wait(_PAUSE)

    def _fine(self, path: str) -> bool:
        try:
            answer = self._client.get(path)
        except httpx.TransportError:
            return False
        self._hopeless = _REFUSED in answer.text
        return answer.status_code == httpx.codes.OK


def _question(data: FlightData) -> bytes:
    """A request for one flight, with its online features: the look-up is the feature store's time, not the server's."""
    rows = np.arange(1, dtype=np.int32)
    features = data.features(rows, departure_hour(data, rows))
    flights, online = features[:, : len(FLIGHT_FEATURES)], features[:, len(FLIGHT_FEATURES) :]
    return request_body(flights, np.nan_to_num(online))


def _last_words(process: Process) -> str:
    lines = process.log_lines()
    try:
        return str(json.loads(lines[-1])["text"])
    except (IndexError, ValueError, KeyError, TypeError):  # it ended before it could write a log
        return lines[-1] if lines else "it said nothing"
