"""The undo log: how to take back what faults changed, on disk before they are applied, for whoever clears up.

    undo = UndoLog(session_folder)
    undo.note("hang-0", *carry_on(identity))      # on the disk when this returns
    process.signal(SIGSTOP)
    ...
    process.signal(SIGCONT)
    undo.done("hang-0")

Each entry says how it is undone by a process that knows nothing but the entry. To undo twice does no harm, so that a kill at any
moment between note, fault and done costs nothing. JSON Lines; a last line that was torn by a kill is left out: what it announced
was not yet applied, and what it declared done is undone once more.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ....sandbox.model.errors import DrillboxError, StackError, UsageError
from .files import folder, sync, unwritable
from .records import Identity

FILE, KEPT = "undo.jsonl", "undo"
"""The log, and the folder of what was kept of files, in a session's folder."""
Way = tuple[str, dict[str, Any]]
"""A kind of entry, and its data."""
Back = Callable[[Mapping[str, Any]], None]
"""Undoes entries of a kind, given their data."""
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One change to take back: `key` of the fault, `kind` of the way to undo it, and what that takes."""

    key: str
    kind: str
    data: Mapping[str, Any]


class UndoLog:
    """The undo log of a session.

    Args:
        session: its folder.
        kinds: how each kind of entry is undone; `KINDS` if not given.
    """

    def __init__(self, session: Path, kinds: Mapping[str, Back] | None = None) -> None:
        self.path = session / FILE
        self._session = session
        self._kinds = KINDS if kinds is None else kinds

    def note(self, key: str, kind: str, data: Mapping[str, Any]) -> None:
        """Put down how to undo a change that is about to be made; on the disk when this returns. Keys may repeat.

        Raises:
            UsageError: it cannot be written: then the change must not be made.
            StackError: there is no such kind.
        """
        if kind not in self._kinds:
            raise StackError(f"undo log: unknown kind {kind!r}; choose one of {', '.join(self._kinds)}")
        self._append({"key": key, "kind": kind, "data": dict(data)})

    def done(self, key: str) -> None:
        """All changes of a key were taken back.

        Raises:
            UsageError: it cannot be written; they may be undone once more.
        """
        self._append({"done": key})

    def pending(self) -> list[Entry]:
        """What was noted and is not done, in the order of the notes."""
        found: list[Entry] = []
        with contextlib.suppress(OSError):
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    data = json.loads(line)
                    if "done" in data:
                        found = [entry for entry in found if entry.key != data["done"]]
                    else:
                        found.append(Entry(data["key"], data["kind"], data["data"]))
        return found

    def _undo(self, entry: Entry) -> str:
        """Take one change back; why that cannot be."""
        try:
            undo(entry, self._kinds)
        except (OSError, DrillboxError, KeyError, TypeError, ValueError) as error:
            return f"{entry.key} ({entry.kind}): {error}"
        return ""

    def keep(self, key: str, path: Path) -> Way:
        """Keep a file, or that there is none, for the way back.

        Raises:
            UsageError: there is no room for it.
        """
        if not path.exists():
            return remove_again(path)
        kept = folder(self._session / KEPT) / f"{key.replace('/', '_')}-{path.name}"
        try:
            shutil.copy2(path, kept)
        except OSError as error:
            raise unwritable(kept, error) from error
        return "restore", {"path": str(path.absolute()), "kept": str(kept.absolute())}

    def undo_all(self, *, services: bool = True) -> list[str]:
        """Take back what is pending, the newest first. What cannot be is tried again after the rest.

        A process on a node that is paused, say, cannot go on before the node does, whichever was stopped first.

        Args:
            services: whether there are services; if not, what they were told to do went with them.

        Returns:
            What could not be undone, and why.
        """
        pending = self.pending()
        todo = [entry for entry in reversed(pending) if services or entry.kind != "request"]
        trouble: dict[str, str] = {}
        for _ in range(2):
            trouble = {entry.key: why for entry in todo if (why := self._undo(entry))}
            todo = [entry for entry in todo if entry.key in trouble]  # all of a key: the first note has the last word
        with contextlib.suppress(UsageError):  # a full disk: it is undone once more
            for key in dict.fromkeys(entry.key for entry in pending):
                if key not in trouble:
                    self.done(key)
        return list(trouble.values())

    def _append(self, line: Mapping[str, object]) -> None:
        try:
            folder(self.path.parent)
            new = not self.path.exists()
            opened = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(opened).st_size
                torn = size > 0 and os.pread(opened, 1, size - 1) != b"\n"
                _write_all(opened, (b"\n" if torn else b"") + json.dumps(line).encode() + b"\n")
                os.fsync(opened)
            finally:
                os.close(opened)
            if new:
                sync(self.path.parent)
        except OSError as error:
            raise unwritable(self.path, error) from error


def _write_all(opened: int, content: bytes) -> None:
    while content:
        content = content[os.write(opened, content) :]


# ------------------------------------------------------------------------------------------------------------- ways back


def carry_on(identity: Identity) -> Way:
    """A process that is to be stopped goes on."""
    return "continue", asdict(identity)


def write_back(settings: Iterable[tuple[Path, str]]) -> Way:
    """Limits of a cgroup (`Cgroup.memory_settings`, `.cpu_settings`), or another small file of the kernel, as they were."""
    return "cgroup", {"files": [[str(path), value] for path, value in settings]}


def remove_again(path: Path) -> Way:
    """A file or folder that is to be made is removed."""
    return "delete", {"path": str(path.absolute())}


def cancel(url: str, token: str) -> Way:
    """What a service is told to do is cancelled by DELETE; if the service is gone, so is that."""
    return "request", {"method": "DELETE", "url": url, "token": token}


def undo(entry: Entry, kinds: Mapping[str, Back] | None = None) -> None:
    """Take one change back, as `kinds` have it; nothing if that was done before.

    Raises:
        StackError: it cannot be; the message says why.
        OSError: likewise.
    """
    ways = KINDS if kinds is None else kinds
    if entry.kind not in ways:
        raise StackError(f"this version of drillbox does not know how to undo {entry.kind!r}")
    ways[entry.kind](entry.data)


def _continue(data: Mapping[str, Any]) -> None:
    Identity(data["boot"], data["pid"], data["started"]).signal(signal.SIGCONT)


def _cgroup(data: Mapping[str, Any]) -> None:
    for name, value in data["files"]:
        if Path(name).exists():  # else it went with its processes
            Path(name).write_text(value, encoding="ascii")


def _delete(data: Mapping[str, Any]) -> None:
    path = Path(data["path"])
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _restore(data: Mapping[str, Any]) -> None:
    path, kept = Path(data["path"]), Path(data["kept"])
    if not kept.exists():
        raise StackError(f"what was kept of {path} is gone from {kept}")
    beside = path.with_name(f".{path.name}.back")
    folder(path.parent)
    shutil.copy2(kept, beside)
    beside.replace(path)


def _request(data: Mapping[str, Any]) -> None:
    import httpx  # lazily: who only looks what is left has no need of it

    headers = {"authorization": f"Bearer {data['token']}"}
    try:
        answer = httpx.request(data["method"], data["url"], headers=headers, timeout=_PATIENCE, trust_env=False)
    except httpx.ConnectError:
        return
    except httpx.HTTPError as error:
        raise StackError(f"{data['url']} does not answer: {error!r}") from error
    if answer.is_error and answer.status_code not in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
        raise StackError(f"{data['url']} answers {answer.status_code}")


KINDS: Mapping[str, Back] = {
    "continue": _continue,
    "cgroup": _cgroup,
    "delete": _delete,
    "restore": _restore,
    "request": _request,
}
"""How each kind of entry is undone."""
