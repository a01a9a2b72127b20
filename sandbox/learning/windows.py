"""`HealthWindow`: what was answered lately, which labels have come, and the health of a version at a moment of the calendar.

All statistics are on distinct flights: a flight that is asked about a thousand times counts once, with its latest answer.

*Drift* looks at the flights that were asked about within the last `drift_hours`: a whole day, since a few hours of a day never
look like six weeks. *Data quality*, what is missing or out of range, needs no whole day and looks at the last `data_hours` only.

*Quality* looks at cohorts: the flights that were to leave within the same hour. Labels come when flights land, those of late
flights later, so the labels that happen to be known say that flights are more punctual than they are. A cohort therefore counts
only when it is mature: it left at least `maturity_hours` ago, and at least `COMPLETE` of the labels of its flights have come. The
window is made of the `quality_hours` before that. What does not count is visible: `pending`, and of these `overdue`, few unless
labels are late.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..world.data import FEATURES, FlightData, Rows
from .drift import Distribution, null_rate
from .health import MIN_FLIGHTS, Flights, Floats, Labels, QualityReading, latest_per_flight, quality, quality_by_slice
from .references import Reference

COMPLETE = 0.95
"""Share of a cohort's labels that must have come: a flight that never gets one must not hold up the hour it left in."""

_HOUR = 60
_UNKNOWN = 255
SLICES = {"origin": "origins", "carrier": "carriers", "dest": "dests"}
"""What quality can be sliced by, and the column of `FlightData` with the names."""


@dataclass(frozen=True, slots=True)
class Spans:
    """How far back statistics look, in calendar hours, and how many distinct flights they need (`docs/quality.md`)."""

    drift_hours: float = 24.0
    data_hours: float = 6.0
    quality_hours: float = 24.0
    maturity_hours: float = 10.0  # 99.7% of all labels are known 10 hours after the scheduled departure
    minimum: int = MIN_FLIGHTS


@dataclass(frozen=True, slots=True)
class FeatureReading:
    """One feature against the training rows; NaN where there is nothing to say, or too few flights."""

    psi: float  # in the drift window
    ks: float  # in the drift window; NaN of codes
    null_excess: float  # share missing in the data window less the largest share in any such window of the training rows
    outside: float  # share of the values in the data window that training did not know


@dataclass(frozen=True, slots=True)
class DriftReading:
    """The drift window of one version, and the data window in it."""

    flights: int  # in the drift window
    features: Mapping[str, FeatureReading]
    prediction_psi: float  # of the scores


@dataclass(frozen=True, slots=True)
class Maturity:
    """Flights about which a version answered and that left since the quality window began, by what is known of their labels."""

    matured: int  # in a mature cohort, with a label: these are judged
    pending: int  # all others
    overdue: int  # of these, those that left at least `maturity_hours` ago


@dataclass(frozen=True, slots=True)
class Health:
    """The health of one version at a moment. A part is None where there are fewer distinct flights than its minimum."""

    drift: DriftReading | None
    quality: QualityReading | None
    maturity: Maturity


@dataclass(frozen=True, slots=True, eq=False)
class _Latest:
    """The latest answer of one version about each flight in reach."""

    times: Floats  # calendar minutes, [flights]; -inf: none
    features: Floats  # [flights, len(FEATURES)]
    scores: Floats


