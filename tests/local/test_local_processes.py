"""Processes of a local drill start, end, are limited, logged and taken down; each is known beyond its number."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from local_kit import Stranger, left, python, shell, until

from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.stacks.real.machine import cgroups
from drillbox.stacks.real.machine.ports import HOST, check_port, free_port, give_back
from drillbox.stacks.real.machine.processes import Process, Supervisor
from drillbox.stacks.real.machine.programs import FOLDER, SESSION, Program
from drillbox.stacks.real.machine.records import Identity, Records, boot_id, labelled, members, stat
from drillbox.stacks.real.machine.rotation import Lines, ServiceLog

limited = pytest.mark.skipif(bool(cgroups.available()), reason="there can be no cgroups of our own here")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "drill", "drill")
    yield made
    made.down(patience=0.0)
    assert left(made.folder, "drill") == []


def ended(supervisor: Supervisor) -> Process:
    """The next process that ends."""
    found: list[Process] = []
    until(lambda: found or found.extend(supervisor.reap()) or found)
    return found[0]


def test_a_process_tells_what_it_wrote_and_how_it_ended(supervisor: Supervisor) -> None:
    process = supervisor.start(shell("service", "echo one; echo two >&2; printf three; exit 3"))
    assert ended(supervisor) is process
    assert (process.exit_code, process.end_reason, process.alive()) == (3, "exit 3", False)
    lines = process.log_lines() + process.log_lines()
    assert sorted(lines) == ["one", "three", "two"]
    assert process.log_path.read_text().count("\n") == 2
    assert (supervisor.running, supervisor.reap(), process.resident()) == ([], [], 0.0)
    process.kill()  # nothing happens, to nobody


def test_it_dies_of_a_signal_as_a_container_does(supervisor: Supervisor) -> None:
    process = supervisor.start(shell("service", "sleep 1000"))
    process.kill()
    assert ended(supervisor) is process
    assert (process.exit_code, process.end_reason) == (137, "killed by SIGKILL")


def test_it_finds_its_settings_and_marks_and_nothing_of_the_host(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SLOWNESS", "7")
    process = supervisor.start(Program("service", ("env",), {"DRILL_ORIGIN": "12.5"}))
    ended(supervisor)
    told = dict(line.split("=", 1) for line in process.log_lines())
    assert (told["DRILL_ORIGIN"], told[SESSION], told[FOLDER]) == ("12.5", "drill", str(supervisor.folder))
    assert "MODEL_SLOWNESS" not in told
    assert told["PATH"] == os.environ["PATH"]


def test_what_a_process_started_ends_with_it(supervisor: Supervisor) -> None:
    process = supervisor.start(shell("service", "sleep 1000 & echo $!; read nothing"))
    lines: list[str] = []
    until(lambda: lines or lines.extend(process.log_lines()) or lines)
    child = Identity.of(int(lines[0]))
    assert child is not None
    assert members(process.pid) == [child]
    assert process.resident() > 0.0
    ended(supervisor)  # its standard input is empty
    until(lambda: not child.alive())


def test_a_stopped_process_goes_down_at_once_and_a_deaf_one_after_patience(supervisor: Supervisor) -> None:
    stopped = supervisor.start(shell("stopped", "sleep 1000"))
    deaf = supervisor.start(shell("deaf", "trap '' TERM; echo deaf; while true; do sleep 0.1; done"))
    until(deaf.log_lines)
    stopped.signal(signal.SIGSTOP)
    until(lambda: (found := stat(stopped.pid)) and found.state == "T")
    assert stopped.alive()
    began = time.monotonic()
    supervisor.down(patience=0.3)
    supervisor.down()
    assert time.monotonic() - began < 5.0
    assert (stopped.end_reason, deaf.end_reason) == ("killed by SIGTERM", "killed by SIGKILL")
    assert deaf.log_lines() == []  # nobody reads any more
    assert Records(supervisor.folder).read() == []
    with pytest.raises(StackError, match="late: the session drill is down"):
        supervisor.start(shell("late", "true"))


def test_what_cannot_be_started_is_told(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(shell("service", "sleep 1000"))
    with pytest.raises(StackError, match="service runs already, as process"):
        supervisor.start(shell("service", "true"))
    with pytest.raises(StackError, match="gateway: there is no program /nowhere/envoy"):
        supervisor.start(Program("gateway", ("/nowhere/envoy",)))
    with pytest.raises(StackError, match="program 'a/b': a name is made of"):
        shell("a/b", "true")
    with pytest.raises(StackError, match="there is nothing to run"):
        Program("service", ())
    script = tmp_path / "script"
    script.write_text("#!/nowhere/interpreter\n")
    script.chmod(0o700)
    broken = supervisor.start(Program("broken", (str(script),)))
    assert ended(supervisor).exit_code == 127
    assert "cannot run" in broken.log_lines()[0]
    assert [record.name for record in Records(supervisor.folder).read()] == ["service"]


def test_a_folder_has_one_host_and_is_cleared_before_the_next(tmp_path: Path) -> None:
    first = Supervisor(tmp_path / "drill", "drill")
    with pytest.raises(StackError, match="the session drill runs already"):
        Supervisor(tmp_path / "drill", "drill")
    first.down()
    Supervisor(tmp_path / "drill", "drill").down()
    (tmp_path / "drill" / "processes").mkdir()
    (tmp_path / "drill" / "processes" / "service.json").write_text("{}")
    with pytest.raises(StackError, match="left something behind: drillbox down --stack local drill"):
        Supervisor(tmp_path / "drill", "drill")
    with pytest.raises(StackError, match="session 'A b': a name is made of"):
        Supervisor(tmp_path / "other", "A b")


def test_a_home_that_cannot_be_written_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="part of the path is a file, not a folder; or set DRILLBOX_HOME"):
        Supervisor(tmp_path / "file" / "drill", "drill")


def test_without_a_record_there_is_no_process(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up between the two writes: the launcher never becomes the program."""
    marker = supervisor.folder / "ran"
    write, calls = Records.write, []

    def full(self: Records, record: object) -> None:
        calls.append(record)
        if len(calls) == 2:
            raise UsageError("the disk is full")
        write(self, record)  # type: ignore[arg-type]

    monkeypatch.setattr(Records, "write", full)
    with pytest.raises(UsageError, match="full"):
        supervisor.start(shell("service", f"touch {marker}"))
    assert not marker.exists()
    assert left(supervisor.folder, "drill") == []
    assert Records(supervisor.folder).read() == []


