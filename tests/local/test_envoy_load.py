"""Load generator, Envoy and a replica together: both ends count the same, and luck decides where a request goes."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.scenario import Clients, Prices, Traffic, WorldConfig
from drillbox.sandbox.model.service import Gateway
from drillbox.stacks.deploy.envoy.names import WHOLE
from drillbox.stacks.deploy.envoy.policy import Policy
from drillbox.stacks.deploy.envoy.program import find_envoy
from drillbox.stacks.services.load.config import dump_world
from drillbox.stacks.services.load.luck import Luck

sys.path.insert(0, str(Path(__file__).parent))
from envoy_kit import Replica, Running, until

try:
    find_envoy()
except StackError as missing:
    pytest.skip(str(missing), allow_module_level=True)

SEED = 11
TARGET = 300
WORLD = WorldConfig(
    "flights",
    dt.datetime(2013, 4, 1, 12),
    600.0,
    Traffic(200.0),
    Prices(failed=0.5, slow=0.05, missed=0.2, false_alarm=0.1, replica_hour=1.0),
    Clients(timeout=10.0, retries=2, backoff=0.01),
)


def number(text: str, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    assert found, series
    return float(found[1])


def test_load_generator_and_gateway_count_the_same(tmp_path: Path) -> None:
    champion, candidate = Replica(), Replica()
    pools = {"model-champion": (champion.address,), "model-candidate": (candidate.address,)}
    policy = Policy(Gateway(timeout=5.0, retries=0, canary_weight=0.3), pools)
    candidate.failing = ["status:503"] * 20
    with Running(tmp_path / "gateway").up(policy) as gateway:
        gateway.put(policy)
        out = tmp_path / "out.txt"
        environ = {
            "LOAD_TARGET": f"http://{gateway.listen.requests}",
            "LOAD_WORLD": dump_world(WORLD),
            "LOAD_DURATION": "60",
            "DRILL_SEED": str(SEED),
            "DRILL_ORIGIN": str(time.monotonic() + 1.0),
            "CONTROL_TOKEN": "token",
        }
        with out.open("w") as file:
            command = [sys.executable, "-m", "drillbox.stacks.services.load"]
            process = subprocess.Popen(command, env={**os.environ, **environ}, stdout=file, stderr=file)
        try:
            until(lambda: "listening on" in out.read_text() or process.poll() is not None, 30.0)
            found = re.search(r"listening on ([\d.:]+)", out.read_text())
            assert found, out.read_text()
            base = f"http://{found[1]}"
            until(lambda: httpx.get(f"{base}/ledger", trust_env=False).json()["ok"] >= TARGET, 30.0)
            sums = httpx.put(f"{base}/control/finish", headers={"authorization": "Bearer token"}, trust_env=False).json()
            load = httpx.get(f"{base}/metrics", trust_env=False).text
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20.0)
        answered = number(load, 'load_attempts_total{result="2xx"}')
        refused = number(load, 'load_attempts_total{result="5xx"}')
        assert refused == 20
        assert 2 * sums["failed"] <= refused  # nearly each of them came back; one that failed did so more than once
        until(lambda: gateway.count("2xx") - 1 == answered)
        assert gateway.count("5xx") - 1 == refused
    requests = {int(seen["x-request-id"]): seen for seen in (*champion.seen, *candidate.seen)}
    luck = Luck(SEED).routes(0, len(requests), WHOLE)
    assert sorted(requests) == list(range(len(requests)))
    assert {int(seen["x-request-id"]) for seen in candidate.seen} == {index for index in requests if luck[index] < 0.3 * WHOLE}
    champion.close()
    candidate.close()
