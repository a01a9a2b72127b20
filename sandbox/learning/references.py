"""`Reference`: what a version's training rows looked like, made once from the data and its training window, then cached.

Drift is measured against it, and a quarantined feature is served as its imputation: the median of a number, the most frequent
code. `usual` and `usual_nulls` say how far the training rows' own windows were from the whole: what is usual is no alarm.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..paths import atomic_write, cached, found
from ..world.cache import code_version
from ..world.calendar import minutes_of
from ..world.data import CATEGORICAL, DAMAGED, FEATURES, FlightData, Rows
from ..world.draws import HORIZON
from . import store, training
from .drift import Distribution, distribution
from .health import MIN_FLIGHTS
from .version import ModelVersion

USUAL_HOURS = 24.0
"""Length of the windows of `usual`, in calendar hours: that of `Spans.drift_hours`."""

DATA_HOURS = 6.0
"""Length of the windows of `usual_nulls`, in calendar hours: that of `Spans.data_hours`."""

LEAST_USUAL = 0.1
"""The least `usual`: a PSI below it is no shift, by the rule of thumb, however small the usual ones are."""

UNBOUNDED = ("precip",)
"""Features whose range six weeks do not tell: the heaviest rain of a year is several times that of its other months."""

_STEP = 6 * 60
_SCORES = "scores"
_NAMES = (*FEATURES, _SCORES)
_PARTS = ("edges", "shares", "values", "below")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The training rows of one version."""

    version: str
    base_rate: float  # share of them that were late
    features: tuple[Distribution, ...]  # in the order of `FEATURES`
    scores: Distribution  # of the version, in sample
    usual: Floats  # [len(FEATURES)] the largest PSI of `USUAL_HOURS` of the training rows, at least `LEAST_USUAL`
    usual_nulls: Floats  # [len(FEATURES)] the largest share of missing values in `DATA_HOURS` of the training rows

    @property
    def rows(self) -> int:
        """The number of training rows."""
        return self.scores.rows

    @property
    def imputations(self) -> Floats:
        """[len(FEATURES)] what stands in for a value that must not be used; NaN for a feature that no training row has."""
        return _imputations(self.features)

    def feature(self, name: str) -> Distribution:
        """The distribution of a feature by its name.

        Raises:
            ValueError: there is no such feature.
        """
        return self.features[FEATURES.index(name)]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """The rows that a version was trained on, with the labels that they had there."""

    rows: Rows
    labels: NDArray[np.uint8]


def reference(version: ModelVersion, data: FlightData, rows: TrainingRows | None = None) -> Reference:
    """The reference of a stored version: from the cache (about 2 ms), or made from its training rows and cached (half a second).

    Args:
        version: as stored.
        data: the flights.
        rows: that it was trained on; all that were known in its training window if not given.

    Raises:
        UsageError: the stored model is damaged, or the cache cannot be written.
    """
    path = _place(version, data)
    known = _read(found(path), version.id)
    if known is not None:
        return known
    built = build(version, data, store.load(version), rows)
    atomic_write(path, functools.partial(_write, built))
    return built


def imputations_of(version: ModelVersion, data: FlightData) -> Floats:
    """Those of `reference`, without making the rest: a tenth of the time where that is not in the cache, which stays as it is.

    Raises:
        ValueError: no row was known in the version's training window.
    """
    known = _read(found(_place(version, data)), version.id)
    if known is not None:
        return known.imputations
    rows = data.learnable(minutes_of(version.train_from), minutes_of(version.train_until))
    return _imputations(_distributions(training.departure_features(data, rows)))


def build(
    version: ModelVersion, data: FlightData, model: training.Classifier, trained_on: TrainingRows | None = None
) -> Reference:
    """The reference of a version and its loaded model, from the rows that training sees and no others."""
    if trained_on is None:
        rows = data.learnable(minutes_of(version.train_from), minutes_of(version.train_until))
        trained_on = TrainingRows(rows, data.label[rows])
    rows = trained_on.rows
    matrix = training.departure_features(data, rows)
    known = _distributions(matrix)
    return Reference(
        version=version.id,
        base_rate=float(np.mean(trained_on.labels)),
        features=known,
        scores=distribution(training.score(model, matrix)),
        usual=_usual(known, matrix, data.departure[rows]),
        usual_nulls=_usual_nulls(matrix, data.departure[rows]),
    )


