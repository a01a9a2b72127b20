"""Whatever a host was doing when it was killed, `down` leaves nothing of its session, and touches nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from local_kit import DEADLINE, Stranger, left, shell, until

from drillbox.sandbox.model.errors import UsageError
from drillbox.stacks.local.housekeeping import LocalHousekeeping
from drillbox.stacks.real.machine import cgroups
from drillbox.stacks.real.machine.processes import Supervisor, cgroup_name
from drillbox.stacks.real.machine.programs import FOLDER, SESSION
from drillbox.stacks.real.machine.records import Identity, Record, Records, labelled
from drillbox.stacks.real.machine.undo import UndoLog, remove_again

HOST = """
import signal, sys, time
from pathlib import Path
from drillbox.stacks.real.machine.processes import Supervisor
from drillbox.stacks.real.machine.programs import Program
from drillbox.stacks.real.machine.undo import UndoLog, remove_again

folder, scratch, port = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
LISTEN = "import socket, sys, time; s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(); time.sleep(1e6)"
signal.signal(signal.SIGTERM, lambda *_: None)  # it hangs in whatever it does to end its drill
print("ready", flush=True)
supervisor = Supervisor(folder, "drill")
undo = UndoLog(folder)
for number in range(10**6):
    undo.note(f"disk-{number}", *remove_again(scratch))
    scratch.mkdir(exist_ok=True)
    (scratch / "full").write_text("x" * 4096)
    supervisor.start(Program(f"listener-{number}", (sys.executable, "-I", "-S", "-c", LISTEN, port), {}))
    supervisor.start(Program(f"parent-{number}", ("sh", "-c", "setsid sleep 1000 & sleep 1000 & trap '' TERM; wait; wait"), {}))
    supervisor.start(Program(f"limited-{number}", ("sleep", "1000"), {}, memory=32.0, cpu=0.5))
    if number % 4 == 3:
        supervisor.reap()
    if number >= 8:
        time.sleep(1000)
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    folder.mkdir()
    return folder


@pytest.fixture
def keeper(base: Path) -> LocalHousekeeping:
    return LocalHousekeeping(base, lambda _: [])


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
    return found


def bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def host(base: Path, scratch: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """A host that starts programs all the time, at the moment when it begins."""
    command = [sys.executable, "-c", HOST, str(base / "drill"), str(scratch), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("seed", range(8))
def test_a_host_killed_at_a_random_moment_leaves_nothing_after_down(
    seed: int, base: Path, keeper: LocalHousekeeping, tmp_path: Path, port: int
) -> None:
    scratch = tmp_path / "scratch"
    with host(base, scratch, port) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):  # a moment of its work, from its first step on
            process.wait(timeout=random.Random(seed).uniform(0.0, 0.06 * seed))  # noqa: S311  # no secret
        process.kill()
    told: list[str] = []
    assert keeper.down({"drill"}, told.append) == []
    assert left(base / "drill", "drill") == []
    assert (list(base.iterdir()), scratch.exists(), bindable(port)) == ([], False, True)
    assert (keeper.leftovers(), keeper.down({"drill"}, told.append)) == ([], [])


def test_a_host_that_lives_is_asked_to_end_and_only_killed_by_force(
    base: Path, keeper: LocalHousekeeping, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drillbox.stacks.real.machine.remains.PATIENCE", 0.3)
    with host(base, tmp_path / "scratch", port) as process:
        until(lambda: len(Records(base / "drill").read()) > 3)
        told: list[str] = []
        (still,) = keeper.down({"drill"}, told.append)
        assert (still.session, still.host) == ("drill", process.pid)
        assert any("drillbox down --force drill" in line for line in told)
        monkeypatch.setattr("drillbox.stacks.real.machine.remains.PATIENCE", 2.0)
        assert keeper.down({"drill"}, told.append, force=True) == []
        assert process.wait(DEADLINE) == -signal.SIGKILL
    assert left(base / "drill", "drill") == []


def test_a_session_that_this_process_plays_is_not_ended_by_it(base: Path, keeper: LocalHousekeeping) -> None:
    supervisor = Supervisor(base / "drill", "drill")
    process = supervisor.start(shell("service", "sleep 1000"))
    (still,) = keeper.down({"drill"}, lambda _: None)
    assert still.host == os.getpid()
    assert process.alive()
    supervisor.down()
    assert keeper.down({"drill"}, lambda _: None) == []


def test_only_the_named_session_goes_and_only_its_own(base: Path, keeper: LocalHousekeeping, tmp_path: Path) -> None:
    for name in ("drill", "other"):
        Supervisor(base / name, name).down()
    (base / "not-ours").mkdir()
    (base / "not-ours" / "thesis.txt").write_text("years of work")
    with contextlib.ExitStack() as stack:
        reused = stack.enter_context(Stranger())
        namesake = stack.enter_context(Stranger(**{SESSION: "drill", FOLDER: str(tmp_path / "elsewhere" / "drill")}))
        stray = stack.enter_context(Stranger(**{SESSION: "drill", FOLDER: str(base / "drill")}))
        records = Records(base / "drill")
        records.write(Record("reused", ("sleep",), replace(reused.identity, started=reused.identity.started - 1)))
        records.write(Record("rebooted", ("sleep",), replace(reused.identity, boot="another")))
        records.write(Record("unborn", ("sleep",)))
        (records.folder / "torn.json").write_text('{"name": "to')
        until(lambda: len(keeper.leftovers()[0].things) == 2)
        told: list[str] = []
        assert keeper.down({"drill"}, told.append) == []
        until(lambda: not stray.alive)
        assert (reused.alive, namesake.alive) == (True, True)
    assert sorted(path.name for path in base.iterdir()) == ["not-ours", "other"]
    assert told[0].startswith(f"drill: killed {stray.popen.pid}: ")
    assert told[-1] == f"drill: removed {base / 'drill'}"


@pytest.mark.skipif(bool(cgroups.available()), reason="there can be no cgroups of our own here")
def test_a_process_without_marks_in_its_cgroup_goes_too(base: Path, keeper: LocalHousekeeping) -> None:
    Supervisor(base / "drill", "drill").down()
    cgroup = cgroups.Cgroups(cgroup_name(base / "drill", "drill")).make("service")
    with Stranger() as inside:
        for path in cgroup.folders:
            (path / "cgroup.procs").write_text(str(inside.popen.pid))
        assert any("cgroup" in thing for thing in keeper.leftovers()[0].things)
        assert keeper.down({"drill"}, lambda _: None) == []
        until(lambda: not inside.alive)
    assert left(base / "drill", "drill") == []


def test_what_faults_changed_is_undone_or_stays_listed(base: Path, keeper: LocalHousekeeping, tmp_path: Path) -> None:
    Supervisor(base / "drill", "drill").down()
    model = tmp_path / "model"
    model.write_text("good")
    log = UndoLog(base / "drill")
    log.note("disk", *remove_again(tmp_path / "filler"))
    log.note("artifact", *log.keep("artifact", model))
    (tmp_path / "filler").write_text("x")
    model.write_text("bad")
    hidden = base / "drill" / "undo.hidden"
    (base / "drill" / "undo").rename(hidden)
    told: list[str] = []
    (still,) = keeper.down({"drill"}, told.append)
    assert "undo of artifact (restore)" in still.things
    assert any(line.startswith("drill: cannot undo artifact (restore): what was kept of") for line in told)
    hidden.rename(base / "drill" / "undo")
    assert keeper.down({"drill"}, told.append) == []
    assert (model.read_text(), (tmp_path / "filler").exists(), list(base.iterdir())) == ("good", False, [])


@pytest.mark.parametrize("after", [1, 2, 4, 5, 7])
def test_clearing_up_can_be_interrupted_and_repeated(after: int, base: Path, keeper: LocalHousekeeping, tmp_path: Path) -> None:
    Supervisor(base / "drill", "drill").down()
    log = UndoLog(base / "drill")
    for number in range(3):
        log.note(f"disk-{number}", *remove_again(tmp_path / f"filler-{number}"))
        (tmp_path / f"filler-{number}").write_text("x")
    made = cgroups.Cgroups(cgroup_name(base / "drill", "drill")).make("service") if not cgroups.available() else None
    told: list[str] = []

    def interrupt(line: str) -> None:
        told.append(line)
        if len(told) == after:
            raise KeyboardInterrupt

    with Stranger(**{SESSION: "drill", FOLDER: str(base / "drill")}) as one:
        until(lambda: labelled("drill", base / "drill"))
        with contextlib.suppress(KeyboardInterrupt):
            keeper.down({"drill"}, interrupt)
        assert made is None or len(told) == after
        assert keeper.down({"drill"}, told.append) == []
        until(lambda: not one.alive)
    assert left(base / "drill", "drill") == []
    assert (list(base.iterdir()), list(tmp_path.glob("filler-*"))) == ([], [])


def test_two_who_clear_up_at_once_do_not_mind_each_other(base: Path, tmp_path: Path, port: int) -> None:
    with host(base, tmp_path / "scratch", port) as process:
        until(lambda: len(Records(base / "drill").read()) > 6)
        process.kill()
    keepers = [LocalHousekeeping(base, lambda _: []) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        results = [pool.submit(keeper.down, {"drill"}, lambda _: None) for keeper in keepers]
    assert [result.result() for result in results] == [[], [], []]
    assert (left(base / "drill", "drill"), list(base.iterdir())) == ([], [])


def test_a_journal_in_the_folder_stays(base: Path, keeper: LocalHousekeeping) -> None:
    Supervisor(base / "drill", "drill").down()
    journal = base / "drill" / "logs" / "monday-rush.jsonl"
    journal.parent.mkdir()
    journal.write_text('{"header": {}}\n'.replace(": {", ":{"))
    (journal.parent / "service.log").write_text("x")
    (base / "drill" / "predictions").mkdir()
    (base / "drill" / "predictions" / "rows.jsonl").write_text('{"row": 1}\n')
    assert keeper.down({"drill"}, lambda _: None) == []
    assert [path for path in base.rglob("*") if path.is_file()] == [journal]
    assert keeper.leftovers() == []


def test_a_host_that_died_before_it_had_a_lock_left_an_empty_folder(base: Path, keeper: LocalHousekeeping) -> None:
    (base / "drill").mkdir()
    assert [one.session for one in keeper.leftovers()] == ["drill"]
    assert keeper.down({"drill"}, lambda _: None) == []
    assert list(base.iterdir()) == []
    assert LocalHousekeeping(base / "nowhere", lambda _: []).leftovers() == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, where we may mount one."""
    mount = tmp_path / "small"
    mount.mkdir()
    mounting, unmounting = shutil.which("mount"), shutil.which("umount")
    if mounting is None or unmounting is None:
        pytest.skip("there is no mount")
    if subprocess.run(
        [mounting, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], capture_output=True, check=False
    ).returncode:
        pytest.skip("nothing can be mounted here")
    yield mount
    subprocess.run([unmounting, str(mount)], check=True)


def test_a_full_tmpfs_is_told_and_cleared(small: Path) -> None:
    supervisor = Supervisor(small / "local" / "drill", "drill")
    supervisor.start(shell("service", "sleep 1000"))
    with contextlib.suppress(OSError):
        (small / "filler").write_bytes(b"x" * 2**20)
    with pytest.raises(UsageError, match="the disk is full: free some space; or set DRILLBOX_HOME"):
        supervisor.start(shell("another", "sleep 1000"))
    with pytest.raises(UsageError, match=r"undo\.jsonl: the disk is full"):
        UndoLog(supervisor.folder).note("disk", *remove_again(small / "x"))
    supervisor.down()
    assert LocalHousekeeping(small / "local", lambda _: []).down({"drill"}, lambda _: None) == []
    assert list((small / "local").iterdir()) == []


def test_a_home_that_became_read_only_is_told_and_cleared_when_it_is_writable(small: Path) -> None:
    keeper = LocalHousekeeping(small / "local", lambda _: [])
    Supervisor(small / "local" / "drill", "drill").down()
    remount = [str(shutil.which("mount")), "-o"]
    subprocess.run([*remount, "remount,ro", str(small)], check=True)
    with pytest.raises(UsageError, match="the file system is read-only; or set DRILLBOX_HOME"):
        Supervisor(small / "local" / "another", "another")
    told: list[str] = []
    (still,) = keeper.down({"drill"}, told.append)
    assert still.things == (f"folder {small / 'local' / 'drill'}",)
    assert told == [
        f"drill: cannot write {small / 'local' / 'drill' / 'lock'}: the file system is read-only; or set DRILLBOX_HOME to a folder with room that you may write to"
    ]
    subprocess.run([*remount, "remount,rw", str(small)], check=True)
    assert keeper.down({"drill"}, told.append) == []


def test_an_identity_survives_the_disk(tmp_path: Path) -> None:
    own = Identity.of(os.getpid())
    record = Record("service", ("a", "b c"), own, ("/sys/fs/cgroup/x",))
    Records(tmp_path).write(record)
    assert Records(tmp_path).read() == [record]
    assert own is not None
    assert json.loads((tmp_path / "processes" / "service.json").read_text())["identity"] == asdict(own)
