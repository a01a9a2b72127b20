"""How many clients a session host holds: frames a second for each of fifty, the host's share of a processor, latency.

A host of its own process plays monday-rush at 60x while fifty clients read its stream, each with a connection of its own, for ten
seconds of the wall clock. Every step of the drill changes the snapshot, so that each client is due the most that the host gives:
ten frames a second. One more client asks for the snapshot twenty times a second. All share the processors of this machine.

`--check` exits with 1 if a client gets fewer than 9.5 frames a second, or if the host takes more than half a processor.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import httpx
from _lines import Line, run
from websockets.asyncio.client import unix_connect

from drillbox.sandbox.api.folders import SessionInfo, sessions
from drillbox.sandbox.api.wire import read_frame
from drillbox.sandbox.paths import HOME_VARIABLE, home
from drillbox.sandbox.session import Phase

CLIENTS = 50
SECONDS = 10.0
SPEED = 60.0
LEAST = 9.5
"""Frames a second."""
MOST = 0.5
"""Of a processor."""
PATIENCE = 60.0


@dataclass(frozen=True)
class Load:
    """What was measured while the clients read."""

    rates: list[float]  # frames a second, by client
    sizes: list[int]  # bytes of frames
    latencies: list[float]  # seconds, of the snapshot over HTTP
    share: float  # of a processor, by the host


def start() -> subprocess.Popen[bytes]:
    """A host."""
    request = json.dumps({"scenario": "monday-rush", "speed": SPEED})
    return subprocess.Popen([sys.executable, "-m", "drillbox", "host", request], stdin=subprocess.DEVNULL)


def session_of(process: subprocess.Popen[bytes]) -> SessionInfo:
    """Wait until the host plays."""
    deadline = perf_counter() + PATIENCE
    while perf_counter() < deadline and process.poll() is None:
        for info in sessions():
            if info.pid == process.pid:
                with httpx.Client(transport=httpx.HTTPTransport(uds=info.socket), base_url="http://drill") as client:
                    if client.get("/v1/snapshot").json()["phase"] == Phase.RUNNING:
                        return info
    raise SystemExit("the host did not come up")


def processor_seconds(pid: int) -> float:
    """What a process has used so far, in user and system time."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def read(info: SessionInfo, sizes: list[int]) -> float:
    """Frames a second of one client; the last one is looked at in full."""
    async with unix_connect(info.socket, "ws://drill/v1/stream", max_size=None) as stream:
        await stream.recv()
        begin, count, text = perf_counter(), 0, b""
        while (now := perf_counter()) - begin < SECONDS:
            text = await stream.recv(decode=False)
            sizes.append(len(text))
            count += 1
        assert read_frame(text)[0].phase is Phase.RUNNING
        return count / (now - begin)


async def ask(info: SessionInfo, latencies: list[float]) -> None:
    """Time the snapshot over HTTP until it is stopped."""
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=info.socket), base_url="http://drill") as client:
        while True:
            begin = perf_counter()
            assert (await client.get("/v1/snapshot")).status_code == 200
            latencies.append(perf_counter() - begin)
            await asyncio.sleep(0.05)


async def load(info: SessionInfo) -> Load:
    """All clients at once."""
    sizes: list[int] = []
    latencies: list[float] = []
    asking = asyncio.create_task(ask(info, latencies))
    used, begin = processor_seconds(info.pid), perf_counter()
    rates = await asyncio.gather(*(read(info, sizes) for _ in range(CLIENTS)))
    share = (processor_seconds(info.pid) - used) / (perf_counter() - begin)
    asking.cancel()
    return Load(rates, sizes, sorted(latencies), share)


def measure() -> Load:
    """Start a host in a state folder of its own, with this machine's cache, and put the load on it."""
    shared = home()
    with tempfile.TemporaryDirectory() as name:
        for part in ("cache", "models"):
            (shared / part).mkdir(parents=True, exist_ok=True)
            (Path(name) / part).symlink_to(shared / part, target_is_directory=True)
        os.environ[HOME_VARIABLE] = name
        process = start()
        try:
            return asyncio.run(load(session_of(process)))
        finally:
            process.terminate()
            process.wait(PATIENCE)


def lines() -> Sequence[Line]:
    """What clients get, and what the host takes for it."""
    found = measure()
    slowest, middle = min(found.rates), found.latencies[len(found.latencies) // 2]
    late = found.latencies[int(0.99 * len(found.latencies))]
    who = f"session host, {CLIENTS} clients of a drill at {SPEED:g}x: "
    return (
        Line(f"{who}frames, slowest", slowest, "a second", LEAST),
        Line(f"{who}frames, fastest", max(found.rates), "a second"),
        Line(f"{who}a frame", sum(found.sizes) / len(found.sizes) / 1000, "kB"),
        Line(f"{who}processor", 100.0 * found.share, "%", 100.0 * MOST, least=False),
        Line(f"{who}snapshot, median", 1000 * middle, "ms"),
        Line(f"{who}snapshot, 99th", 1000 * late, "ms"),
    )


if __name__ == "__main__":
    run(lines, __doc__)