def _place(version: ModelVersion, data: FlightData) -> Path:
    """Where the reference of a version is cached."""
    key = hashlib.sha256(f"{version.sha256}/{data.data_hash}/{data.code_version}/{_code()}".encode()).hexdigest()[:32]
    return cached("references", f"{key}.npz")


def _distributions(matrix: Floats) -> tuple[Distribution, ...]:
    """Those of the columns [rows, len(FEATURES)]."""
    return tuple(
        distribution(matrix[:, i], categorical=name in CATEGORICAL, bounded=name not in UNBOUNDED)
        for i, name in enumerate(FEATURES)
    )


def _imputations(known: Sequence[Distribution]) -> Floats:
    return np.array([one.imputation for one in known])


def _usual(known: tuple[Distribution, ...], matrix: Floats, departure: NDArray[np.int32]) -> Floats:
    """The largest PSI of any window of the training rows, by feature, `LEAST_USUAL` at least; NaN where they span no window."""
    windows = _windows(departure, USUAL_HOURS)
    columns = np.ascontiguousarray(matrix.T)
    psis = [[one.psi(values[window]) for window in windows] for one, values in zip(known, columns, strict=True)]
    return np.array([max(LEAST_USUAL, *each) if each else np.nan for each in psis])


def _usual_nulls(matrix: Floats, departure: NDArray[np.int32]) -> Floats:
    """The largest share of missing values of any window, by feature; NaN where the training rows span no whole window."""
    missing = np.isnan(matrix)
    shares = [np.mean(missing[window], axis=0) for window in _windows(departure, DATA_HOURS)]
    return np.asarray(np.max(shares, axis=0), dtype=np.float64) if shares else np.full(len(FEATURES), np.nan)


def _windows(departure: NDArray[np.int32], hours: float) -> list[slice[int, int, None]]:
    """Windows of the rows that are like those of the monitor: flights that left, and those asked about ahead.

    They begin every 6 hours; those with few flights are left out, as they are there.
    """
    length = int(hours * 60) + HORIZON
    starts = np.arange(int(departure[0]), int(departure[-1]) - length + 1, _STEP)
    firsts, lasts = np.searchsorted(departure, starts), np.searchsorted(departure, starts + length)
    return [slice(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True) if last - first >= MIN_FLIGHTS]


def _write(made: Reference, file: BinaryIO) -> None:
    """One flat array for each part of all distributions: few arrays, since each costs time to open."""
    known = (*made.features, made.scores)
    arrays: dict[str, NDArray[np.float64] | NDArray[np.int64] | NDArray[np.str_]] = {
        "facts": np.array([[one.categorical, one.rows, one.imputation, one.bounded] for one in known], dtype=np.float64),
        "usual": made.usual,
        "usual_nulls": made.usual_nulls,
        "base_rate": np.array([made.base_rate]),
        "version": np.array([made.version]),
    }
    for part in _PARTS:
        pieces = [np.asarray(getattr(one, part), dtype=np.float64) for one in known]
        arrays[part] = np.concatenate(pieces)
        arrays[f"{part}_sizes"] = np.array([len(piece) for piece in pieces])
    np.savez(file, allow_pickle=False, **arrays)


def _read(path: Path, version: str) -> Reference | None:
    """What is cached; None if it is not there, damaged, or that of another version."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return _restored(arrays) if str(arrays["version"][0]) == version else None
    except DAMAGED:
        return None
    except IndexError:
        return None


def _restored(arrays: dict[str, Floats]) -> Reference:
    """The reference in what was read.

    Raises:
        ValueError: parts do not fit together.
    """
    pieces = {part: np.split(arrays[part], np.cumsum(arrays[f"{part}_sizes"].astype(np.int64))[:-1]) for part in _PARTS}
    known = [
        Distribution(
            bool(categorical), edges, shares, values, below.astype(np.int64), int(rows), float(imputation), bool(bounded)
        )
        for (categorical, rows, imputation, bounded), edges, shares, values, below in zip(
            arrays["facts"], *(pieces[part] for part in _PARTS), strict=True
        )
    ]
    fits = all(len(one.shares) == len(one.edges) + 2 and len(one.values) == len(one.below) for one in known)
    if not fits or len(known) != len(_NAMES):
        raise ValueError("the parts of the reference do not fit together")
    return Reference(
        str(arrays["version"][0]),
        float(arrays["base_rate"][0]),
        tuple(known[:-1]),
        known[-1],
        arrays["usual"],
        arrays["usual_nulls"],
    )


@functools.cache
def _code() -> str:
    here = Path(__file__).parent
    return code_version(here / name for name in ("drift.py", "references.py", "training.py"))
