"""Real service processes on free ports, waited on by condition."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has modules of its own
from serving_kit import TOKEN

from drillbox.sandbox.learning.models import ensure_model
from drillbox.sandbox.learning.version import ModelVersion
from drillbox.sandbox.loading.library import Library
from drillbox.sandbox.world.data import FlightData

PATIENCE = 120.0


class Service:
    """A process, its lines, and a client of it."""

    def __init__(self, module: str, home: Path, settings: dict[str, str]) -> None:
        known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"drillbox.stacks.services.{module}"],
            env={**known, "DRILLBOX_HOME": str(home), "CONTROL_TOKEN": TOKEN, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, str]] = []
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for("listening on")
        self.url = "http://" + self.text("listening on").removeprefix("listening on ")
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def text(self, part: str) -> str:
        return next((line["text"] for line in self.lines if part in line["text"]), "")

    def wait_for(self, part: str) -> str:
        until(lambda: bool(self.text(part)) or self.process.poll() is not None)
        assert self.text(part), f"it never said {part!r}: {self.lines}"
        return self.text(part)

    def ready(self) -> Service:
        until(lambda: self.client.get("/readyz").status_code == 200)
        return self

    def control(self, changes: dict[str, object], path: str = "/control/settings", method: str = "POST") -> httpx.Response:
        return self.client.request(method, path, json=changes, headers={"Authorization": f"Bearer {TOKEN}"})

    def metrics(self) -> dict[str, float]:
        lines = [line for line in self.client.get("/metrics").text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def cpu_seconds(self) -> float:
        """Of the process, since it began."""
        ticks = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


def until(holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline, pause = time.monotonic() + patience, threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        pause.wait(0.02)


Start = Callable[..., Service]


@pytest.fixture(scope="session")
def version(flight_data: FlightData, world_home: Path) -> ModelVersion:
    library = Library.packaged()
    return ensure_model(library.load(library.find("monday-rush")).world, flight_data)


@pytest.fixture
def start(world_home: Path, version: ModelVersion) -> Iterator[Start]:
    running: list[Service] = []

    def begin(module: str = "model_server", home: Path = world_home, **settings: str) -> Service:
        if module == "model_server":
            settings = {"MODEL_VERSION": "v1", "MODEL_ARTIFACT": version.id, **settings}
        running.append(Service(module, home, settings))
        return running[-1]

    yield begin
    for one in running:
        one.close()


@pytest.fixture(scope="session")
def server(world_home: Path, version: ModelVersion) -> Iterator[Service]:
    """One model server for all tests that leave it as it was."""
    settings = {"MODEL_VERSION": "v1", "MODEL_ARTIFACT": version.id, "MODEL_CONCURRENCY": "8", "MODEL_BODY_LIMIT": "65536"}
    one = Service("model_server", world_home, settings)
    yield one.ready()
    one.close()
