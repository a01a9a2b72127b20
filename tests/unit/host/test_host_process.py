"""Real hosts: what they leave on disk while they live, when they end, and when they are killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import socket as sockets
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from drillbox.sandbox.api import folders
from drillbox.sandbox.api.folders import OwnFolder, SessionInfo, find, sessions, sweep
from drillbox.sandbox.cli.main import run
from drillbox.sandbox.clock import WallClock
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.errors import Exit, UsageError
from drillbox.sandbox.model.events import Ended
from drillbox.wiring import Wiring

PATIENCE = 60.0
KILLS = 20
Host = subprocess.Popen[str]
Start = Callable[..., Host]


@pytest.fixture
def start(drillbox_home: Path) -> Iterator[Start]:
    """`start(speed=60)` starts a host; none outlives the test."""
    hosts: list[Host] = []

    def call(**request: object) -> Host:
        wanted = {"scenario": "monday-rush", "profile": "short", "speed": 600, **request}
        process = subprocess.Popen(
            [sys.executable, "-m", "drillbox", "host", json.dumps(wanted)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "DRILLBOX_HOME": str(drillbox_home)},
        )
        hosts.append(process)
        return process

    yield call
    for process in hosts:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Look again and again, up to a deadline."""
    clock = WallClock()
    deadline = clock.now() + PATIENCE
    while not condition():
        assert clock.now() < deadline, f"{what}: not within {PATIENCE:g} s"
        clock.sleep(0.01)


def session_of(process: Host) -> SessionInfo:
    """Wait until a host can be talked to."""
    found: list[SessionInfo] = []

    def there() -> bool:
        assert process.poll() is None, process.communicate()[1]
        found[:] = [info for info in sessions() if info.pid == process.pid]
        return bool(found)

    wait_for(there, "the host listens")
    return found[0]


def client_of(info: SessionInfo) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=info.socket), base_url="http://drill/v1", timeout=PATIENCE)


def mode(path: Path | str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_a_host_from_its_start_to_an_abort(start: Start, drillbox_home: Path) -> None:
    process = start(speed=30)
    info = session_of(process)
    assert (info.name, info.scenario, info.seed, info.profile, info.speed) == ("monday-rush-you-1", "monday-rush", 1, "short", 30)
    assert info.folder == drillbox_home / "sessions" / info.name
    assert mode(info.folder) == 0o700
    assert mode(info.socket) == mode(info.folder / folders.TOKEN) == 0o600
    with client_of(info) as client:
        wait_for(lambda: client.get("/snapshot").json()["now"] > 3, "the drill goes on")
        assert client.get("/events", headers={"Authorization": f"Bearer {info.token()}"}).json()["events"]
        os.kill(process.pid, signal.SIGHUP)  # the terminal goes
        assert client.get("/snapshot").json()["phase"] == "running"
        assert client.post("/abort").status_code == 202
        wait_for(lambda: client.get("/snapshot").json()["phase"] == "ended", "the drill ends")
        assert client.get("/events").json()["events"][-1]["reason"] == "aborted"
        os.kill(process.pid, signal.SIGTERM)  # no need to stay
    assert process.wait(PATIENCE) == Exit.ABORTED
    assert not info.folder.exists()
    assert read_journal(Path(info.journal)).complete


def test_a_host_that_is_told_to_end_ends_its_drill(start: Start) -> None:
    process = start(speed=10)
    info = session_of(process)
    process.terminate()
    assert process.wait(PATIENCE) == Exit.INTERRUPTED
    assert not info.folder.exists()
    events = read_journal(Path(info.journal)).events
    assert not events or events[-1].body == Ended("interrupted")


def test_a_drill_that_nobody_looks_at_ends_and_leaves_nothing_but_its_journal(start: Start, drillbox_home: Path) -> None:
    process = start()
    info = session_of(process)
    assert process.wait(PATIENCE) == Exit.FAILED  # nobody did anything
    assert read_journal(Path(info.journal)).complete
    assert sorted(path.name for path in (drillbox_home / "sessions").iterdir()) == [folders.GUARD]


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"scenario": "monday-rsh"}, "monday-rush"),
        ({"speed": 0}, "speed: Input should be greater than or equal to 1"),
        ({"stack": "simm"}, "did you mean 'sim'"),
        ({"profile": "shrt"}, "did you mean 'short'"),
        ({"what": 1}, "what: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_and_leaves_nothing(
    start: Start, drillbox_home: Path, request_: dict[str, object], told: str
) -> None:
    process = start(**request_)
    assert told in process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == Exit.USAGE
    assert not list(drillbox_home.glob("drills/*"))
    assert sessions() == []


def test_metrics_are_served_beside_the_drill(start: Start) -> None:
    port = free_port()
    process = start(speed=10, metrics_port=port)
    session_of(process)

    def scraped() -> bool:
        page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE).text
        return "model_server_ready" in page

    wait_for(scraped, "there is a scrape to serve")


