"""Supervision of the processes of a drill: each has a record, a group, a log, perhaps a cgroup, and dies with its host.

    supervisor = Supervisor(folder, "flash-crowd")
    process = supervisor.start(Program("envoy", ("envoy", "-c", "bootstrap.json"), {...}))
    for ended in supervisor.reap(): ...
    supervisor.down()

Processes start in kernel sessions of their own, so that Ctrl-C in a terminal reaches the host only. The kernel kills them when
the *thread* that started them ends (PR_SET_PDEATHSIG), which is therefore one that lives as long as the supervisor.
"""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ....sandbox.model.errors import DrillboxError, StackError, UsageError
from .cgroups import Cgroup, Cgroups, available, ours, remove_all, unthrottle
from .claim import Claim
from .programs import Program, check_name, whole_environment
from .records import Identity, Record, Records, check_supported, group, labelled, members, resident
from .rotation import Lines, ServiceLog

LOGS = "logs"
KILLED = 128
"""Added to a signal's number it is the exit code of who died of it, as shells and the kubelet have it."""
_KILL_PATIENCE = 1.5
_GROUP_AGE = 5.0
"""Seconds for which it is remembered what a process has started: to look for it means to read all of /proc."""
_LAUNCHER = str(Path(__file__).with_name("launch.py"))


class Process:
    """One run of a program. Made by `Supervisor.start`."""

    def __init__(self, program: Program, popen: subprocess.Popen[bytes], cgroup: Cgroup | None, lines: Lines) -> None:
        self.program, self.pid, self.cgroup = program, popen.pid, cgroup
        self.started = time.monotonic()
        self.log_path = lines.path
        self.exit_code: int | None = None
        self.end_reason = ""
        self._popen, self._lines, self._lock = popen, lines, threading.Lock()
        self._group, self._looked = [popen.pid], -_GROUP_AGE
        self._killed = False
        self._kills = cgroup.counters().oom_kills if cgroup else 0  # the cgroup may be that of the program's run before
        self._pidfd = os.pidfd_open(popen.pid)  # it cannot have been waited for: the number is still its own

    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.exit_code is None and not self.ended(0.0)

    def ended(self, patience: float) -> bool:
        """Whether it ends within `patience` seconds."""
        poll = select.poll()
        with self._lock:
            if self.exit_code is not None:
                return True
            poll.register(self._pidfd, select.POLLIN)
            if patience <= 0:
                return bool(poll.poll(0))
        return bool(poll.poll(patience * 1000.0))  # only its supervisor waits, which is also who closes the pidfd

    def signal(self, number: int) -> None:
        """Send it a signal; nothing if it has ended."""
        with self._lock, suppress(ProcessLookupError):
            if self.exit_code is None:
                self._killed |= number == signal.SIGKILL
                signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        """Ask it to end, even if it is stopped."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it."""
        self.signal(signal.SIGKILL)

    def resident(self) -> float:
        """Memory in RAM of it and what it started (up to some seconds ago), MiB."""
        if self.exit_code is not None:
            return 0.0
        if time.monotonic() >= self._looked + _GROUP_AGE:
            self._group, self._looked = group(self.pid), time.monotonic()
        return sum(resident(pid) for pid in self._group)

    def log_lines(self) -> list[str]:
        """The lines of stdout and stderr that were completed since the last call; of an ended process the last one, too."""
        return self._lines.new(ended=self.exit_code is not None)

    def collect(self) -> None:
        """Take leave of it, once it has ended: what it started ends with it, as a container does with its first process.

        Its number is held until it was waited for, so that nobody else can be taken for one of its session.
        """
        for one in members(self.pid):
            one.signal(signal.SIGKILL)
        memory = self.cgroup is not None and self.cgroup.counters().oom_kills > self._kills and not self._killed
        with self._lock:
            self.exit_code, self.end_reason = _ending(self._popen.wait(), out_of_memory=memory)
            os.close(self._pidfd)


