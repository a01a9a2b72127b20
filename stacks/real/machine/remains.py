"""What a session has left on this machine, and how it goes away, whoever's host died at whatever moment.

A session is known by its folder. Whoever holds the lock in it may clear it up: a living host has it. Nothing is taken for the
session's by a number or a name alone: processes by their records' identities or by both of their marks in the environment,
cgroups by a name that has the folder in it, files by the folder or the undo log.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from ....sandbox.model.errors import DrillboxError
from ....sandbox.model.housekeeping import Leftover, Standing
from . import cgroups
from .claim import HOST, LOCK, Host, living, read_host, take
from .processes import cgroup_name
from .records import PROCESSES, Identity, Records, describe, inside, labelled
from .standing import standing_of
from .undo import UndoLog

Tell = Callable[[str], None]
PATIENCE = 10.0
"""Wall seconds that a host has to end its drill, and again that killed processes have to go."""
_LOOK = 0.01
_JOURNALS, _JOURNAL = "*.jsonl", b'{"header":'
_T = TypeVar("_T")


class Remains:
    """What there is of one session.

    Attributes:
        patience: wall seconds that its host has to end the drill.
    """

    patience = PATIENCE

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._host: Host = read_host(folder)

    def look(self) -> Leftover:
        """Everything, for people."""
        host = living(self.folder)
        things = [f"host {describe(host.pid)}"] if host is not None else []
        things += [f"process {describe(one.pid)}" for one in self._processes()]
        things += [f"cgroup {path}" for path in self._cgroups()]
        things += [f"undo of {entry.key} ({entry.kind})" for entry in self.log().pending()]
        things += self.elsewhere()
        if self.folder.is_dir() and (not any(self.folder.iterdir()) or self._files()):
            things.append(f"folder {self.folder}")
        return Leftover(self.folder.name, host.pid if host is not None else None, tuple(things))

    def log(self) -> UndoLog:
        """How to take back what faults changed."""
        return UndoLog(self.folder)

    def elsewhere(self) -> Sequence[str]:
        """What there is beside processes and files of this machine, for people."""
        return ()

    def clear_elsewhere(self, tell: Tell) -> bool:  # noqa: ARG002 -- for stacks that have anything there
        """Remove that; whether nothing is left of it."""
        return True

    def stands(self) -> Standing:
        """What runs of it."""
        return standing_of(self.folder, living(self.folder), Records(self.folder).read())

    def clear(self, tell: Tell, *, force: bool) -> None:
        """Remove all of it, if its host is dead, or ends."""
        try:
            lock = self._lock(tell, force=force)
        except DrillboxError as error:
            tell(f"{self.folder.name}: {error}")
            return
        if lock is None:
            tell(f"{self.folder.name}: its host does not end; to kill it: drillbox down --force {self.folder.name}")
            return
        try:
            self._kill(tell)
            self._remove_cgroups(tell)
            if self._undo(tell) and self.clear_elsewhere(tell) and not self._processes() and not self._cgroups():
                self._remove_files(tell)
        finally:
            if lock >= 0:
                os.close(lock)

    # ---------------------------------------------------------------------------------------------------------- own work

    def _lock(self, tell: Tell, *, force: bool) -> int | None:
        """The lock, once the host is dead; None if it is not, -1 if the folder is gone."""
        lock, host = take(self.folder), self._host.identity
        if host is not None and host.pid == os.getpid():
            return lock  # whoever plays a session ends it otherwise
        for number, does in ((signal.SIGTERM, "asks it to end"), (signal.SIGKILL, "kills it")):
            if lock is not None or (number == signal.SIGKILL and not force):
                break
            process = describe(host.pid) if host else ""
            if host is not None and host.signal(number):  # else somebody else clears up at this moment
                tell(f"{self.folder.name}: its host, {process}, lives: {does}")
            lock = _within(self.patience, lambda: take(self.folder), lambda found: found is not None)
        return lock

    def _kill(self, tell: Tell) -> None:
        """Kill its processes until there is none; one may be at its very beginning."""
        told: set[Identity] = set()
        cgroups.unthrottle(self._cgroups())

        def gone() -> bool:
            found = self._processes()
            for one in found:
                if one not in told:
                    tell(f"{self.folder.name}: killed {describe(one.pid)}")
                    told.add(one)
                one.signal(signal.SIGKILL)
            return not found

        for _ in range(2):  # one that was about to get its marks has them the second time
            _within(PATIENCE, gone, bool)

    def _remove_cgroups(self, tell: Tell) -> None:
        for path in self._cgroups():
            try:
                cgroups.remove(path)
                tell(f"{self.folder.name}: removed the cgroup {path}")
            except DrillboxError as error:
                tell(f"{self.folder.name}: {error}")

    def _undo(self, tell: Tell) -> bool:
        """Take back what faults changed; whether that was possible."""
        log = self.log()
        for entry in log.pending():
            tell(f"{self.folder.name}: undoes {entry.key} ({entry.kind})")
        trouble = log.undo_all(services=False)
        for line in trouble:
            tell(f"{self.folder.name}: cannot undo {line}")
        return not trouble

    def _remove_files(self, tell: Tell) -> None:
        """The folder goes, the lock last; a journal that somebody put there stays."""
        if not self.folder.is_dir():
            return
        kept = self._journals()
        try:
            _remove_all_but(self.folder, kept, last=(PROCESSES, HOST, LOCK))
        except OSError as error:
            tell(f"{self.folder.name}: cannot remove {error.filename}: {error.strerror}")
            return
        tell(f"{self.folder.name}: removed {self.folder}{', but for the journals in it' if kept else ''}")

    def _journals(self) -> set[Path]:
        return {path for path in self.folder.rglob(_JOURNALS) if _is_journal(path)}

    def _files(self) -> set[Path]:
        """All but journals."""
        return {path for path in self.folder.rglob("*") if not path.is_dir()} - self._journals()

    def _processes(self) -> list[Identity]:
        recorded = [record.identity for record in Records(self.folder).read()]
        found = {one for one in recorded if one is not None and one.alive()}
        found |= set(labelled(self._host.label, self.folder))
        for path in self._cgroups():
            found |= set(inside(path))
        return sorted(found, key=lambda one: one.pid)

    def _cgroups(self) -> list[Path]:
        return cgroups.ours(cgroup_name(self.folder, self._host.label))


def _within(patience: float, look: Callable[[], _T], enough: Callable[[_T], bool]) -> _T:
    """Look until it is enough, or patience ends; what was seen last."""
    deadline = time.monotonic() + patience
    while not enough(seen := look()) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    return seen


def _remove_all_but(folder: Path, kept: Collection[Path], last: Iterable[str]) -> None:
    """Remove a folder; if something is kept in it, all the rest."""
    later = {folder / name for name in last}
    first = [path for path in folder.iterdir() if path not in later]
    for path in (*first, *(folder / name for name in last)):
        if path in kept:
            continue
        if path.is_dir() and not path.is_symlink():
            if any(one.is_relative_to(path) for one in kept):
                _remove_all_but(path, kept, ())
            else:
                shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if not kept:
        folder.rmdir()


def _is_journal(path: Path) -> bool:
    """Whether a file begins as a journal does."""
    try:
        with path.open("rb") as file:
            return file.read(len(_JOURNAL)) == _JOURNAL
    except OSError:
        return True  # what cannot be read is not thrown away
