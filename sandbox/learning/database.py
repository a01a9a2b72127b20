"""The file of the model registry: its layout, its transactions, and what to tell the user when it cannot be used."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ..model.errors import UsageError
from ..paths import folder
from .entries import DamagedRowError

SCHEMA = 2
"""Number of the layout below; a file of another one is refused."""

_LAYOUT = """
CREATE TABLE versions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL,
    data_hash TEXT NOT NULL,
    code_version TEXT NOT NULL,
    train_from TEXT NOT NULL,
    train_until TEXT NOT NULL,
    threshold REAL NOT NULL,
    trees INTEGER NOT NULL,
    packages TEXT NOT NULL,
    quality TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    predictions TEXT NOT NULL,
    stage TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE TABLE aliases (name TEXT PRIMARY KEY, number INTEGER NOT NULL REFERENCES versions (number)) STRICT;
CREATE TABLE history (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    subject TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
"""

_REMOVE = "move the file away and the registry is begun anew, the models stay in their store"
_WRITABLE = "make file and folder writable, or set DRILLBOX_HOME to a folder that you may write to"
_REASONS = {
    sqlite3.SQLITE_BUSY: ("another process holds it locked", "end that process, or try again when it is done"),
    sqlite3.SQLITE_LOCKED: ("another process holds it locked", "end that process, or try again when it is done"),
    sqlite3.SQLITE_READONLY: ("it is read-only", _WRITABLE),
    sqlite3.SQLITE_PERM: ("it is not accessible", _WRITABLE),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", _WRITABLE),
    sqlite3.SQLITE_FULL: ("the disk is full", "make room on the disk, or set DRILLBOX_HOME to a folder with room"),
    sqlite3.SQLITE_IOERR: ("it could not be read or written", "check the disk; if the file is at fault, " + _REMOVE),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", _REMOVE),
    sqlite3.SQLITE_NOTADB: ("it is no SQLite file", _REMOVE),
}


@contextlib.contextmanager
def transaction(path: Path, wait: float, *, write: bool) -> Iterator[sqlite3.Connection]:
    """A connection to the file within a transaction: committed at the end, rolled back on any error.

    A transaction that writes takes the lock at once, so that what it reads cannot change before it writes.

    Args:
        path: of the file, which is created with its folder if it is not there.
        wait: seconds to wait for other processes.
        write: whether it will write.

    Raises:
        UsageError: the file cannot be used; the message names it and says what to do.
    """
    folder(path.parent)
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=wait, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            _lay_out(db, path)
            with _committing(db, "BEGIN IMMEDIATE" if write else "BEGIN"):
                yield db
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    except DamagedRowError as error:
        raise UsageError(f"cannot use the model registry {path}: it is damaged: {error}; {_REMOVE}") from error


@contextlib.contextmanager
def _committing(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    db.execute(begin)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # some errors of SQLite roll back by themselves
            db.execute("ROLLBACK")
        raise


def _lay_out(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file."""
    if _layout(db) == 0:
        with _committing(db, "BEGIN IMMEDIATE"):
            if _layout(db) == 0:  # nobody else made them meanwhile
                for statement in _LAYOUT.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {SCHEMA}")
    if (found := _layout(db)) != SCHEMA:
        raise UsageError(f"cannot use the model registry {path}: it has layout {found}, not {SCHEMA}; {_REMOVE}")


def _layout(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _unusable(path: Path, error: sqlite3.Error) -> UsageError:
    """The user's message for what SQLite met. The low byte of its code is the kind of error."""
    why, hint = _REASONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, (f"it is damaged: {error}", _REMOVE))
    return UsageError(f"cannot use the model registry {path}: {why}; {hint}")
