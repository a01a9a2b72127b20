"""The model registry: which versions there are, what they come from, and which of them is champion, candidate, previous.

One SQLite file beside the store's folders, for one drill or for the user's home. Every operation is one short transaction, so
that processes may share the file; there is no write-ahead log: the file is all there is. Versions are numbered in the order of
registration; moments are calendar time of the world, given by the caller.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

from ..model.errors import UsageError, nearest
from .database import transaction
from .entries import Alias, Difference, Entered, Entry, Stage, described, entered, entry, facts
from .version import ModelVersion

FILE = "registry.sqlite"

WAIT = 10.0
"""Seconds that an operation waits for another process's transaction."""


class Registry:
    """The registry in a folder; the file is created at the first registration or look.

    Every method raises UsageError, naming the file and what to do, when the file is damaged, locked for too long, of another
    layout, read-only where something must be written, or when the disk is full.

    Args:
        path: the folder, such as that of a drill's session or `store.models_dir()`.
        wait: seconds to wait for another process.
    """

    def __init__(self, path: Path, wait: float = WAIT) -> None:
        self.path = path / FILE
        self._wait = wait

    # --------------------------------------------------------------------------------------------------------------- writing

    def register(self, model: ModelVersion, trees: int, created: dt.datetime, by: str, reason: str) -> Entry:
        """Enter a version. One that is there already, with the same file, stays as it is.

        Args:
            model: the version as stored.
            trees: its size.
            created: calendar time of the registration.
            by: who or what registers it.
            reason: why there is such a version.

        Raises:
            UsageError: another model has this id; or see the class.
        """
        with self._transaction() as db:
            row = db.execute("SELECT * FROM versions WHERE id = ?", (model.id,)).fetchone()
            if row is not None:
                found = entry(row)
                if found.model.sha256 != model.sha256:
                    raise UsageError(
                        f"{self.path}: version {model.id} is registered with another file ({found.model.sha256[:12]}, not "
                        f"{model.sha256[:12]}); delete the registered one, or train under another lineage"
                    )
                return found
            db.execute(
                "INSERT INTO versions (id, created, data_hash, code_version, train_from, train_until, threshold, trees, "
                "packages, quality, sha256, predictions, stage, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*facts(model, created, trees), str(Stage.REGISTERED), reason),
            )
            self._note(db, created, model.id, ("", Stage.REGISTERED), by, reason)
            return self._get(db, model.id)

    def stage(self, version: str, stage: Stage, at: dt.datetime, by: str, reason: str) -> Entry:
        """Say what became of a version, and why.

        Raises:
            UsageError: there is no such version; or see the class.
        """
        with self._transaction() as db:
            before = self._get(db, version)
            db.execute("UPDATE versions SET stage = ?, reason = ? WHERE id = ?", (str(stage), reason, version))
            self._note(db, at, version, (before.stage, stage), by, reason)
            return self._get(db, version)

    def alias(self, name: Alias, version: str | None, at: dt.datetime, by: str, reason: str) -> None:
        """Point an alias at a version, or at none. When the champion changes, the one before becomes `previous`.

        Raises:
            UsageError: there is no such version; or see the class.
        """
        with self._transaction() as db:
            after = None if version is None else self._get(db, version)
            before = self._resolve(db, name)
            if (before and before.number) == (after and after.number):
                return
            self._point(db, name, after, at, by, reason)
            if name is Alias.CHAMPION and before is not None:
                self._point(db, Alias.PREVIOUS, before, at, by, f"was champion: {reason}")

    def delete(self, version: str, at: dt.datetime, by: str, reason: str) -> None:
        """Remove a version from the registry; its file stays in the store, its history stays here, its number is not used again.

        Raises:
            UsageError: there is no such version, or an alias points at it; or see the class.
        """
        with self._transaction() as db:
            doomed = self._get(db, version)
            rows = db.execute("SELECT name FROM aliases WHERE number = ? ORDER BY name", (doomed.number,)).fetchall()
            if rows:
                names = " and ".join(str(row["name"]) for row in rows)
                raise UsageError(f"{self.path}: version {version} is {names}; point {names} elsewhere before deleting it")
            db.execute("DELETE FROM versions WHERE number = ?", (doomed.number,))
            self._note(db, at, version, (doomed.stage, ""), by, reason)

    # --------------------------------------------------------------------------------------------------------------- reading

    def versions(self) -> tuple[Entry, ...]:
        """All versions in the order of their registration."""
        with self._transaction(write=False) as db:
            return tuple(entry(row) for row in db.execute("SELECT * FROM versions ORDER BY number"))

    def lineage(self, version: str) -> Entry:
        """All that is known of a version.

        Raises:
            UsageError: there is no such version; or see the class.
        """
        with self._transaction(write=False) as db:
            return self._get(db, version)

    def resolve(self, name: Alias) -> Entry | None:
        """The version that an alias points at; None: at none."""
        with self._transaction(write=False) as db:
            return self._resolve(db, name)

    def history(self) -> tuple[Entered, ...]:
        """All that happened, in order."""
        with self._transaction(write=False) as db:
            return tuple(entered(row) for row in db.execute("SELECT * FROM history ORDER BY number"))

    def compare(self, left: str, right: str) -> tuple[Difference, ...]:
        """The facts in which two versions differ, lineage first.

        Raises:
            UsageError: there is no such version; or see the class.
        """
        with self._transaction(write=False) as db:
            pair = [described(self._get(db, version)) for version in (left, right)]
        return tuple(Difference(fact, one, pair[1][fact]) for fact, one in pair[0].items() if one != pair[1][fact])

    # --------------------------------------------------------------------------------------------------------------- within

    def _get(self, db: sqlite3.Connection, version: str) -> Entry:
        row = db.execute("SELECT * FROM versions WHERE id = ?", (version,)).fetchone()
        if row is None:
            known = [str(each["id"]) for each in db.execute("SELECT id FROM versions")]
            raise UsageError(f"{self.path}: there is no version {version!r}; {nearest(version, known)}")
        return entry(row)

    def _resolve(self, db: sqlite3.Connection, name: Alias) -> Entry | None:
        row = db.execute(
            "SELECT v.* FROM versions v JOIN aliases a ON a.number = v.number WHERE a.name = ?", (str(name),)
        ).fetchone()
        return None if row is None else entry(row)

    def _point(self, db: sqlite3.Connection, name: Alias, target: Entry | None, at: dt.datetime, by: str, reason: str) -> None:
        before = self._resolve(db, name)
        db.execute("DELETE FROM aliases WHERE name = ?", (str(name),))
        if target is not None:
            db.execute("INSERT INTO aliases (name, number) VALUES (?, ?)", (str(name), target.number))
        self._note(db, at, str(name), (before.model.id if before else "", target.model.id if target else ""), by, reason)

    @staticmethod
    def _note(db: sqlite3.Connection, at: dt.datetime, subject: str, change: tuple[str, str], by: str, reason: str) -> None:
        db.execute(
            "INSERT INTO history (at, subject, before, after, who, reason) VALUES (?, ?, ?, ?, ?, ?)",
            (at.isoformat(), subject, str(change[0]), str(change[1]), by, reason),
        )

    def _transaction(self, *, write: bool = True) -> AbstractContextManager[sqlite3.Connection]:
        return transaction(self.path, self._wait, write=write)
