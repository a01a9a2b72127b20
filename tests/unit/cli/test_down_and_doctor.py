"""`down` ends drills and clears up, whatever became of their hosts; `doctor` says whether drills can run, and what to do if not."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drillbox.sandbox.api.client import RemoteSession
from drillbox.sandbox.api.folders import SessionInfo, sessions
from drillbox.sandbox.api.launch import launch
from drillbox.sandbox.cli import doctor, down
from drillbox.sandbox.cli.main import run
from drillbox.sandbox.clock import WallClock
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.events import Ended
from drillbox.sandbox.model.housekeeping import Check, Leftover, State
from drillbox.sandbox.paths import home
from drillbox.stacks.real.machine.processes import Supervisor
from drillbox.wiring import Wiring

Command = Callable[..., object]


@dataclass
class Keeper:
    """Housekeeping of a stack that leaves what a test says."""

    left: list[Leftover] = field(default_factory=list)
    stays: list[Leftover] = field(default_factory=list)
    found: list[Check] = field(default_factory=list)
    asked: list[tuple[set[str], bool]] = field(default_factory=list)

    def leftovers(self) -> Sequence[Leftover]:
        return self.left

    def down(self, sessions: Collection[str], tell: Callable[[str], None], *, force: bool = False) -> Sequence[Leftover]:
        self.asked.append((set(sessions), force))
        for one in self.left:
            if one.session in sessions:
                tell(f"{one.session}: removed {one.things[0]}")
        return self.stays

    def checks(self) -> Sequence[Check]:
        return self.found


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Keeper:
    made = Keeper()
    monkeypatch.setattr(Wiring, "housekeeping", lambda _self: {"toy": made})
    return made


def background(**request: object) -> SessionInfo:
    return launch(json.dumps({"scenario": "monday-rush", "profile": "short", "speed": 1} | request))


def test_a_running_drill_is_aborted_and_its_journal_stays(command: Command, hosts_end: None) -> None:
    info = background()
    with closing(RemoteSession(info)) as session:
        clock = WallClock()
        deadline = clock.now() + 30.0
        while session.snapshot().phase.value == "new":
            assert clock.now() < deadline
            clock.sleep(0.02)
        ran = command("down", info.name)
    assert not info.folder.exists()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{info.name}: ended; journal: {info.journal}\nNothing is left.\n"
    *_, last = read_journal(Path(info.journal)).events
    assert isinstance(last.body, Ended)
    assert last.body.reason == "aborted"
    again = command("down", info.name)
    assert again.code == 0


def test_only_what_is_meant_is_ended(command: Command, hosts_end: None, keeper: Keeper) -> None:
    info = background()
    assert command("down", "--stack", "toy").out == "Nothing is left.\n"
    ran = command("down", info.name[:-1])
    assert (ran.code, ran.err) == (2, f"drillbox: there is no session {info.name[:-1]!r}; did you mean {info.name!r}?\n")
    ran = command("down", "something-else")
    assert (ran.code, ran.err, ran.out) == (0, "note: there is no session something-else\n", "Nothing is left.\n")
    assert [one.name for one in sessions()] == [info.name]
    assert command("down", "--stack", "sim").code == 0


def test_a_host_that_does_not_answer_is_told_and_stays_unless_killed(
    command: Command, hosts_end: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = background()
    os.kill(info.pid, signal.SIGSTOP)
    try:
        with monkeypatch.context() as hasty:
            hasty.setattr(down, "PATIENCE", 0.5)
            hasty.setattr(down, "_ANSWER", 0.2)
            ran = command("down", info.name)
    finally:
        os.kill(info.pid, signal.SIGCONT)
    assert ran.code == 3
    assert f"note: {info.name}: the session host does not answer within" in ran.err
    assert ran.err.endswith(f"drillbox: {info.name}: its host did not end its drill within 0.5 s\n")
    assert command("down").code == 0


def test_all_sessions_of_a_stack_are_cleared_and_what_stays_is_named(command: Command, keeper: Keeper) -> None:
    keeper.left = [Leftover("drill-1", None, ("process 7",)), Leftover("drill-2", None, ("cgroup x",))]
    keeper.stays = [Leftover("drill-2", None, ("cgroup x", "folder y")), Leftover("drill-3", 7, ("host 7", "folder z"))]
    ran = command("down", "--force")
    assert keeper.asked == [({"drill-1", "drill-2"}, True)]
    assert (ran.code, ran.out) == (3, "drill-1: removed process 7\ndrill-2: removed cgroup x\n")
    assert (
        ran.err
        == "drillbox: drill-2: still there: cgroup x\ndrillbox: drill-2: still there: folder y\ndrillbox: drill-3: still there: host 7\n"
    )
    keeper.stays = []
    assert command("down", "drill-1", "--stack", "toy").code == 0
    assert keeper.asked[-1] == ({"drill-1"}, False)
    assert command("down", "--stack", "sim").out == "Nothing is left.\n"
    assert len(keeper.asked) == 2


def test_what_a_living_host_plays_is_meant_by_the_hosts_name(command: Command, hosts_end: None, keeper: Keeper) -> None:
    info = background()
    keeper.left = [Leftover("monday-rush-1-abcdef", info.pid, ("host",)), Leftover("other", None, ("folder",))]
    assert command("down", info.name).code == 0
    assert keeper.asked == [({info.name, "monday-rush-1-abcdef"}, False)]


def test_a_dead_local_session_is_cleared_by_the_command(command: Command) -> None:
    Supervisor(home() / "local" / "drill", "drill").down()
    (home() / "local" / "drill" / "logs").mkdir()
    assert [one.session for one in Wiring().housekeeping()["local"].leftovers()] == ["drill"]
    ran = command("down", "--stack", "local")
    assert (ran.code, ran.out) == (0, f"drill: removed {home() / 'local' / 'drill'}\nNothing is left.\n")


@pytest.mark.parametrize("name", ["down", "doctor"])
def test_an_unknown_stack_is_told_with_the_nearest(command: Command, name: str) -> None:
    ran = command(name, "--stack", "locl")
    assert (ran.code, ran.err) == (2, "drillbox: unknown stack 'locl'; did you mean 'local'?\n")


@pytest.mark.parametrize(("name", "called"), [("down", "leftovers"), ("doctor", "checks"), ("status", "standing")])
def test_ctrl_c_interrupts(name: str, called: str, command: Command, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Keeper, called, interrupt, raising=False)
    ran = command(name)
    assert (ran.code, ran.err.strip()) == (130, "interrupted")


@pytest.mark.parametrize("name", ["down", "doctor"])
def test_help_has_examples_and_exit_codes(command: Command, name: str) -> None:
    ran = command(name, "--help")
    assert ran.code == 0
    assert f"drillbox {name} --stack local" in ran.out
    assert "Exit codes: 0 " in ran.out


# ------------------------------------------------------------------------------------------------------------------ doctor


def test_the_doctor_says_what_is_wrong_and_what_to_do(command: Command, keeper: Keeper) -> None:
    keeper.found = [Check("engine", State.FINE, "runs"), Check("fuel", State.LIMITED, "little", "get some")]
    ran = command("doctor")
    assert ran.code == 0
    assert "toy  engine        ok       runs" in ran.out
    assert "better fuel: get some" in ran.out
    keeper.found.append(Check("wheels", State.WRONG, "three", "mount another"))
    keeper.left = [Leftover("drill-1", None, ("process 7", "folder x")), Leftover("drill-2", 8, ("host",))]
    ran = command("doctor", "--stack", "toy")
    assert ran.code == 3
    assert "fix wheels: mount another" in ran.out
    assert "drill-1: 2 things, process 7" in ran.out
    assert "better leftovers: drillbox down --stack toy drill-1\n" in ran.out
    assert command("doctor", "--stack", "sim").code == 0
    data = json.loads(command("doctor", "--json").out)
    assert {"stack": "toy", "check": "wheels", "state": "wrong", "found": "three", "fix": "mount another"} in data
    assert {one["stack"] for one in data} == {"all", "toy"}


def test_a_state_folder_that_cannot_be_used_is_found(
    command: Command, keeper: Keeper, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRILLBOX_HOME", str(tmp_path / "file" / "home"))
    ran = command("doctor", "--stack", "toy")
    assert ran.code == 3
    assert f"{tmp_path / 'file'} is not a folder" in ran.out
    assert "fix state folder: set DRILLBOX_HOME to a folder with room that you may write to" in ran.out
    monkeypatch.setenv("DRILLBOX_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"{tmp_path} is not writable" in command("doctor", "--stack", "toy").out
    monkeypatch.undo()


def test_missing_packages_and_no_room_are_found(command: Command, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_installed", lambda name: name != "numba")
    monkeypatch.setattr(doctor, "ROOM", 1e12)
    monkeypatch.setattr(doctor, "OLDEST", (4, 0))
    ran = command("doctor", "--stack", "toy")
    assert ran.code == 3
    for line in ("fix packages: pip install numba", "fix Python: install Python 4.0 or later", "fix state folder: "):
        assert line in ran.out


def test_nothing_is_started_or_written_by_the_doctor(drillbox_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(drillbox_home.iterdir())
    assert run(["doctor", "--json"], Wiring()) in {0, 3}
    checks = {one["check"]: one for one in json.loads(capsys.readouterr().out)}
    assert {"Linux", "Envoy", "Prometheus", "cgroups", "inotify", "memory", "/dev/shm", "leftovers"} <= set(checks)  # noqa: S108  # a name
    assert all(bool(one["fix"]) == (one["state"] != "ok") for one in checks.values())
    assert sorted(drillbox_home.iterdir()) == before
