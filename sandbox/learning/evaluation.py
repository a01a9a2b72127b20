"""Champion and candidate on the same flights: held out, landed long ago, and per slice; and as they answered side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..control.canary import Evidence
from ..control.gate import Comparison
from ..world.data import FlightData, Rows, departure_hour
from ..world.draws import Examples
from .health import brier
from .models import score_examples
from .version import ModelVersion
from .windows import SLICES, HealthWindow

HELD_OUT_HOURS = 48.0
"""Length of the evaluation window in calendar hours: it ends when labels are mature, and training data end where it begins."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Brier scores of candidate and champion on all flights of the evaluation, and by slice (`origin=JFK`)."""

    overall: Comparison
    slices: Mapping[str, Comparison]


def held_out(data: FlightData, start: float, end: float, now: float) -> Rows:
    """Rows of the flights that left in [start, end) calendar minutes and of which the label is known at `now`."""
    rows = data.departing(start, max(start, end))
    return rows[data.known_at[rows] <= now]


def evaluate(data: FlightData, rows: Rows, candidate: ModelVersion, champion: ModelVersion) -> Evaluation:
    """Both on the same flights, with the weather of their hour of departure.

    Raises:
        UsageError: a stored model is damaged.
    """
    examples = Examples(data, rows, departure_hour(data, rows))
    scores = [score_examples(version, examples) for version in (candidate, champion)]
    labels = data.label[rows]

    def compared(chosen: NDArray[np.bool_]) -> Comparison:
        return Comparison(int(np.count_nonzero(chosen)), *(brier(each[chosen], labels[chosen]) for each in scores))

    slices: dict[str, Comparison] = {}
    for by, names in SLICES.items():
        codes = getattr(data, by)[rows]
        slices |= {f"{by}={getattr(data, names)[code]}": compared(codes == code) for code in np.unique(codes)}
    return Evaluation(compared(np.ones(len(rows), np.bool_)), slices)


def side_by_side(window: HealthWindow, candidate: str, champion: str, now: float, skew: tuple[int, float]) -> Evidence:
    """What the candidate has answered lately, beside the champion.

    Args:
        window: of answers and labels.
        candidate: version that is tried out.
        champion: version that serves.
        now: calendar minute.
        skew: number of the candidate's answers that were compared with its offline scores, and their mean distance.
    """
    rows, scores, labels = window.judged(candidate, now)
    other_rows, other_scores, _ = window.judged(champion, now)
    judged, mine, theirs = _in_both(rows, other_rows)
    if judged < 2:
        return Evidence(*skew, judged)
    truth = labels[mine]
    excess = (scores[mine] - truth) ** 2 - (other_scores[theirs] - truth) ** 2
    error = float(np.std(excess, ddof=1)) / math.sqrt(judged)
    return Evidence(*skew, judged, float(np.mean(excess)), error)


def _in_both(here: Rows, there: Rows) -> tuple[int, NDArray[np.intp], NDArray[np.intp]]:
    """How many rows are in both, and their places in each."""
    common, mine, theirs = np.intersect1d(here, there, assume_unique=True, return_indices=True)
    return len(common), mine, theirs