# ---------------------------------------------------------------------------------------------------------------- identity


def test_a_number_in_other_hands_is_not_the_process() -> None:
    with Stranger() as stranger:
        same = stranger.identity
        for other in (replace(same, started=same.started - 1), replace(same, boot="another"), replace(same, pid=2**22 + 1)):
            assert not other.alive()
            assert not other.signal(signal.SIGKILL)
        assert (same.alive(), same.boot, stranger.alive) == (True, boot_id(), True)
        assert same.signal(signal.SIGKILL)
        until(lambda: not same.alive())  # a zombie has ended


def test_marks_of_another_session_or_folder_are_not_ours(tmp_path: Path) -> None:
    marks = [{SESSION: "drill"}, {SESSION: "drill", FOLDER: "/elsewhere"}, {SESSION: "drill-2", FOLDER: str(tmp_path)}]
    with contextlib.ExitStack() as stack:
        for mark in marks:
            stack.enter_context(Stranger(**mark))
        ours = stack.enter_context(Stranger(**{SESSION: "drill", FOLDER: str(tmp_path)}))
        until(lambda: labelled("drill", tmp_path))
        assert labelled("drill", tmp_path) == [ours.identity]


# ------------------------------------------------------------------------------------------------------------------- logs


WRITER = "import os\nfor number in range(1, 100001): os.write(1, f'line {number}\\n'.encode())"


def places() -> list[Path]:
    """File systems of different kinds."""
    return [one for one in (Path("/var/tmp"), Path("/dev/shm")) if os.access(one, os.W_OK)]  # noqa: S108  # for their kinds


@pytest.mark.parametrize("place", places(), ids=str)
def test_a_log_stays_small_and_loses_no_line_while_it_is_written(place: Path, tmp_path: Path) -> None:
    folder = place / f"drillbox-test-{os.getpid()}"
    log = ServiceLog(folder / "service.log", limit=64 * 1024)
    out = log.writer()
    try:
        writer = subprocess.Popen([sys.executable, "-I", "-S", "-c", WRITER], stdout=out)
        lines, read, sizes = Lines(log, 0), [], []
        while read[-1:] != ["line 100000"]:
            read += lines.new(ended=False)
            sizes.append(log.path.stat().st_blocks * 512)
        assert writer.wait() == 0
        assert read == [f"line {number}" for number in range(1, 100001)]
        assert sizes[-1] <= 2**20
        kept = log.path.with_name("service.log.1").read_bytes() + log.path.read_bytes().lstrip(b"\0")
        *_, last = kept.splitlines()
        assert last == b"line 100000"
        numbers = [int(line.split()[1]) for line in kept.splitlines()[1:]]  # the first may be cut
        assert numbers == list(range(numbers[0], 100001))
    finally:
        os.close(out)
        log.close()
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_a_line_without_an_end_is_given_up_in_pieces(tmp_path: Path) -> None:
    log = ServiceLog(tmp_path / "service.log", limit=2**21)
    (tmp_path / "service.log").write_bytes(b"x" * (3 * 2**20) + b"\nend")
    lines, read = Lines(log, 0), []
    for _ in range(6):
        read += lines.new(ended=True)
    assert "".join(read) == "x" * (3 * 2**20) + "end"
    log.close()


