"""The load generator as a process: settings, controls, metrics, and an end at which the ledger is whole."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from load_kit import CONFIG, SEED, Gateway, answer

from drillbox.sandbox.model.errors import Exit
from drillbox.sandbox.model.extras import install
from drillbox.stacks.services.load.config import dump_world

TOKEN = "of-the-session"  # noqa: S105  # of this test


def wait_for(done: Callable[[], Any], timeout: float = 20.0) -> Any:
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(httpx.TransportError):
            if found := done():
                return found
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """One that runs in a thread."""
    made, loop, stop = Gateway(), asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with made.up():
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    wait_for(lambda: made.port)
    yield made
    loop.call_soon_threadsafe(stop.set)
    thread.join(15.0)
    loop.close()


class Service:
    def __init__(self, folder: Path, port: int, **environ: str) -> None:
        self.log = folder / "load.csv"
        self.out = folder / "out.txt"
        chosen = {
            "LOAD_TARGET": f"http://127.0.0.1:{port}",
            "LOAD_WORLD": dump_world(CONFIG),
            "LOAD_WARMUP": "0",
            "LOAD_DURATION": "60",
            "LOAD_LOG": str(self.log),
            "DRILL_SEED": str(SEED),
            "CONTROL_TOKEN": TOKEN,
        }
        with self.out.open("w") as out:
            command = [sys.executable, "-m", "drillbox.stacks.services.load"]
            self.process = subprocess.Popen(
                command, env={**os.environ, **chosen, **environ}, stdout=out, stderr=subprocess.STDOUT
            )

    def connect(self) -> httpx.Client:
        def address() -> str | None:
            assert self.process.poll() is None, self.out.read_text()
            found = re.search(r"listening on ([\d.:]+)", self.out.read_text())
            return found and found[1]

        headers = {"authorization": f"Bearer {TOKEN}"}
        return httpx.Client(base_url=f"http://{wait_for(address)}", headers=headers, trust_env=False, timeout=20.0)

    def end(self) -> dict[str, str]:
        """Terminate; the final ledger as logged."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20.0) == 0
        lines = [json.loads(line) for line in self.out.read_text().splitlines()]
        assert {"time", "component", "severity", "text"} == set(lines[-1])
        final = next(line["text"] for line in lines if line["text"].startswith("final ledger"))
        return dict(re.findall(r"(failed|slow|ok|cost) ([\d.]+)", final))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def make(port: int, **environ: str) -> Service:
        started.append(Service(tmp_path, port, **environ))
        return started[-1]

    yield make
    for service in started:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait(10.0)


def begin(client: httpx.Client) -> float:
    origin = time.monotonic() + 0.05
    client.put("/control/start", json={"origin": origin}).raise_for_status()
    return origin


def test_it_sends_takes_orders_and_ends_with_a_whole_ledger(gateway: Gateway, start: Callable[..., Service]) -> None:
    service = start(gateway.port)
    with service.connect() as client:
        assert client.get("/readyz").status_code == 200
        assert gateway.seen == []  # it waits for the drill to begin
        begin(client)
        wait_for(lambda: client.get("/ledger").json()["ok"] >= 50)
        assert client.put("/control/start", json={"origin": 0.0}).status_code == 409
        client.put("/control/spikes/b1", json={"factor": 0.0}).raise_for_status()
        wait_for(lambda: "load_rate 0.0" in client.get("/metrics").text)
        client.delete("/control/spikes/b1").raise_for_status()
        assert client.delete("/control/spikes/b2").status_code == 404
        gateway.reply = lambda headers, _nth: (503, b"") if "x-client-attempt" not in headers else (200, answer())
        client.put("/control/clients", json={"retries": 1, "backoff": 0.001}).raise_for_status()
        repeated = re.compile(r'load_attempts_total{result="5xx"} [1-9]')
        wait_for(lambda: repeated.search(client.get("/metrics").text))
        sums = client.put("/control/finish").json()
        assert sums["in_flight"] == 0
        assert (sums["failed"], sums["slow"]) == (0, 0)
        assert {"load_send_error_seconds_bucket", "load_latency_seconds_bucket"} <= set(
            re.findall(r"^\w+", client.get("/metrics").text, re.MULTILINE)
        )
    final = service.end()
    assert (final["failed"], final["slow"], final["ok"]) == ("0", "0", str(sums["ok"]))
    assert float(final["cost"]) == pytest.approx(sums["prediction_cost"])
    with service.log.open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(int(row["index"]) for row in rows) == list(range(sums["ok"]))


