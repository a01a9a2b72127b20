"""The static model: as good as measured, trained on nothing from the future, the same every time, and warm without libraries."""

from __future__ import annotations

import dataclasses
import datetime as dt
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drillbox.sandbox.learning import training
from drillbox.sandbox.learning.models import ensure_model, quality_on, score_examples
from drillbox.sandbox.learning.store import find
from drillbox.sandbox.learning.version import ModelVersion, lineage
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.scenario import Prices, Traffic, WorldConfig
from drillbox.sandbox.world.calendar import minutes_of
from drillbox.sandbox.world.data import FlightData
from drillbox.sandbox.world.flights import open_world

PRICES = Prices(failed=0.05, slow=0.01, missed=0.03, false_alarm=0.01, replica_hour=1.0)
WINTER = WorldConfig(
    name="flights",
    start=dt.datetime(2013, 3, 15, 8),
    pace=60.0,
    traffic=Traffic(50.0),
    prices=PRICES,
    train_from=dt.datetime(2013, 1, 1),
    train_until=dt.datetime(2013, 3, 1),
)
SMALL = dataclasses.replace(WINTER, train_until=dt.datetime(2013, 1, 8))


@pytest.fixture
def winter(warm_home: Path, flight_data: FlightData) -> ModelVersion:
    """Trained on January and February, once for all tests."""
    return ensure_model(WINTER, flight_data)


def test_version_says_where_it_comes_from(winter: ModelVersion, flight_data: FlightData) -> None:
    assert winter.id.startswith("flights-20130301-")
    assert winter.data_hash == flight_data.data_hash
    assert winter.threshold == pytest.approx(0.25)
    assert winter.quality.flights > 49_000
    assert winter.quality.mean_score == pytest.approx(winter.quality.late, abs=0.005)  # calibrated in sample
    assert set(winter.packages) == {"scikit-learn", "numpy", "skops"}
    assert find(winter.id) == winter


@pytest.mark.parametrize(
    ("start", "end", "late", "auc", "brier"),
    [
        ((1, 1), (2, 1), 0.227, 0.82, 0.133),
        ((4, 10), (4, 25), 0.345, 0.655, 0.2272),
        ((6, 22), (7, 2), 0.423, 0.715, 0.2547),
        ((7, 8), (7, 15), 0.368, 0.660, 0.2419),
        ((9, 10), (9, 25), 0.160, 0.635, 0.1311),
        ((12, 5), (12, 20), 0.403, 0.691, 0.2383),
    ],
)
def test_drift_is_as_measured(
    winter: ModelVersion,
    flight_data: FlightData,
    start: tuple[int, int],
    end: tuple[int, int],
    late: float,
    auc: float,
    brier: float,
) -> None:
    found = quality_on(winter, flight_data, dt.datetime(2013, *start), dt.datetime(2013, *end))
    assert found.late == pytest.approx(late, abs=0.002)
    assert found.auc == pytest.approx(auc, abs=0.02)
    assert found.brier == pytest.approx(brier, abs=0.02)


