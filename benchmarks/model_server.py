"""The model server beside its peers: MLServer, and a server of the KServe SDK. Throughput and latency of the same V2 request.

Each server is one process on one core and serves the same scikit-learn model; 32 connections ask for one flight with its weather,
in JSON, as fast as they are answered, from another core. Ours and MLServer batch alike: at most 32 requests, 5 ms. The KServe SDK
has no batching; `ours, batches of one` is what is left of the lead over it without ours. All must answer with the same score.

The servers take turns; ratios are medians over the rounds, and each round goes to stderr. Rates by the clock suffer from whatever
else the machine does, and not all servers alike: beside them stand requests per second of the server's own CPU, which suffer far
less. Where the two ratios differ much, the machine was not quiet, and neither the ratio by the clock nor the 99th percentiles are
worth much.

Peers live in virtual environments of their own (`DRILLBOX_PEERS`), which are made at the first run: a few minutes, 1 GB. One that
cannot be made is left out, and said to be.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import joblib
import numpy as np
from _lines import Line, run

from drillbox.sandbox.learning import store
from drillbox.sandbox.learning.models import ensure_model
from drillbox.sandbox.loading.library import Library
from drillbox.sandbox.world.cache import load_data

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".cache" / "peers"
CONNECTIONS, BATCH, DELAY = 32, 32, 0.005
ROUNDS, SECONDS, WARM_UP = 5, 4.0, 1.5
PATIENCE = 60.0
SERVER_CORE, CLIENT_CORE = 0, 1

MLSERVER, KSERVE = "MLServer", "KServe SDK"
UNBATCHED = "ours, batches of one"
PACKAGES = {MLSERVER: ("mlserver==1.7.1", "mlserver-sklearn==1.7.1"), KSERVE: ("kserve==0.21.0",)}
MODULES = {MLSERVER: "mlserver_sklearn", KSERVE: "kserve"}

KSERVE_SERVER = '''
"""A model of the KServe SDK, as its documentation has it."""

import sys

import joblib
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Flights(Model):
    def __init__(self, path):
        super().__init__("flights")
        self.classifier = joblib.load(path)
        self.ready = True

    async def predict(self, payload: InferRequest, headers=None, response_headers=None) -> InferResponse:
        scores = self.classifier.predict_proba(payload.inputs[0].as_numpy())
        output = InferOutput("predict_proba", list(scores.shape), "FP64")
        output.set_data_from_numpy(scores, binary_data=False)
        return InferResponse(payload.id, "flights", [output])


ModelServer(http_port=int(sys.argv[2]), workers=1, enable_grpc=False, access_log_format=None).start([Flights(sys.argv[1])])
'''


@dataclass
class Run:
    """What was measured of one server."""

    rates: list[float] = field(default_factory=list)  # requests a second, by round
    per_cpu: list[float] = field(default_factory=list)  # requests per second of the server's CPU, by round
    late: list[float] = field(default_factory=list)  # seconds, 99th percentile, by round


Start = Callable[[Path, int], subprocess.Popen[bytes]]


def environment(peer: str, folder: Path) -> Path | None:
    """The peer's Python; None if it cannot be installed."""
    home = folder / peer.lower().replace(" ", "-")
    python = home / "bin" / "python"
    if (
        python.exists()
        and not subprocess.run([python, "-c", f"import {MODULES[peer]}"], capture_output=True, check=False).returncode
    ):
        return python
    print(f"making an environment for {peer} in {home}", file=sys.stderr)
    same = [f"{name}=={version(name)}" for name in ("scikit-learn", "numpy")]  # the model is stored by these
    try:
        subprocess.run([sys.executable, "-m", "venv", home], check=True, stdout=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[peer], *same], check=True, stdout=sys.stderr)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"{peer} is left out: {error}", file=sys.stderr)
        return None
    return python