def test_orders_that_come_twice_are_the_same(gateway: Gateway, start: Callable[..., Service]) -> None:
    service = start(gateway.port)
    with service.connect() as client:
        order = {"epoch": time.time() - 5.0}
        for _ in range(2):
            client.put("/control/start", json=order).raise_for_status()
        assert client.put("/control/start", json={"epoch": order["epoch"] + 1.0}).status_code == 409
        for _ in range(2):
            client.put("/control/spikes/b1", json={"factor": 2.0, "ramp": 30.0}).raise_for_status()
        for _ in range(2):
            client.delete("/control/spikes/b1").raise_for_status()
        client.put("/control/finish?limit=0").raise_for_status()
    service.end()
    said = [json.loads(line)["text"] for line in service.out.read_text().splitlines() if '"clients: ' in line]
    assert said == ["clients: 2 times as many", "clients: as many as usual"]


def test_a_signal_lets_what_is_in_flight_end(gateway: Gateway, start: Callable[..., Service]) -> None:
    gateway.hold = asyncio.Event()
    service = start(gateway.port, LOAD_SLOW_BOUND="10", LOAD_WORLD=dump_world(CONFIG).replace('"timeout":0.5', '"timeout":30.0'))
    with service.connect() as client:
        begin(client)
        wait_for(lambda: len(gateway.seen) >= 10)
        service.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "terminating" in service.out.read_text())
        gateway.hold._loop.call_soon_threadsafe(gateway.hold.set)  # type: ignore[attr-defined]  # it is bound once somebody waits
    final = service.end()
    assert (final["failed"], final["ok"]) == ("0", str(len(gateway.seen)))


def test_what_does_not_end_in_time_counts_as_failed(gateway: Gateway, start: Callable[..., Service]) -> None:
    gateway.hold = asyncio.Event()
    service = start(
        gateway.port, SERVICE_DEADLINE="0.1", LOAD_WORLD=dump_world(CONFIG).replace('"timeout":0.5', '"timeout":30.0')
    )
    with service.connect() as client:
        begin(client)
        wait_for(lambda: len(gateway.seen) >= 10)
    assert service.end()["ok"] == "0"
    assert re.search(r"\d+ requests were not decided", service.out.read_text())


def test_controls_need_the_token(gateway: Gateway, start: Callable[..., Service]) -> None:
    service = start(gateway.port, DRILL_ORIGIN=str(time.monotonic() + 3600.0))
    with service.connect() as client:
        for method, path in (("put", "/control/start"), ("put", "/control/spikes/x"), ("delete", "/control/clients")):
            assert client.request(method, path, headers={"authorization": "Bearer other"}).status_code == 401
        assert client.put("/control/spikes/x", json={"factor": -1}).status_code == 422
        assert client.put("/control/clients", json={"retry": 1}).status_code == 422
    assert service.end() == {"failed": "0", "slow": "0", "ok": "0", "cost": "0"}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"LOAD_DURATION": "soon"}, "LOAD_DURATION='soon' is wrong"),
        ({"LOAD_LOG": "/proc/nowhere/load.csv"}, "LOAD_LOG='/proc/nowhere/load.csv' cannot be written"),
        ({"SERVICE_PORT": "taken"}, "is in use: set SERVICE_PORT to another one"),
    ],
)
def test_a_wrong_setting_ends_it_with_a_message(
    gateway: Gateway, start: Callable[..., Service], environ: dict[str, str], message: str
) -> None:
    if environ.get("SERVICE_PORT") == "taken":
        environ = {"SERVICE_PORT": str(gateway.port)}
    service = start(gateway.port, **environ)
    assert service.process.wait(20.0) == Exit.USAGE
    assert message in service.out.read_text()
    assert "Traceback" not in service.out.read_text()


def test_a_missing_package_names_the_extra(start: Callable[..., Service], tmp_path: Path) -> None:
    (tmp_path / "httptools.py").write_text("raise ModuleNotFoundError(name='httptools')\n")
    service = start(1, PYTHONPATH=str(tmp_path))
    assert service.process.wait(20.0) == Exit.STACK
    assert f"the load generator needs httptools: {install('local')}" in service.out.read_text()
