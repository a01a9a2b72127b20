"""The Brier score halfway between a fresh and a stale model's, on the hours that a drill judges."""

from __future__ import annotations

import datetime as dt
from functools import cache

import numpy as np
from numpy.typing import NDArray

from drillbox.sandbox.learning import training
from drillbox.sandbox.learning.windows import Spans
from drillbox.sandbox.world.cache import load_data
from drillbox.sandbox.world.calendar import minutes_of
from drillbox.sandbox.world.data import FlightData

FRESH = dt.timedelta(days=42)
STALE = (dt.datetime(2013, 1, 1), dt.datetime(2013, 3, 1))
ASKED_BEFORE = 180
"""Minutes before departure at which a flight is taken to be asked about."""


@cache
def data() -> FlightData:
    return load_data(lambda _step, _done: None)


@cache
def model(start: dt.datetime, end: dt.datetime) -> training.Classifier:
    rows = data().learnable(minutes_of(start), minutes_of(end))
    made = training.new_model(60)
    with training._one_thread():
        made.fit(training.departure_features(data(), rows), data().label[rows])
    return made


def worst_brier(made: training.Classifier, start: dt.datetime, hours: int) -> float:
    """The highest Brier score of all quality windows in so many calendar hours from a start."""
    spans, begin = Spans(), minutes_of(start)
    before = (spans.quality_hours + spans.maturity_hours) * 60.0
    rows = data().departing(begin - before, begin + (hours - spans.maturity_hours) * 60.0)
    known = ((data().departure[rows] - ASKED_BEFORE) // 60 - 1).astype(np.int32)
    scores, departure = training.score(made, data().features(rows, known)), data().departure[rows]
    errors: NDArray[np.float64] = (scores - data().label[rows]) ** 2
    ends = begin + (np.arange(hours + 1) - spans.maturity_hours) * 60.0
    return max(float(np.mean(errors[(departure >= end - spans.quality_hours * 60.0) & (departure < end)])) for end in ends)


def halfway(start: dt.datetime, hours: int, train: tuple[dt.datetime, dt.datetime] | None = None) -> float:
    """Between the model of `train`, or of the six weeks before, and that of January and February."""
    fresh = model(*(train or (start - FRESH, start)))
    return (worst_brier(fresh, start, hours) + worst_brier(model(*STALE), start, hours)) / 2.0