class HealthWindow:
    """Takes in answers and labels as they come, and evaluates a version whenever asked.

    Args:
        data: the flights.
        first: the first row that can be asked about, at least `quality_hours + maturity_hours` before the first evaluation.
        last: the row after the last one.
        spans: of the windows.
        watched: features whose drift and gaps are evaluated.
    """

    def __init__(
        self, data: FlightData, first: int, last: int, spans: Spans | None = None, watched: Sequence[str] = FEATURES
    ) -> None:
        if not 0 <= first < last <= len(data):
            raise ValueError(f"rows {first} to {last} are not among the {len(data)} flights")
        self.spans = spans or Spans()
        self._watched = [(FEATURES.index(name), name) for name in watched]
        self._data = data
        self._first = first
        self._departure = data.departure[first:last]
        self._labels = np.full(last - first, _UNKNOWN, dtype=np.uint8)
        self._versions: dict[str, _Latest] = {}

    # -------------------------------------------------------------------------------------------------------------- what comes

    def answered(self, version: str, times: Floats, flights: Flights, features: Floats, scores: Floats) -> None:
        """Take in answers of one version.

        Args:
            version: that answered.
            times: calendar minutes of the answers, [n], in any order.
            flights: rows that were asked about, [n], repeated as often as they were.
            features: that the model scored, [n, len(FEATURES)].
            scores: its probabilities of late, [n].

        Raises:
            ValueError: a flight is out of reach.
        """
        if not len(flights):
            return
        chosen = latest_per_flight(flights, times)
        places = self._places(flights[chosen])
        latest = self._of(version)
        newer = times[chosen] >= latest.times[places]
        chosen, places = chosen[newer], places[newer]
        latest.times[places] = times[chosen]
        latest.features[places] = features[chosen]
        latest.scores[places] = scores[chosen]

    def labelled(self, flights: Flights, labels: Labels) -> None:
        """Take in labels, 1 for late, that have just come for distinct flights [n]; a later one corrects an earlier one.

        Raises:
            ValueError: a flight is out of reach.
        """
        self._labels[self._places(flights)] = labels

    # -------------------------------------------------------------------------------------------------------------- evaluation

    def evaluate(self, version: str, now: float, reference: Reference) -> Health:
        """Health of a version at calendar minute `now`, which must not be before what was taken in."""
        rows, maturity = self._judged(version, now)
        return Health(self._drift(version, now, reference), self._quality(version, rows), maturity)

    def quality_by(self, version: str, now: float, by: str) -> Mapping[str, QualityReading | None]:
        """Quality per slice, by its name; `by` is one of `SLICES`. None where a slice has too few flights.

        Raises:
            KeyError: there is no such slicing.
        """
        places, _ = self._judged(version, now)
        rows = places + self._first
        names, codes = getattr(self._data, SLICES[by]), getattr(self._data, by)[rows]
        return quality_by_slice(self._of(version).scores[places], self._labels[places], codes, names, self.spans.minimum)

    def recent(self, version: str, now: float) -> tuple[Rows, Floats, Floats]:
        """Rows, features and scores of the distinct flights in the drift window, for views of values and distributions."""
        latest, places = self._of(version), self._asked(version, now, self.spans.drift_hours)
        return (places + self._first).astype(np.int32), latest.features[places], latest.scores[places]

    def judged(self, version: str, now: float) -> tuple[Rows, Floats, Labels]:
        """Rows, scores and labels of the flights that quality is computed on."""
        places, _ = self._judged(version, now)
        return (places + self._first).astype(np.int32), self._of(version).scores[places], self._labels[places]

    # -------------------------------------------------------------------------------------------------------------- within

    def _of(self, version: str) -> _Latest:
        found = self._versions.get(version)
        if found is None:
            n = len(self._departure)
            found = _Latest(np.full(n, -np.inf), np.full((n, len(FEATURES)), np.nan), np.full(n, np.nan))
            self._versions[version] = found
        return found

    def _places(self, flights: Flights) -> NDArray[np.int64]:
        places = np.asarray(flights, dtype=np.int64) - self._first
        if len(places) and (places.min() < 0 or places.max() >= len(self._departure)):
            raise ValueError(f"a flight is outside the rows {self._first} to {self._first + len(self._departure)} in reach")
        return places

    def _asked(self, version: str, now: float, hours: float) -> NDArray[np.int64]:
        """Places of the flights that were asked about in the last so many hours."""
        return np.flatnonzero(self._of(version).times > now - hours * _HOUR)

    def _drift(self, version: str, now: float, reference: Reference) -> DriftReading | None:
        places = self._asked(version, now, self.spans.drift_hours)
        lately = self._asked(version, now, self.spans.data_hours)
        if len(places) < max(1, self.spans.minimum):
            return None
        if len(lately) < self.spans.minimum:
            lately = lately[:0]
        latest = self._of(version)
        columns = [place for place, _ in self._watched]
        all_of_them, new = (np.ascontiguousarray(latest.features[chosen][:, columns].T) for chosen in (places, lately))
        readings = {
            name: _reading(reference.features[place], all_of_them[i], new[i], float(reference.usual_nulls[place]))
            for i, (place, name) in enumerate(self._watched)
        }
        return DriftReading(len(places), readings, reference.scores.psi(latest.scores[places]))

    def _quality(self, version: str, places: NDArray[np.int64]) -> QualityReading | None:
        return quality(self._of(version).scores[places], self._labels[places], self.spans.minimum)

    def _judged(self, version: str, now: float) -> tuple[NDArray[np.int64], Maturity]:
        """Places of the flights to be judged, and what became of all in question."""
        end = math.floor((now - self.spans.maturity_hours * _HOUR) / _HOUR) * _HOUR
        start = end - self.spans.quality_hours * _HOUR
        first, old, left = np.searchsorted(self._departure, [start, end, now])
        asked = first + np.flatnonzero(np.isfinite(self._of(version).times[first:left]))
        known = self._labels[asked] != _UNKNOWN
        cohort = (self._departure[asked] // _HOUR).astype(np.int64)
        cohort -= cohort[0] if len(cohort) else 0
        share = np.bincount(cohort, weights=known) / np.maximum(np.bincount(cohort), 1)
        matured = known & (share[cohort] >= COMPLETE) & (asked < old)
        pending = asked[~matured]
        counts = Maturity(int(np.count_nonzero(matured)), len(pending), int(np.count_nonzero(pending < old)))
        return asked[matured], counts


def _reading(known: Distribution, values: Floats, lately: Floats, usual_nulls: float) -> FeatureReading:
    usual = known.null_rate if math.isnan(usual_nulls) else usual_nulls
    return FeatureReading(*known.psi_and_ks(values), null_rate(lately) - usual, known.outside(lately))
