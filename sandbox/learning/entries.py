"""What the model registry holds: versions, the names that point at them, and what happened; and these as rows of its file."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .version import Lineage, ModelVersion, Quality


class DamagedRowError(Exception):
    """A row of the file cannot be what was written."""


class Alias(StrEnum):
    """Names that point at one version at a time."""

    CHAMPION = "champion"
    CANDIDATE = "candidate"
    PREVIOUS = "previous"


class Stage(StrEnum):
    """What became of a version."""

    REGISTERED = "registered"
    REJECTED = "rejected"  # by the gate, or by hand
    CANARY = "canary"
    PROMOTED = "promoted"
    ABORTED = "aborted"  # its canary was
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered version: `model` has its lineage, in-sample quality, and the SHA-256 of its file."""

    number: int  # 1 is the first
    created: dt.datetime  # calendar time
    model: ModelVersion
    trees: int
    stage: Stage
    reason: str  # for its stage

    @property
    def lineage(self) -> Lineage:
        """What decided the model before it was trained: the same lineage is the same model."""
        model = self.model
        window = (model.train_from, model.train_until)
        return Lineage(model.data_hash, model.code_version, *window, model.threshold, self.trees)


@dataclass(frozen=True, slots=True)
class Entered:
    """One line of the history: an alias that moved (`subject` is its name), or a version's stage (`subject` is its id)."""

    number: int
    at: dt.datetime
    subject: str
    before: str  # empty: nothing
    after: str  # empty: nothing
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact in which two versions differ."""

    fact: str
    left: str
    right: str


def facts(model: ModelVersion, created: dt.datetime, trees: int) -> tuple[str | float | int, ...]:
    """The columns of the table `versions` from `id` to `predictions`."""
    quality = model.quality
    return (
        model.id,
        created.isoformat(),
        model.data_hash,
        model.code_version,
        model.train_from.isoformat(),
        model.train_until.isoformat(),
        model.threshold,
        trees,
        json.dumps(dict(model.packages), sort_keys=True),
        json.dumps([quality.flights, quality.late, quality.mean_score, quality.auc, quality.brier]),
        model.sha256,
        model.predictions,
    )


def entry(row: sqlite3.Row) -> Entry:
    """A row of the table `versions`.

    Raises:
        DamagedRowError: it cannot be what was written.
    """
    try:
        model = ModelVersion(
            id=str(row["id"]),
            data_hash=str(row["data_hash"]),
            code_version=str(row["code_version"]),
            train_from=dt.datetime.fromisoformat(row["train_from"]),
            train_until=dt.datetime.fromisoformat(row["train_until"]),
            threshold=float(row["threshold"]),
            quality=Quality(*json.loads(row["quality"])),
            packages={str(name): str(value) for name, value in json.loads(row["packages"]).items()},
            sha256=str(row["sha256"]),
            predictions=str(row["predictions"]),
        )
        created = dt.datetime.fromisoformat(row["created"])
        return Entry(int(row["number"]), created, model, int(row["trees"]), Stage(row["stage"]), str(row["reason"]))
    except _DAMAGED as error:
        raise DamagedRowError(f"a row of versions: {error}") from error


def entered(row: sqlite3.Row) -> Entered:
    """A row of the table `history`.

    Raises:
        DamagedRowError: it cannot be what was written.
    """
    names = ("subject", "before", "after", "who", "reason")
    try:
        return Entered(int(row["number"]), dt.datetime.fromisoformat(row["at"]), *(str(row[name]) for name in names))
    except _DAMAGED as error:
        raise DamagedRowError(f"a row of history: {error}") from error


_DAMAGED = (ValueError, KeyError, TypeError, IndexError, AttributeError)


def described(entry: Entry) -> Mapping[str, str]:
    """An entry as text for people, fact by fact."""
    model, quality = entry.model, entry.model.quality
    return {
        "data": model.data_hash,
        "code": model.code_version,
        "trained from": f"{model.train_from:%Y-%m-%d %H:%M}",
        "trained until": f"{model.train_until:%Y-%m-%d %H:%M}",
        "threshold": f"{model.threshold:.6g}",
        "trees": str(entry.trees),
        "packages": ", ".join(f"{name} {version}" for name, version in sorted(model.packages.items())),
        "file": model.sha256,
        "predictions": model.predictions,
        "flights": str(quality.flights),
        "late": f"{quality.late:.4f}",
        "mean score": f"{quality.mean_score:.4f}",
        "AUC": f"{quality.auc:.4f}",
        "Brier score": f"{quality.brier:.4f}",
        "registered": f"{entry.created:%Y-%m-%d %H:%M}",
        "stage": str(entry.stage),
        "reason": entry.reason,
    }