class Supervisor:
    """Starts and ends the processes of one session; its folder is locked for it alone. May be used from several threads."""

    def __init__(self, folder: Path, label: str) -> None:
        """`folder` is made; `label` goes into the environment of every process.

        Raises:
            StackError: another host has the folder, or a dead one left something in it; or this is not Linux.
            UsageError: the folder cannot be written.
        """
        check_supported()
        check_name(label, "session")
        self.folder, self.label = folder.resolve(), label
        self._claim = Claim(self.folder, label)
        self._records = Records(self.folder)
        self._cgroups = Cgroups(cgroup_name(self.folder, label))
        self._spawner = ThreadPoolExecutor(1, "spawner")
        self._running: dict[str, Process] = {}
        self._logs: dict[str, ServiceLog] = {}
        self._lock = threading.RLock()
        self._down = False

    @property
    def running(self) -> list[Process]:
        """Those that were started and not yet reaped."""
        with self._lock:
            return list(self._running.values())

    def start(self, program: Program) -> Process:
        """Start a program. A limit that it wants is kept if there can be a cgroup for it, see `cgroups.available`.

        Raises:
            StackError: there is no such program, one of that name runs, or the session is down.
            UsageError: the session's folder cannot be written.
        """
        with self._lock:
            self._check(program)
            log = self._logs.get(program.name) or ServiceLog(self.folder / LOGS / f"{program.name}.log")
            self._logs[program.name] = log
            wants = (program.memory is not None or program.cpu is not None) and not available()
            plan = self._cgroups.plan(program.name) if wants else ()
            self._records.write(Record(program.name, program.argv, None, tuple(map(str, plan))))
            try:
                cgroup = self._limited(program) if wants else None
                process = self._spawn(program, cgroup, log)
            except BaseException:
                self._forget(program.name, plan)
                raise
            self._running[program.name] = process
            return process

    def reap(self) -> list[Process]:
        """Those that ended since the last call, in the order of their names. It does not wait."""
        with self._lock:
            over = [process for _, process in sorted(self._running.items()) if process.ended(0.0)]
            for process in over:
                self._collect(process)
            return over

    def down(self, patience: float = 3.0) -> None:
        """End everything: ask, and after `patience` seconds kill; remove records and cgroups, and let go of the folder.

        Raises:
            StackError: something cannot be ended; the message names it.
        """
        with self._lock:
            if self._down:
                return
            self._end_all(patience)
            for one in labelled(self.label, self.folder):  # what left its group
                one.signal(signal.SIGKILL)
            self._spawner.shutdown()
            for log in self._logs.values():
                log.close()
            try:
                self._leave_nothing()
            finally:
                self._claim.release()
                self._down = True

    # ------------------------------------------------------------------------------------------------------------- own work

    def _check(self, program: Program) -> None:
        if self._down:
            raise StackError(f"{program.name}: the session {self.label} is down")
        if program.name in self._running:
            raise StackError(f"{program.name} runs already, as process {self._running[program.name].pid}")
        if shutil.which(program.argv[0], path=whole_environment(program, "", "").get("PATH")) is None:
            raise StackError(f"{program.name}: there is no program {program.argv[0]}, or it cannot be run")

    def _limited(self, program: Program) -> Cgroup:
        cgroup = self._cgroups.make(program.name)
        cgroup.limit_memory(program.memory)
        cgroup.limit_cpu(program.cpu)
        return cgroup

    def _spawn(self, program: Program, cgroup: Cgroup | None, log: ServiceLog) -> Process:
        """Start the launcher, write down which process it is, and let it become the program."""
        wait, go = os.pipe()
        out = log.writer()
        lines = Lines(log, log.end)
        joined = "\n".join(str(path / "cgroup.procs") for path in cgroup.folders) if cgroup else ""
        command = [sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), str(wait), joined, *program.argv]
        try:
            popen = self._spawner.submit(self._popen, program, command, wait, out).result()
            process = Process(program, popen, cgroup, lines)
            try:
                folders = tuple(map(str, cgroup.folders)) if cgroup else ()
                self._records.write(Record(program.name, program.argv, Identity.of(popen.pid), folders))
                os.write(go, b"+")
            except BaseException:
                process.kill()
                process.collect()
                raise
        finally:
            for opened in (wait, go, out):
                os.close(opened)
        return process

    def _popen(self, program: Program, command: list[str], wait: int, out: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                env=whole_environment(program, self.label, str(self.folder)),
                pass_fds=(wait,),
                start_new_session=True,
                umask=0o077,
            )
        except OSError as error:
            raise StackError(f"{program.name} cannot be started: {error.strerror}") from error

    def _collect(self, process: Process) -> None:
        process.collect()
        del self._running[process.program.name]
        self._forget(process.program.name, process.cgroup.folders if process.cgroup else ())

    def _forget(self, name: str, cgroups: tuple[Path, ...]) -> None:
        """Its cgroup goes, then its record; if that cannot be now, `down` finds both."""
        with suppress(DrillboxError):
            if cgroups:
                remove_all(cgroups, patience=0.0)
            self._records.remove(name)

    def _leave_nothing(self) -> None:
        """Remove what could not be when its process ended.

        Raises:
            StackError: a process cannot be ended, or a cgroup not removed.
        """
        if self._running:
            raise StackError(f"cannot be ended: {', '.join(f'{one.program.name} ({one.pid})' for one in self.running)}")
        remove_all(tuple(ours(cgroup_name(self.folder, self.label))))
        with suppress(UsageError):  # a disk on which nothing can be written any more
            for record in self._records.read():
                self._records.remove(record.name)

    def _end_all(self, patience: float) -> None:
        began = time.monotonic()
        for process in self.running:
            unthrottle(process.cgroup.folders if process.cgroup else ())
            process.terminate()
        for process in self.running:
            process.ended(began + patience - time.monotonic())
        for process in self.running:
            if not process.ended(0.0):
                process.kill()
        for process in self.running:
            if process.ended(_KILL_PATIENCE):
                self._collect(process)


def cgroup_name(folder: Path, label: str) -> str:
    """A name for a session's cgroups: two sessions of one label have different folders."""
    return f"{label}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}"


def _ending(code: int, *, out_of_memory: bool) -> tuple[int, str]:
    """Exit code and reason of a process, from what `Popen.wait` gives."""
    if code >= 0:
        return code, f"exit {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return KILLED - code, "out of memory" if out_of_memory and -code == signal.SIGKILL else f"killed by {name}"
