"""A service that `up` brought up: it answers, bears nonsense and the loss of its Prometheus, is shown, and goes by one command."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from local_kit import until

from drillbox.sandbox.api.client import RemoteSession
from drillbox.sandbox.api.folders import sessions
from drillbox.sandbox.cli import down
from drillbox.sandbox.cli.main import run
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.deploy.envoy.program import find_envoy
from drillbox.stacks.real.machine.records import Identity, Records, labelled
from drillbox.wiring import Wiring

try:
    find_envoy()
except StackError as missing:
    pytest.skip(str(missing), allow_module_level=True)

PATIENCE = 300.0
"""Wall seconds for what takes some: machines are slow."""


def replaced(body: str, **fields: object) -> bytes:
    """The question with something else in its tensor."""
    question = json.loads(body)
    question["inputs"][0] |= fields
    return json.dumps(question).encode()


@pytest.mark.slow
def test_a_service_stands_until_it_is_taken_down(
    drillbox_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_args: None)  # the test runner keeps its handlers
    monkeypatch.setattr(down, "PATIENCE", PATIENCE)
    try:
        assert run(["up", "-q"], Wiring()) == 0, capsys.readouterr().err
        told = capsys.readouterr().out
        (info,) = sessions()
        curl = shlex.split(next(line for line in told.splitlines() if line.startswith("  curl ")))
        body, url = curl[2], curl[3]
        client = httpx.Client(timeout=PATIENCE, trust_env=False)
        with closing(client):
            check_answers(client, url, body)
            stands = check_status(capsys)
            folder = drillbox_home / "local" / stands["name"]
            check_prometheus(folder)
            assert client.post(url, content=body).status_code == 200
        assert run(["up", "-q"], Wiring()) == 0
        assert capsys.readouterr().out.startswith(f"{info.name} is up already on the stack local.\n")
    finally:
        code = run(["down"], Wiring())
    assert (code, capsys.readouterr().out.splitlines()[-1]) == (0, "Nothing is left.")
    assert (sessions(), labelled(folder.name, folder), folder.exists()) == ([], [], False)
    assert read_journal(Path(info.journal)).complete


def check_answers(client: httpx.Client, url: str, body: str) -> None:
    """A prediction is one of the protocol; nonsense is the client's error, and the service lives."""
    answer = client.post(url, content=body).raise_for_status().json()
    assert {"late", "score"} <= {one["name"] for one in answer["outputs"]}
    for nonsense, status in (
        (b"", {400}),
        (b"{", {400}),
        (b"[" * 100_000, {400, 413}),
        (b"\xff" * 100, {400}),
        (b"{}", {400}),
        (replaced(body, shape=[10**9, 6]), {400}),
        (replaced(body, data=[float("nan")] * 6), {400}),
        (replaced(body, data=[1e308] * 6), {400}),
        (replaced(body, datatype="BYTES"), {400}),
        (b" " * 20_000_000, {413}),
    ):
        assert client.post(url, content=nonsense).status_code in status, nonsense[:60]
    for path in ("/v2/models/flihgts/infer", "/../../etc/passwd", "/control/settings"):
        assert 400 <= client.post(url.partition("/v2")[0] + path, content=body).status_code < 500, path
    assert client.post(url, content=body).status_code == 200


def check_status(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """What runs is told."""
    assert run(["status", "--json"], Wiring()) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["stack"], told["phase"]) == ("service", "local", "running")
    stands: dict[str, object] = told["stands"]
    parts = {part["name"]: part for part in told["stands"]["parts"]}
    replicas = {f"model-champion-{number}" for number in (1, 2, 3)}
    assert {"host", "gateway", "feature-store", "pipeline", "load", *replicas} <= set(parts)
    assert stands["replicas"] == 3
    assert all(parts[name]["ports"] and parts[name]["memory_mib"] > 50 for name in replicas)
    assert run(["status"], Wiring()) == 0
    assert f"{told['session']}, as {stands['name']} on the stack local: since " in capsys.readouterr().out
    return stands


def check_prometheus(folder: Path) -> None:
    """One that is killed is told of once, and the service goes on."""
    found: dict[str, Identity | None] = {record.name: record.identity for record in Records(folder).read()}
    prometheus = found.get("prometheus")
    if prometheus is None:
        return
    prometheus.signal(9)
    (info,) = sessions()
    with closing(RemoteSession(info)) as session:
        until(lambda: [line for line in session.logs("monitoring") if "the built-in monitor" in line.text], PATIENCE)
        assert session.snapshot().error == ""