def test_a_port_that_is_taken_is_told_and_leaves_no_journal(start: Start, drillbox_home: Path) -> None:
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(metrics_port=port)
        assert f"port {port} is in use" in process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == Exit.USAGE
    assert not list(drillbox_home.glob("drills/*"))


def free_port() -> int:
    """One that nobody listens on at this moment."""
    with sockets.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.slow
def test_hosts_are_killed_at_any_moment(start: Start, drillbox_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the first moments of the process on: the journal can be read and reported, and nothing blocks the next drill."""
    luck, clock = np.random.default_rng(4), WallClock()
    drills = drillbox_home / "drills"
    known: set[Path] = set()
    ends: list[str] = []

    def fresh() -> set[Path]:
        return set(drills.glob("*.jsonl")) - known

    reached: tuple[Callable[[], bool], ...] = (
        lambda: True,
        lambda: bool(fresh()),
        lambda: any(read_journal(path).events for path in fresh()),
    )
    for number in range(KILLS):
        process = start()
        wait_for(reached[number % len(reached)], "the host gets so far")
        clock.sleep(luck.uniform(0.0, 0.7))
        process.kill()
        process.wait(PATIENCE)
        sweep()
        assert sessions() == []
        assert [path.name for path in (drillbox_home / "sessions").glob("*") if path.name != folders.GUARD] == []
        ends += [how_it_ended(path) for path in fresh()] or ["before the journal"]
        known |= fresh()
    assert len(ends) == KILLS
    assert len(set(ends)) >= 3, "the moments are of all kinds"
    for path in sorted(known):
        code = run(("report", str(path)), Wiring())
        assert code in (Exit.PASSED, Exit.FAILED, Exit.ABORTED), path
        assert "Traceback" not in capsys.readouterr().err
    process = start()
    info = session_of(process)
    with client_of(info) as client:
        wait_for(lambda: client.get("/snapshot").json()["phase"] == "ended", "the next drill is played")


def how_it_ended(path: Path) -> str:
    """Where a host was when it was killed, by its journal."""
    journal = read_journal(path)
    if not journal.events:
        return "before the drill"
    return "after the end" if journal.complete else "in the drill"


def test_the_socket_of_a_folder_with_a_long_path_is_elsewhere(drillbox_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLBOX_HOME", str(drillbox_home / ("x" * 90)))
    own = OwnFolder("drill")
    assert own.socket.parent != own.path
    assert len(str(own.socket)) <= folders.LONGEST_SOCKET
    assert mode(own.socket.parent) == 0o700
    own.close()
    assert not own.socket.parent.exists()
    assert not own.path.exists()


def test_what_a_dead_host_left_is_removed_and_what_a_living_one_has_is_not(
    drillbox_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILLBOX_HOME", str(drillbox_home / ("x" * 90)))
    dead, living = OwnFolder("dead"), OwnFolder("living")
    for own in (dead, living):
        own.tell(info_of(own))
    os.close(dead._lock)  # as the system does for a process that ended
    (folders.sessions_dir() / "unfinished").mkdir()  # its host died before it had a lock
    assert [info.name for info in sessions()] == ["living"]
    assert not dead.path.exists()
    assert not dead.socket.parent.exists()
    assert living.socket.parent.is_dir()
    assert sweep() == []
    assert sorted(path.name for path in folders.sessions_dir().iterdir()) == [folders.GUARD, "living"]
    living.close()


def info_of(own: OwnFolder) -> SessionInfo:
    """What a host would tell."""
    return SessionInfo(
        name=own.name,
        scenario="toy",
        title="Toy",
        seed=1,
        profile="",
        stack="sim",
        operator="you",
        speed=10.0,
        journal="",
        socket=str(own.socket),
        pid=1,
    )


def test_a_name_that_a_living_host_has_gets_a_number(drillbox_home: Path) -> None:
    first = OwnFolder("drill")
    second = OwnFolder("drill")
    assert [first.name, second.name] == ["drill", "drill-2"]
    os.close(first._lock)
    third = OwnFolder("drill")
    assert third.name == "drill"
    assert third.token != first.token
    for own in (second, third):
        own.close()


def test_a_session_is_found_by_its_name_or_as_the_only_one(drillbox_home: Path) -> None:
    with pytest.raises(UsageError, match="no session is running; start one with: drillbox play"):
        find()
    first = OwnFolder("monday-rush-you-1")
    first.tell(info_of(first))
    assert find().name == find("monday-rush-you-1").name == "monday-rush-you-1"
    with pytest.raises(UsageError, match="no session 'monday-rush' is running; did you mean 'monday-rush-you-1'"):
        find("monday-rush")
    second = OwnFolder("quiet-night-you-1")
    second.tell(info_of(second))
    with pytest.raises(UsageError, match="2 sessions are running: choose one of monday-rush-you-1, quiet-night-you-1"):
        find()
    for own in (first, second):
        own.close()


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sessions").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("DRILLBOX_HOME", str(tmp_path))
    assert sessions() == []
    with pytest.raises(UsageError, match="cannot write .*sessions"):
        OwnFolder("drill")