def pinned(command: Sequence[str | Path], folder: Path, extra: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process on the servers' core; what it says goes to a file."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            ["/usr/bin/taskset", "--cpu-list", str(SERVER_CORE), *command],
            cwd=folder,
            env={**os.environ, **threads, **extra},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def ours(artifact: str, batch: int = BATCH) -> Start:
    """Our server, with batches of at most so many requests."""

    def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
        settings = {
            "SERVICE_PORT": str(port),
            "MODEL_VERSION": "v1",
            "MODEL_ARTIFACT": artifact,
            "MODEL_CONCURRENCY": str(CONNECTIONS),
            "MODEL_BATCH": str(batch),
            "MODEL_BATCH_DELAY": str(DELAY if batch > 1 else 0.0),
        }
        return pinned([sys.executable, "-m", "drillbox.stacks.services.model_server"], folder, settings)

    return start


def mlserver(python: Path, model: Path) -> Start:
    """MLServer with its scikit-learn runtime, without worker processes, so that it is one process."""

    def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        (folder / "settings.json").write_text(json.dumps({"parallel_workers": 0, "debug": False, "host": "127.0.0.1", **ports}))
        settings = {
            "name": "flights",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "max_batch_size": BATCH,
            "max_batch_time": DELAY,
            "parameters": {"uri": str(model), "extra": {"predict_fn": "predict_proba"}},
        }
        (folder / "model-settings.json").write_text(json.dumps(settings))
        return pinned([python.parent / "mlserver", "start", "."], folder, {})

    return start


def kserve(python: Path, model: Path) -> Start:
    """A server of the KServe SDK."""

    def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
        (folder / "server.py").write_text(KSERVE_SERVER)
        return pinned([python, "server.py", str(model), str(port)], folder, {})

    return start


def free_port() -> int:
    """A port that nobody has at present."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def serving(start: Start) -> Iterator[tuple[int, int]]:
    """A server that is ready; its port and process id."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        process = start(Path(name), port)
        try:
            deadline = time.monotonic() + PATIENCE
            while not ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"a server did not come up:\n{(Path(name) / 'log').read_text()[-2000:]}")
                time.sleep(0.1)
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def ready(port: int) -> bool:
    """Whether the model is loaded."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/v2/models/flights/ready", timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


class Connection(asyncio.Protocol):
    """Asks again as soon as it is answered."""

    def __init__(self, request: bytes, times: list[tuple[float, float]]) -> None:
        self._request = request
        self._times = times
        self._answer = b""
        self._length = -1
        self._begin = 0.0
        self._transport: asyncio.Transport | None = None
        self.failure = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask at once."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        self._begin = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Collect an answer."""
        self._answer += data
        if self._length < 0:
            end = self._answer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._answer[:end].lower()
            if not head.startswith(b"http/1.1 200") or b"content-length:" not in head:
                self.failure = self._answer[:300].decode(errors="replace")
                return
            self._length = end + 4 + int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self._answer) >= self._length:
            now = time.perf_counter()
            self._times.append((now, now - self._begin))
            self._answer, self._length = b"", -1
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Servers keep connections open."""
        self.failure = self.failure or f"the server closed a connection ({exc})"

    def close(self) -> None:
        """Ask no more."""
        assert self._transport is not None
        self._transport.abort()


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, in user and system time, with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(port: int, pid: int, request: bytes) -> tuple[float, float, float]:
    """Requests a second by the clock and by the server's CPU, and the 99th percentile of the latency in seconds."""
    loop = asyncio.get_running_loop()
    times: list[tuple[float, float]] = []
    clients = [Connection(request, times) for _ in range(CONNECTIONS)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
    await asyncio.sleep(WARM_UP)
    begin, used = time.perf_counter(), cpu_seconds(pid)
    await asyncio.sleep(SECONDS)
    end, used = time.perf_counter(), cpu_seconds(pid) - used
    failure = next((client.failure for client in clients if client.failure), "")
    for client in clients:
        client.close()
    if failure:
        raise SystemExit(f"a request failed: {failure}")
    within = sorted(latency for at, latency in times if begin <= at < end)
    return len(within) / (end - begin), len(within) / used, within[int(0.99 * len(within))]


def late_score(port: int, request: bytes) -> float:
    """The probability of late that a server answers: the last number of its first output."""
    body = request.partition(b"\r\n\r\n")[2]
    asked = Request(f"http://127.0.0.1:{port}/v2/models/flights/infer", body, {"Content-Type": "application/json"})
    with urlopen(asked, timeout=10.0) as answer:  # noqa: S310 -- on this machine
        data = np.array(json.load(answer)["outputs"][0]["data"]).ravel()
    return float(data[-1])


def request_for(artifact: str) -> bytes:
    """One flight with its weather, nothing missing."""
    found = store.find(artifact)
    assert found is not None
    data = load_data()
    rows = np.arange(1000, 2000, dtype=np.int32)
    matrix = data.features(rows, data.departure[rows] // 60)
    row = matrix[~np.isnan(matrix).any(axis=1)][0]
    tensor = {"name": "features", "shape": [1, len(row)], "datatype": "FP64", "data": row.tolist()}
    body = json.dumps({"id": "1", "inputs": [tensor]}).encode()
    head = "POST /v2/models/flights/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def measure(peers: Path) -> dict[str, Run]:
    """All servers, in turns."""
    library = Library.packaged()
    artifact = ensure_model(library.load(library.find("monday-rush")).world, load_data()).id
    found = store.find(artifact)
    assert found is not None
    request = request_for(artifact)
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "model.joblib"
        joblib.dump(store.load(found), model)
        starts = {"ours": ours(artifact), UNBATCHED: ours(artifact, 1)}
        for peer, how in ((MLSERVER, mlserver), (KSERVE, kserve)):
            python = environment(peer, peers)
            if python is not None:
                starts[peer] = how(python, model)
        os.sched_setaffinity(0, {CLIENT_CORE})
        runs = {who: Run() for who in starts}
        answers: dict[str, float] = {}
        for number in range(ROUNDS):
            for who, start in starts.items():
                with serving(start) as (port, pid):
                    answers[who] = late_score(port, request)
                    rate, per_cpu, late = asyncio.run(load(port, pid, request))
                runs[who].rates.append(rate)
                runs[who].per_cpu.append(per_cpu)
                runs[who].late.append(late)
                print(
                    f"round {number}: {who}: {rate:.0f}/s, {per_cpu:.0f}/CPU s, p99 {1000 * late:.1f} ms, score {answers[who]!r}",
                    file=sys.stderr,
                )
    assert max(answers.values()) - min(answers.values()) < 1e-12, f"the servers do not answer alike: {answers}"
    return runs


def ratio(ours_: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(mine / other for mine, other in zip(ours_, theirs, strict=True))


def lines() -> Sequence[Line]:
    """Rates and latencies, and their ratios to the peers'."""
    runs = measure(Path(os.environ.get("DRILLBOX_PEERS", PEERS)))
    mine = runs["ours"]
    found = []
    where = f"V2, {CONNECTIONS} connections, one core"
    for who, one in runs.items():
        found.append(Line(f"{where}: {who}", statistics.median(one.rates), "a second"))
        found.append(Line(f"{where}: {who}", statistics.median(one.per_cpu), "a CPU second"))
        found.append(Line(f"{where}: {who}, p99", 1000 * statistics.median(one.late), "ms"))
    for who, least in ((MLSERVER, 1.0), (KSERVE, 1.5)):
        if who in runs:
            found.append(Line(f"throughput over that of {who}", ratio(mine.rates, runs[who].rates), "times", least))
            found.append(Line(f"requests a CPU second over {who}", ratio(mine.per_cpu, runs[who].per_cpu), "times", least))
            found.append(Line(f"p99 over that of {who}", ratio(mine.late, runs[who].late), "times", 1.0, least=False))
    if KSERVE in runs:
        alone = ratio(runs[UNBATCHED].per_cpu, runs[KSERVE].per_cpu)
        found.append(Line(f"requests a CPU second, batches of one, over {KSERVE}", alone, "times"))
    return found


if __name__ == "__main__":
    run(lines, __doc__)
