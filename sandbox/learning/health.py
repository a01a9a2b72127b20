"""Quality of scores under matured labels, on plain arrays: fast enough for gauges, and equal to scikit-learn's to 1e-9.

scikit-learn checks and copies its arguments for about a millisecond a call, more than these take for a day of flights; a drill
reads the gauges hundreds of times. The tests hold every function here against scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_FLIGHTS = 50
"""Distinct flights below which a statistic is not given: an AUC of 50 flights, 20% of them late, has a standard error of 0.1."""

CALIBRATION_BINS = 10
"""Bins of equal width of the expected calibration error."""

Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]
Flights = NDArray[np.int32] | NDArray[np.int64]

_INNER_EDGES = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]


@dataclass(frozen=True, slots=True)
class QualityReading:
    """How good scores were on distinct flights. `auc` and `average_precision` are None where all flights ended alike."""

    flights: int
    late: float  # share of them
    mean_score: float
    auc: float | None  # area under the ROC curve
    average_precision: float | None
    brier: float  # mean squared error of the score as a probability
    calibration_error: float  # expected, over `CALIBRATION_BINS` bins

    @property
    def calibration_in_the_large(self) -> float:
        """Mean score less share late: above 0 the model expects too many late flights."""
        return self.mean_score - self.late


def quality(scores: Floats, labels: Labels, minimum: int = MIN_FLIGHTS) -> QualityReading | None:
    """Quality of the scores [n] of distinct flights under their labels [n], 1 for late; None below `minimum` flights."""
    if len(scores) < max(1, minimum):
        return None
    return QualityReading(
        flights=len(scores),
        late=float(np.mean(labels)),
        mean_score=float(np.mean(scores)),
        auc=auc(scores, labels),
        average_precision=average_precision(scores, labels),
        brier=brier(scores, labels),
        calibration_error=calibration_error(scores, labels),
    )


def quality_by_slice(
    scores: Floats, labels: Labels, codes: NDArray[np.uint8], names: NDArray[np.str_], minimum: int = MIN_FLIGHTS
) -> Mapping[str, QualityReading | None]:
    """Quality of each slice that has a flight, by the slice's name; None for those with fewer than `minimum` flights.

    Args:
        scores: of distinct flights, [n].
        labels: 1 for late, [n].
        codes: the slice of each flight as an index into `names`, [n], such as `FlightData.origin[rows]`.
        names: of the slices.
        minimum: flights below which a slice has no quality.
    """
    readings: dict[str, QualityReading | None] = {}
    for code in np.unique(codes):
        members = codes == code
        readings[str(names[code])] = quality(scores[members], labels[members], minimum)
    return readings


def auc(scores: Floats, labels: Labels) -> float | None:
    """Area under the ROC curve: in what share of pairs of a late flight and another the late one scores higher; a tie is half.

    None where there is no such pair.
    """
    late = labels != 0
    positive, negative = scores[late], np.sort(scores[~late])
    pairs = len(positive) * len(negative)
    if not pairs:
        return None
    below, up_to = (int(np.sum(np.searchsorted(negative, positive, side=side))) for side in ("left", "right"))
    return (below + up_to) / (2 * pairs)


def average_precision(scores: Floats, labels: Labels) -> float | None:
    """Sum over the distinct scores, from the highest, of precision at that threshold times the recall gained there.

    Not interpolated, as in scikit-learn. None without a late flight, and where all are late, when it says nothing.
    """
    total = int(np.count_nonzero(labels))
    if total in {0, len(labels)}:
        return None
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(scores) - 1)  # last flight of each distinct score
    found = np.cumsum(labels[order] != 0)[last]
    return float(np.sum(np.diff(found, prepend=0) * (found / (last + 1.0)))) / total


def brier(scores: Floats, labels: Labels) -> float:
    """Mean squared error of the scores as probabilities of late; NaN of no flights.

    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950, for two classes as
    everybody computes it today: half of Brier's own sum.
    """
    return float(np.mean((scores - labels) ** 2)) if len(scores) else float("nan")


def calibration_error(scores: Floats, labels: Labels) -> float:
    """Expected calibration error: |mean score - share late| in bins of the score, weighted by the flights in them.

    `CALIBRATION_BINS` bins of equal width over [0, 1], each with its upper bound, those of scikit-learn's `calibration_curve`;
    empty bins weigh nothing. NaN of no flights.

    Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.
    """
    if not len(scores):
        return float("nan")
    bins = np.searchsorted(_INNER_EDGES, scores)
    gap = np.bincount(bins, weights=scores - labels, minlength=CALIBRATION_BINS)
    return float(np.sum(np.abs(gap))) / len(scores)


def latest_per_flight(flights: Flights, times: Floats) -> NDArray[np.int64]:
    """Indices of the latest answer about each flight, in the order of flights; of answers at the same time the last one.

    Args:
        flights: the flight of each answer, [n].
        times: when it was given, [n].
    """
    order = np.lexsort((times, flights))  # stable, so equal times stay in the order given
    ordered = flights[order]
    last = np.ones(len(order), dtype=np.bool_)
    last[:-1] = ordered[1:] != ordered[:-1]
    return np.asarray(order[last], dtype=np.int64)
