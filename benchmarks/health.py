"""What the model's health costs: an evaluation over a day of real flights, taking answers in, and the libraries' own functions.

`--check` exits with 1 when an evaluation takes 2 ms, a step's answers 0.1 ms, or the reference 5 ms from the cache. The least of
many runs counts: another program can only add to a time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
from _lines import Line, run
from scipy.stats import ks_2samp  # type: ignore[import-untyped]  # has no stubs
from sklearn.metrics import average_precision_score, roc_auc_score  # type: ignore[import-untyped]  # has no stubs

from drillbox.sandbox.learning import health, models, store, training
from drillbox.sandbox.learning.references import reference
from drillbox.sandbox.learning.version import Lineage
from drillbox.sandbox.learning.windows import HealthWindow
from drillbox.sandbox.world.cache import load_data
from drillbox.sandbox.world.calendar import minutes_of
from drillbox.sandbox.world.data import FEATURES, known_hour

START = dt.datetime(2013, 9, 16, 12)
PER_STEP = 120
"""Answers in a second of drill time."""
EVALUATION, STEP, LOADING = 2.0, 0.1, 5.0
"""Limits in milliseconds."""


def least(action: Callable[[], object], runs: int = 50) -> float:
    """Milliseconds."""
    times = []
    for _ in range(runs):
        begin = perf_counter()
        action()
        times.append(perf_counter() - begin)
    return 1000.0 * min(times)


def measure() -> Sequence[Line]:
    """All of them."""
    data, now = load_data(), minutes_of(START)
    wanted = Lineage(data.data_hash, "benchmark", START - dt.timedelta(days=42), START, 0.25, 60)
    version = store.find(wanted.id) or models.train(data, wanted)
    known = reference(version, data)
    training_rows = data.learnable(minutes_of(version.train_from), now)

    asked = data.departing(now - 34 * 60, now + 360)
    when = np.minimum(data.departure[asked], now).astype(np.float64)
    matrix = data.features(asked, known_hour(when))
    scores = training.score(store.load(version), matrix)
    window = HealthWindow(data, int(asked[0]), int(asked[-1]) + 1)
    window.answered("champion", when, asked, matrix, scores)
    landed = asked[data.known_at[asked] <= now]
    window.labelled(landed, data.label[landed])
    found = window.evaluate("champion", now, known)
    assert found.drift is not None
    assert found.quality is not None

    some = np.random.default_rng(1).integers(len(asked) - 300, len(asked), PER_STEP)
    step = (np.full(PER_STEP, now), asked[some], matrix[some], scores[some])
    _, judged, labels = window.judged("champion", now)
    column = FEATURES.index("pressure")
    then = training.departure_features(data, training_rows)[:, column]
    then, values = then[~np.isnan(then)], matrix[:, column]
    values = values[~np.isnan(values)]
    rows = (
        (f"an evaluation: drift on {found.drift.flights} flights, quality on {found.quality.flights}",
         least(lambda: window.evaluate("champion", now, known)), EVALUATION),
        (f"taking in {PER_STEP} answers", least(lambda: window.answered("champion", *step)), STEP),
        ("a reference from the cache", least(lambda: reference(version, data), 20), LOADING),
        (f"KS of one feature against {len(then)} training rows", least(lambda: known.features[column].ks(values)), None),
        ("the same with scipy.stats.ks_2samp", least(lambda: ks_2samp(values, then, method="asymp"), 10), None),
        (f"AUC and average precision of {len(judged)} flights",
         least(lambda: (health.auc(judged, labels), health.average_precision(judged, labels))), None),
        ("the same with scikit-learn",
         least(lambda: (roc_auc_score(labels, judged), average_precision_score(labels, judged)), 10), None),
    )  # fmt: skip
    return [Line(f"model health: {name}", time, "ms", limit, least=False) for name, time, limit in rows]


if __name__ == "__main__":
    run(measure, __doc__)
