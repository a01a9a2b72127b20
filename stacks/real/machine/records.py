"""Which processes belong to a session: records on disk, and the identity of a process beyond its number.

A number alone names nothing: the kernel gives it to another process some time after the first one ended. A process is known by
its number, the moment it started (ticks since boot) and the boot, and is signalled through a pidfd that was opened before these
were compared. A record is written before its process exists, and a process carries its session's label, so that whoever clears
up finds it at whatever moment the host died.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from ....sandbox.model.errors import StackError
from .files import put, unwritable
from .programs import FOLDER, SESSION

PROCESSES = "processes"
"""Folder of the records, in that of the session."""
_PROC = Path("/proc")


@functools.cache
def boot_id() -> str:
    """What the kernel calls this boot."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclass(frozen=True, slots=True)
class Stat:
    """What the kernel tells of a process: its state (`Z` is a zombie), its session's number, and when it started (ticks)."""

    state: str
    session: int
    started: int


def stat(pid: int) -> Stat | None:
    """Of a process; None if there is none. Source: proc_pid_stat(5)."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may have spaces and brackets
    return Stat(fields[0], int(fields[3]), int(fields[19]))


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of all times."""

    boot: str
    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """That of a process that runs, or is a zombie."""
        found = stat(pid)
        return None if found is None else cls(boot_id(), pid, found.started)

    def open(self) -> int | None:
        """A pidfd of this very process; None if it has ended. The caller closes it."""
        if self.boot != boot_id():
            return None
        try:
            opened = os.pidfd_open(self.pid)
        except OSError:
            return None
        found = stat(self.pid)  # after it was opened: the number cannot change hands in between unnoticed
        if found is None or found.started != self.started or found.state in {"Z", "X"}:
            os.close(opened)
            return None
        return opened

    def alive(self) -> bool:
        """Whether it runs."""
        opened = self.open()
        if opened is not None:
            os.close(opened)
        return opened is not None

    def signal(self, number: int) -> bool:
        """Signal it; whether it was there. One that may not be signalled stays: whoever verifies will see."""
        opened = self.open()
        if opened is None:
            return False
        try:
            signal.pidfd_send_signal(opened, number)
        except OSError:
            return False
        finally:
            os.close(opened)
        return True


@dataclass(frozen=True, slots=True)
class Record:
    """A process of a session, as written down. Without an identity it was about to be started."""

    name: str
    argv: tuple[str, ...]
    identity: Identity | None = None
    cgroups: tuple[str, ...] = ()


class Records:
    """The records in a session's folder."""

    def __init__(self, session: Path) -> None:
        self.folder = session / PROCESSES

    def write(self, record: Record) -> None:
        """Put down what is about to start, or did.

        Not synchronised to the disk: a record only matters as long as the system runs, and so do processes.

        Raises:
            UsageError: the folder cannot be written.
        """
        put(self._path(record.name), json.dumps(asdict(record)), durable=False)

    def remove(self, name: str) -> None:
        """A process has ended.

        Raises:
            UsageError: the folder cannot be written.
        """
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self._path(name), error) from error

    def read(self) -> list[Record]:
        """All there are, by name; one that cannot be read is left out: the label finds its process all the same."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                data = json.loads(path.read_text(encoding="utf-8"))
                identity = data["identity"] and Identity(**data["identity"])
                found.append(Record(data["name"], tuple(data["argv"]), identity, tuple(data["cgroups"])))
        return found

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def labelled(label: str, folder: Path) -> list[Identity]:
    """The living processes of this user that carry a session's label, this one excepted."""
    return marked(f"{SESSION}={label}", f"{FOLDER}={folder}")


def marked(*settings: str) -> list[Identity]:
    """The living processes of this user that have all these in their environment, as `NAME=value`; this one excepted."""
    marks = set(map(os.fsencode, settings))
    found = []
    for pid in _numbers():
        identity = Identity.of(pid)  # before its environment is read: the number cannot change hands in between unnoticed
        if marks <= set(_environment(pid)) and identity is not None and identity.alive():
            found.append(identity)
    return found


def members(session: int) -> list[Identity]:
    """The living processes of the kernel's session of that number.

    The number must be held meanwhile, by a leader that has not been waited for.
    """
    found = ((pid, stat(pid)) for pid in _numbers() if pid != session)
    return [
        Identity(boot_id(), pid, one.started) for pid, one in found if one and one.session == session and one.state not in "ZX"
    ]


def inside(cgroup: Path) -> list[Identity]:
    """The living processes in a cgroup. One that left it meanwhile is none of them, whoever has its number now."""

    def numbers() -> set[int]:
        with contextlib.suppress(OSError):
            return {int(line) for line in (cgroup / "cgroup.procs").read_text(encoding="ascii").split()}
        return set()

    found = [Identity.of(pid) for pid in numbers()]
    still = numbers()
    return [one for one in found if one is not None and one.pid in still and one.alive()]


def resident(pid: int) -> float:
    """Memory of a process that is in RAM, MiB; 0 if it is gone. Source: proc_pid_statm(5)."""
    try:
        return int((_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


def describe(pid: int) -> str:
    """The command line of a process, for people."""
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"process {pid}"
    return f"{pid}: {' '.join(map(os.fsdecode, words)).strip()[:120]}"


def group(lead: int) -> list[int]:
    """The numbers of a process and of all in its kernel's session."""
    return [lead, *(one.pid for one in members(lead))]


def _numbers() -> list[int]:
    """Of all processes but this one."""
    return [int(name) for name in os.listdir(_PROC) if name.isdigit() and int(name) != os.getpid()]  # noqa: PTH208  # names do


def _environment(pid: int) -> list[bytes]:
    """That it was started with, if it is this user's; nothing for a zombie, or one that has ended."""
    try:
        with (_PROC / str(pid) / "environ").open("rb") as file:
            return file.read().split(b"\0") if os.fstat(file.fileno()).st_uid == os.getuid() else []
    except OSError:
        return []


def check_supported() -> None:
    """Refuse a system on which none of this works.

    Raises:
        StackError: it is not Linux, or too old a one.
    """
    if not hasattr(os, "pidfd_open") or not (_PROC / "self/stat").exists():
        raise StackError("the local stack needs Linux 5.4 or later; elsewhere, play on --stack sim")
