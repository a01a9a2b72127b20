"""Hosts whose stack or disk fails: the clients are told why, the process ends with the right code, the journal is whole."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from drillbox.sandbox.api.folders import SessionInfo, sessions
from drillbox.sandbox.clock import WallClock
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.errors import Exit
from drillbox.sandbox.model.events import Ended

TOY = Path(__file__).parents[1] / "cli" / "toy"
PATIENCE = 60.0
Host = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def toy_host(drillbox_home: Path, tmp_path: Path) -> Iterator[Host]:
    """`toy_host("break 100")`: a host whose stack of one formula misbehaves at that drill time."""
    hosts: list[subprocess.Popen[str]] = []
    write = f"import sys; sys.path.insert(0, {str(TOY)!r}); import fake_drillbox; print(fake_drillbox.SCENARIO)"
    scenario = subprocess.run([sys.executable, "-c", write], capture_output=True, text=True, check=True).stdout
    (tmp_path / "toy-rush.yaml").write_text(scenario, encoding="utf-8")

    def start(trouble: str = "", most_bytes: int = resource.RLIM_INFINITY) -> subprocess.Popen[str]:
        request = json.dumps({"scenario": "toy-rush", "speed": 600})
        process = subprocess.Popen(
            [sys.executable, str(TOY / "fake_drillbox.py"), str(tmp_path), "host", request],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "DRILLBOX_HOME": str(drillbox_home), "FAKE_AT": trouble},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes)),  # noqa: PLW1509  # no threads
        )
        hosts.append(process)
        return process

    yield start
    for process in hosts:
        process.kill()
        process.communicate()


def last_snapshot(process: subprocess.Popen[str]) -> tuple[SessionInfo, dict[str, object]]:
    """What the host tells once the drill is over."""
    clock = WallClock()
    deadline = clock.now() + PATIENCE
    while clock.now() < deadline:
        assert process.poll() is None, process.communicate()[1]
        for info in sessions():
            with httpx.Client(
                transport=httpx.HTTPTransport(uds=info.socket), base_url="http://drill", timeout=PATIENCE
            ) as client:
                told = client.get("/v1/snapshot").json()
            if told["phase"] == "ended":
                return info, told
        clock.sleep(0.02)
    raise AssertionError("the drill did not end")


@pytest.mark.parametrize(
    ("trouble", "told", "code", "events"),
    [
        ("break 100", "the toy broke", Exit.STACK, True),
        ("bug 100", "a toy's bug", Exit.STACK, True),
        ("no-up 0", "the toy does not start", Exit.STACK, False),
    ],
)
def test_a_stack_that_fails(toy_host: Host, drillbox_home: Path, trouble: str, told: str, code: Exit, *, events: bool) -> None:
    process = toy_host(trouble)
    info, snapshot = last_snapshot(process)
    assert snapshot["error"] == told
    process.terminate()
    assert told in process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == code
    assert (drillbox_home / "crash.log").exists() == trouble.startswith("bug")
    journal = read_journal(Path(info.journal))
    assert (journal.events[-1].body if journal.events else None) == (Ended("broken") if events else None)
    assert not info.folder.exists()


def test_a_disk_that_is_full(toy_host: Host) -> None:
    process = toy_host(most_bytes=30_000)
    info, snapshot = last_snapshot(process)
    assert "cannot write" in str(snapshot["error"])
    assert info.journal in str(snapshot["error"])
    process.terminate()
    assert "cannot write" in process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == Exit.USAGE
    journal = read_journal(Path(info.journal))
    assert len(journal.events) > 10
    assert not journal.truncated
    assert not info.folder.exists()
