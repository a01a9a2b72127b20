"""What the load generator can do on one core: how late it sends at 1,000 requests a second, and what a request costs it.

The generator is a process of its own, bound to one processor; what answers is another, on the other processors if there are any.
It answers at once, so that every request counts. The send-time error of a request is the time from when it was due to when its
bytes were handed to the kernel; each comes from the generator's own log. The best of a few runs counts: another program can only
add to a time. Beside it stands the same request by httpx, sent one after the other, in processor time.

`--check` exits with 1 if a limit is broken.
"""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import httptools
import httpx
import numpy as np
from _lines import Line, run

from drillbox.sandbox.model.scenario import Clients, Prices, Traffic, WorldConfig
from drillbox.sandbox.world.flights import open_world
from drillbox.stacks.services.load.config import dump_world
from drillbox.stacks.services.load.payloads import Payloads

RATE = 1000.0
SECONDS = 10.0
RUNS = 3
LATE = 0.005
"""Seconds, the 99th percentile of the send-time error at most."""
PEER = 500
"""Requests by httpx."""
PATIENCE = 60.0
WORLD = WorldConfig(
    "flights", dt.datetime(2013, 4, 1, 12), 600.0, Traffic(RATE), Prices(0.5, 0.05, 0.2, 0.1, 1.0), Clients(timeout=2.0)
)
BODY = (
    b'{"model_name":"flights","model_version":"v1","outputs":[{"name":"score","datatype":"FP64","shape":[1],"data":[0.25]},'
    b'{"name":"late","datatype":"BOOL","shape":[1],"data":[false]}],"parameters":{"source":"model"}}'
)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Answerer(asyncio.Protocol):
    """Answers every request at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client."""
        self.transport, self.parser = transport, httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """A request."""
        self.transport.write(ANSWER)  # type: ignore[attr-defined]  # of a stream


def answer(pipe: Connection, cores: set[int]) -> None:
    """Serve, on these processors."""
    os.sched_setaffinity(0, cores)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Answerer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@dataclass(frozen=True)
class Measured:
    """Of one run: send-time errors in seconds, share of a processor, requests sent and answered."""

    errors: np.ndarray
    share: float
    sent: int
    answered: int
    span: float  # seconds from the first to the last

    @property
    def late(self) -> float:
        """The 99th percentile of the error."""
        return float(np.quantile(self.errors, 0.99))


def processor_time(pid: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def generate(port: int, core: int, folder: Path) -> Measured:
    """One run of the generator."""
    log, out = folder / "load.csv", folder / "out.txt"
    environ = {
        "LOAD_TARGET": f"http://127.0.0.1:{port}",
        "LOAD_WORLD": dump_world(WORLD),
        "LOAD_DURATION": f"{SECONDS}",
        "LOAD_LOG": str(log),
        "CONTROL_TOKEN": "benchmark",
    }
    with out.open("w") as file:
        command = [sys.executable, "-m", "drillbox.stacks.services.load"]
        process = subprocess.Popen(command, env={**os.environ, **environ}, stdout=file, stderr=file)
    os.sched_setaffinity(process.pid, {core})
    deadline = time.monotonic() + PATIENCE
    while not (found := re.search(r"listening on ([\d.:]+)", out.read_text())):
        assert process.poll() is None, out.read_text()
        assert time.monotonic() < deadline, out.read_text()
        time.sleep(0.05)
    begin = time.monotonic() + 0.5
    headers = {"authorization": "Bearer benchmark"}
    httpx.put(f"http://{found[1]}/control/start", json={"origin": begin}, headers=headers).raise_for_status()
    time.sleep(0.5)
    before = processor_time(process.pid)
    time.sleep(SECONDS)
    share = (processor_time(process.pid) - before) / SECONDS
    process.terminate()
    assert process.wait(PATIENCE) == 0, out.read_text()
    with log.open() as file:
        rows = list(csv.DictReader(file))
    due = [float(row["due"]) for row in rows]
    errors = np.array([float(row["send_error"]) for row in rows])
    return Measured(errors, share, len(rows), sum(row["outcome"] == "ok" for row in rows), max(due) - min(due))


def by_httpx(port: int) -> float:
    """Seconds of processor time for one request."""
    world = open_world(WORLD, 10.0, 0.0, 1)
    payloads = Payloads(world.examples, "127.0.0.1", "flights")
    body = payloads.request(0, 0, 0, 0)[2].partition(b"\r\n\r\n")[2]

    async def send() -> float:
        async with httpx.AsyncClient(trust_env=False) as client:
            url, headers = f"http://127.0.0.1:{port}/v2/models/flights/infer", {"content-type": "application/json"}
            begin = time.process_time()
            for _ in range(PEER):
                (await client.post(url, content=body, headers=headers)).raise_for_status()
            return (time.process_time() - begin) / PEER

    return asyncio.run(send())


def measure() -> Sequence[Line]:
    """All runs."""
    cores = sorted(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=answer, args=(there, set(cores[1:] or cores)), daemon=True)
    server.start()
    try:
        port = here.recv()
        with tempfile.TemporaryDirectory() as folder:
            runs = [generate(port, cores[0], Path(folder)) for _ in range(RUNS)]
        peer = min(by_httpx(port) for _ in range(RUNS))
    finally:
        server.terminate()
        server.join()
    best = min(runs, key=lambda one: one.late)
    cost = best.share / (best.sent / SECONDS)
    return [
        Line("load: requests sent a second, of those wanted", best.sent / best.span / RATE, "of 1,000/s", 0.95),
        Line("load: requests answered, of those sent", best.answered / best.sent, "of all", 1.0),
        Line("load: p99 of the send-time error, of 5 ms", best.late / LATE, "of the limit", 1.0, least=False),
        Line("load: median of the send-time error, of 5 ms", float(np.median(best.errors)) / LATE, "of the limit"),
        Line("load: one processor, at 1,000 requests a second", best.share, "of a processor", 0.5, least=False),
        Line("load: processor time of a request by httpx over its own", peer / cost, "times", 2.0),
    ]


if __name__ == "__main__":
    run(measure, __doc__)