def test_training_again_gives_the_same_model_and_a_changed_future_changes_nothing(flight_data: FlightData) -> None:
    """What becomes known after the window can be anything: labels, delays, weather."""
    wanted = lineage(SMALL, flight_data)
    until = minutes_of(wanted.train_until)
    unknown = flight_data.known_at > until
    weather = flight_data.weather.copy()
    weather[:, int(until) // 60 :] = 0.0
    other = dataclasses.replace(
        flight_data,
        label=np.where(unknown, 1 - flight_data.label, flight_data.label),
        known_at=np.where(unknown, flight_data.known_at + 60, flight_data.known_at),
        weather=weather,
    )
    features = training.departure_features(flight_data, flight_data.departing(until, until + 1440))
    first, quality, predictions = training.fit(flight_data, wanted)
    second, same, again = training.fit(other, wanted)
    assert np.array_equal(training.score(first, features), training.score(second, features))
    assert quality == same
    assert predictions == again
    assert quality.flights == np.sum((flight_data.known_at <= until) & (flight_data.departure // 60 * 60 + 60 <= until))


def test_version_is_named_after_everything_that_decides_it(flight_data: FlightData) -> None:
    variants = [
        (WINTER, flight_data),
        (dataclasses.replace(WINTER, train_from=dt.datetime(2013, 1, 2)), flight_data),
        (dataclasses.replace(WINTER, train_until=dt.datetime(2013, 2, 28)), flight_data),
        (dataclasses.replace(WINTER, prices=dataclasses.replace(PRICES, missed=0.02)), flight_data),
        (WINTER, dataclasses.replace(flight_data, data_hash="other")),
        (WINTER, dataclasses.replace(flight_data, code_version="other")),
    ]
    assert len({lineage(config, data).id for config, data in variants}) == len(variants)
    elsewhere = dataclasses.replace(WINTER, start=dt.datetime(2013, 4, 1), pace=1.0)
    assert lineage(elsewhere, flight_data).id == lineage(WINTER, flight_data).id


def test_window_ends_at_the_start_of_the_drill_by_default(flight_data: FlightData) -> None:
    config = dataclasses.replace(WINTER, train_from=None, train_until=None)
    assert lineage(config, flight_data).train_until == config.start
    assert lineage(config, flight_data).train_from == config.start - dt.timedelta(days=60)
    early = dataclasses.replace(config, start=dt.datetime(2013, 1, 20))
    assert lineage(early, flight_data).train_from == dt.datetime(2013, 1, 1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dataclasses.replace(WINTER, train_until=dt.datetime(2013, 3, 16)), "would know the future"),
        (dataclasses.replace(WINTER, train_from=dt.datetime(2013, 3, 2)), "is empty"),
        (dataclasses.replace(WINTER, train_from=dt.datetime(2012, 12, 1)), "leaves the data"),
    ],
)
def test_windows_that_cannot_be(flight_data: FlightData, config: WorldConfig, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        lineage(config, flight_data)


def test_too_few_flights_say_how_many_are_needed(warm_home: Path, flight_data: FlightData) -> None:
    with pytest.raises(UsageError, match=r"has \d+ flights with known labels; it needs at least 1000"):
        ensure_model(dataclasses.replace(WINTER, train_until=dt.datetime(2013, 1, 1, 20)), flight_data)


def test_scores_are_the_models_and_are_cached(
    winter: ModelVersion, warm_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_world(WINTER, 300, 60, 1)
    scores_dir = tmp_path / "cache" / "scores"
    monkeypatch.setattr("drillbox.sandbox.learning.models.cached", (tmp_path / "cache").joinpath)
    steps: list[float] = []
    scores = score_examples(winter, world.examples, lambda _step, done: steps.append(done))
    assert steps == [0.0, 1.0]
    assert scores.shape == (len(world.examples),)
    assert 0.0 <= scores.min() < scores.max() <= 1.0
    # On the weather of another hour the answer is another one: the features are those of the time of the request.
    assert len(np.unique(scores)) > len(np.unique(world.examples.rows))
    (path,) = [path for path in scores_dir.iterdir() if np.array_equal(np.load(path), scores)]
    path.write_bytes(path.read_bytes()[:-8])
    assert np.array_equal(score_examples(winter, world.examples), scores)
    monkeypatch.setattr(training, "score", None)  # the second time nothing is computed
    assert np.array_equal(score_examples(winter, world.examples), scores)


def test_no_flights_no_scores(winter: ModelVersion) -> None:
    assert training.score(training.new_model(60), np.empty((0, 14))).shape == (0,)


WARM = """
import sys, datetime as dt
from drillbox.sandbox.learning.models import ensure_model, score_examples
from drillbox.sandbox.model.scenario import Prices, Traffic, WorldConfig
from drillbox.sandbox.world.flights import open_world
config = WorldConfig("flights", dt.datetime(2013, 3, 15, 8), 60.0, Traffic(50.0), Prices(0.05, 0.01, 0.03, 0.01, 1.0),
                     train_from=dt.datetime(2013, 1, 1), train_until=dt.datetime(2013, 3, 1))
world = open_world(config, 120, 30, 1)
scores = score_examples(ensure_model(config, world.data), world.examples)
heavy = [name for name in ("pandas", "sklearn", "skops", "scipy", "joblib", "pydantic") if name in sys.modules]
print(len(scores) == len(world.examples), heavy)
"""


def test_a_warm_drill_imports_no_learning_library(winter: ModelVersion) -> None:
    world = open_world(WINTER, 120, 30, 1)
    score_examples(winter, world.examples)
    run = subprocess.run([sys.executable, "-W", "error", "-c", WARM], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True []"
