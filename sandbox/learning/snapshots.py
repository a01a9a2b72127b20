"""A snapshot of training data: the flights of a window as they are known at a moment, and the hash of what was taken.

What a snapshot may not be is part of it, too: half of the flights, or labels that have not come and count as "on time".
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..control.gate import SnapshotFacts
from ..world.calendar import FIRST, minutes_of
from ..world.data import FEATURES, OBSERVED_AFTER, FlightData, Rows, departure_hour
from . import store, training
from .references import Reference
from .version import TREES, Lineage, ModelVersion, code_of

RANGES: Mapping[str, tuple[float, float]] = {
    "hour": (0.0, 23.0),
    "weekday": (0.0, 6.0),
    "distance": (0.0, 6000.0),
    "temp": (-40.0, 125.0),
    "dewp": (-60.0, 95.0),
    "humid": (0.0, 100.0),
    "wind_speed": (0.0, 120.0),
    "wind_gust": (0.0, 150.0),
    "precip": (0.0, 10.0),
    "pressure": (930.0, 1070.0),
    "visib": (0.0, 10.0),
}
"""What values of a feature can be, in the source's units."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Flights that left in [start, until), their labels, and the features with the weather of their hour of departure."""

    data: FlightData
    rows: Rows
    labels: NDArray[np.uint8]
    start: dt.datetime
    until: dt.datetime

    @cached_property
    def features(self) -> Floats:
        """Feature matrix [n, len(FEATURES)]."""
        return training.departure_features(self.data, self.rows)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the rows as they are trained on: names of the columns, features, labels."""
        digest = hashlib.sha256("/".join(FEATURES).encode())
        for part in (self.data.departure[self.rows].astype("<i4"), self.features.astype("<f8"), self.labels):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def lineage(self, threshold: float, trees: int = TREES) -> Lineage:
        """What decides the model that is trained on it."""
        return Lineage(self.digest, code_of(self.data), self.start, self.until, threshold, trees)

    @property
    def late(self) -> float:
        """Share of the flights that were late; NaN of none."""
        return float(np.mean(self.labels)) if len(self.labels) else float("nan")


def take(
    data: FlightData, start: dt.datetime, until: dt.datetime, *, before_hour: int = 24, as_on_time: bool = False
) -> Snapshot:
    """What is known at `until` of the flights that left since `start`.

    Args:
        data: the flights.
        start: of the window; the beginning of the data if that is later.
        until: its end, and the moment of the snapshot: no later label, no later weather.
        before_hour: flights scheduled to leave at this hour of the day or later are not in it: a part of the data is missing.
        as_on_time: whether flights without a label yet are in it as "on time", in place of left out.
    """
    start = max(start, FIRST)
    first, last = minutes_of(start), minutes_of(until)
    if as_on_time:
        rows = data.departing(first, last)
        rows = rows[departure_hour(data, rows) * 60 + OBSERVED_AFTER <= last]
    else:
        rows = data.learnable(first, last)
    rows = rows[data.hour[rows] < before_hour]
    labels = np.where(data.known_at[rows] <= last, data.label[rows], 0).astype(np.uint8)
    return Snapshot(data, rows, labels, start, until)


def train(snapshot: Snapshot, threshold: float, trees: int = TREES) -> ModelVersion:
    """The model of a snapshot: from the store if it was trained before, else trained (about a second) and stored.

    Raises:
        UsageError: it has too few flights or all of one kind, or the store cannot be written.
    """
    wanted = snapshot.lineage(threshold, trees)
    known = store.find(wanted.id)
    if known is not None:
        return known
    model, quality, predictions = training.fit_rows(snapshot.features, snapshot.labels, wanted)
    return store.save(model, wanted, quality, predictions)


def rows_per_day(version: ModelVersion) -> float:
    """Of the data that a version was trained on."""
    return version.quality.flights / ((version.train_until - version.train_from) / dt.timedelta(days=1))


def facts(snapshot: Snapshot, champion: Reference, usual_per_day: float) -> SnapshotFacts:
    """What the gate must know of a snapshot, against the training data of the champion and the usual number of rows in a day."""
    days = (snapshot.until - snapshot.start) / dt.timedelta(days=1)
    matrix = snapshot.features
    missing = np.mean(np.isnan(matrix), axis=0) if len(matrix) else np.ones(len(FEATURES))
    outside = {}
    for name, (low, high) in RANGES.items():
        values = matrix[:, FEATURES.index(name)]
        present = values[~np.isnan(values)]
        outside[name] = float(np.mean((present < low) | (present > high))) if len(present) else 0.0
    return SnapshotFacts(
        rows=len(snapshot.rows),
        usual_rows=usual_per_day * days,
        columns=FEATURES,
        expected_columns=FEATURES,
        null_excess={name: float(missing[i]) - champion.features[i].null_rate for i, name in enumerate(FEATURES)},
        out_of_range=outside,
    )