# ------------------------------------------------------------------------------------------------------------------ ports


def test_ports_are_free_and_given_once() -> None:
    ports = {free_port() for _ in range(20)}
    assert len(ports) == 20
    assert max(ports) < int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    taken = ports.pop()
    check_port(taken, "gateway")
    with socket.socket() as listener:
        listener.bind((HOST, taken))
        listener.listen()
        with pytest.raises(StackError, match=f"gateway: port {taken} of 127.0.0.1 is taken by another program"):
            check_port(taken, "gateway")
    for port in (*ports, taken):
        give_back(port)


# ---------------------------------------------------------------------------------------------------------------- cgroups


@limited
def test_a_memory_limit_kills_for_real_and_is_told(supervisor: Supervisor) -> None:
    balloon = "held = [bytearray(2**20) for _ in range(400)]; print('survived')"
    process = supervisor.start(python("balloon", balloon, memory=48.0))
    assert process.cgroup is not None
    assert ended(supervisor) is process
    assert (process.exit_code, process.end_reason, process.log_lines()) == (137, "out of memory", [])
    assert left(supervisor.folder, "drill") == []


@limited
def test_what_is_killed_is_not_out_of_memory_whatever_was_before(supervisor: Supervisor) -> None:
    """A child of it is killed for want of memory; it goes on, until it is killed."""
    child = "held = [bytearray(2**20) for _ in range(400)]"
    parent = f"import os, subprocess, sys; subprocess.run([sys.executable, '-I', '-S', '-c', {child!r}]); print('on', flush=True); sys.stdin.read(); import time; time.sleep(1000)"
    process = supervisor.start(python("parent", parent, memory=64.0))
    if process.cgroup is None or process.cgroup.version == 2:
        pytest.skip("the kernel kills all of it")
    until(process.log_lines)
    assert process.cgroup.counters().oom_kills >= 1
    process.kill()
    assert ended(supervisor).end_reason == "killed by SIGKILL"


@limited
def test_a_cgroup_that_cannot_go_at_once_goes_at_last(supervisor: Supervisor) -> None:
    process = supervisor.start(shell("service", "sleep 1000", memory=64.0))
    assert process.cgroup is not None
    with Stranger() as guest:
        for path in process.cgroup.folders:
            (path / "cgroup.procs").write_text(str(guest.popen.pid))
        process.kill()
        ended(supervisor)
        assert [record.name for record in Records(supervisor.folder).read()] == ["service"]
        assert process.cgroup.pids() == [guest.popen.pid]
    supervisor.down()
    assert (left(supervisor.folder, "drill"), Records(supervisor.folder).read()) == ([], [])


@limited
def test_a_cpu_limit_throttles_and_can_be_changed_and_put_back(supervisor: Supervisor) -> None:
    process = supervisor.start(python("busy", "while True: pass", memory=64.0, cpu=0.2))
    cgroup = process.cgroup
    assert cgroup is not None
    until(lambda: cgroup.counters().throttled_periods >= 3)
    counted = cgroup.counters()
    assert counted.periods >= counted.throttled_periods
    assert counted.throttled > 0.0
    assert 0.0 < counted.memory < 64.0
    assert cgroup.pids() == [process.pid]
    before = [(path, path.read_text().strip()) for path, _ in (*cgroup.cpu_settings(None), *cgroup.memory_settings(None))]
    for limits in ((0.5, 96.0), (0.1, 80.0), (None, None), (0.2, 64.0)):
        cgroup.limit_cpu(limits[0])
        cgroup.limit_memory(limits[1])
    assert [(path, path.read_text().strip()) for path, _ in before] == before


def test_without_cgroups_a_program_runs_without_limits(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drillbox.stacks.real.machine.cgroups.mounts", list)
    assert "no cgroup controller for memory" in cgroups.available()
    process = supervisor.start(shell("service", "true", memory=64.0))
    assert process.cgroup is None
    assert ended(supervisor).exit_code == 0
