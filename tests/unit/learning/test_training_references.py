"""References: what training saw and nothing else, cached, quick to load, made again when damaged."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from pathlib import Path

import numpy as np
import pytest

from drillbox.sandbox.learning import models, references, store, training
from drillbox.sandbox.learning.references import Reference, reference
from drillbox.sandbox.learning.version import Lineage, ModelVersion
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.paths import cache_dir
from drillbox.sandbox.world.calendar import minutes_of
from drillbox.sandbox.world.data import CATEGORICAL, FEATURES, FlightData

WINDOW = (dt.datetime(2013, 4, 1), dt.datetime(2013, 4, 15))


@pytest.fixture
def version(warm_home: Path, flight_data: FlightData) -> ModelVersion:
    wanted = Lineage(flight_data.data_hash, "reference-tests", *WINDOW, 0.25, 10)
    return store.find(wanted.id) or models.train(flight_data, wanted)


def same(left: Reference, right: Reference) -> bool:
    pairs = zip((*left.features, left.scores), (*right.features, right.scores), strict=True)
    fields = [field.name for field in dataclasses.fields(left.scores)]
    return (left.version, left.base_rate) == (right.version, right.base_rate) and all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for a, b in pairs for name in fields
    ) & all(np.array_equal(getattr(left, name), getattr(right, name), equal_nan=True) for name in ("usual", "usual_nulls"))


def the_file() -> Path:
    [path] = (cache_dir() / "references").glob("*.npz")
    return path


@pytest.fixture
def cold(version: ModelVersion) -> None:
    for path in (cache_dir() / "references").glob("*"):
        path.unlink()


def test_it_describes_the_rows_that_training_saw(version: ModelVersion, flight_data: FlightData) -> None:
    found = reference(version, flight_data)
    rows = flight_data.learnable(*(minutes_of(moment) for moment in WINDOW))
    matrix = training.departure_features(flight_data, rows)
    assert found.version == version.id
    assert found.rows == len(rows) == version.quality.flights
    assert found.base_rate == pytest.approx(version.quality.late)
    for i, name in enumerate(FEATURES):
        known = found.feature(name)
        assert known.categorical == (name in CATEGORICAL)
        assert known.null_rate == pytest.approx(np.mean(np.isnan(matrix[:, i])))
        assert known.psi(matrix[:, i]) == 0.0
        assert known.outside(matrix[:, i]) <= 0.01
    scores = training.score(store.load(version), matrix)
    assert found.scores.psi(scores) == 0.0
    assert math.isclose(float(found.scores.imputation), float(np.median(scores)))


def test_it_knows_nothing_of_what_came_after(version: ModelVersion, flight_data: FlightData) -> None:
    """The same with all later weather and labels turned around."""
    until = int(minutes_of(WINDOW[1]))
    weather, label = flight_data.weather.copy(), flight_data.label.copy()
    weather[:, until // 60 :] = 1e6
    label[flight_data.known_at > until] ^= 1
    later = dataclasses.replace(flight_data, weather=weather, label=label)
    model = store.load(version)
    assert same(references.build(version, flight_data, model), references.build(version, later, model))


@pytest.mark.usefixtures("cold")
def test_imputations_are_had_without_the_rest(
    version: ModelVersion, flight_data: FlightData, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(training, "score", lambda *_: pytest.fail("nothing is scored for them"))
        alone = references.imputations_of(version, flight_data)
    assert not list((cache_dir() / "references").glob("*"))
    made = reference(version, flight_data).imputations
    np.testing.assert_array_equal(alone, made)
    monkeypatch.setattr(training, "departure_features", lambda *_: pytest.fail("they are in the cache"))
    np.testing.assert_array_equal(references.imputations_of(version, flight_data), made)


def test_imputations_are_medians_and_most_frequent_codes(version: ModelVersion, flight_data: FlightData) -> None:
    matrix = training.departure_features(flight_data, flight_data.learnable(*(minutes_of(moment) for moment in WINDOW)))
    imputations = reference(version, flight_data).imputations
    for i, name in enumerate(FEATURES):
        if name in CATEGORICAL:
            assert imputations[i] == np.argmax(np.bincount(matrix[:, i].astype(int)))
        else:
            assert imputations[i] == np.nanmedian(matrix[:, i])


def test_usual_is_what_a_day_of_the_training_rows_shows(version: ModelVersion, flight_data: FlightData) -> None:
    usual = dict(zip(FEATURES, reference(version, flight_data).usual, strict=True))
    assert [usual[name] for name in ("carrier", "origin", "dest", "distance")] == [references.LEAST_USUAL] * 4
    assert min(usual[name] for name in ("weekday", "temp", "dewp", "pressure")) > 2.0


def test_usual_gaps_are_those_of_the_worst_hours(version: ModelVersion, flight_data: FlightData) -> None:
    """Gusts and pressures are missing for hours on end, other weather is not."""
    found = reference(version, flight_data)
    nulls = dict(zip(FEATURES, found.usual_nulls, strict=True))
    assert nulls["wind_gust"] == 1.0
    assert nulls["pressure"] > 0.2
    assert nulls["carrier"] == nulls["distance"] == 0.0
    assert all(nulls[name] >= found.feature(name).null_rate for name in FEATURES)


def test_it_comes_back_from_the_cache(
    cold: None, version: ModelVersion, flight_data: FlightData, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = reference(version, flight_data)
    with monkeypatch.context() as patch:
        patch.setattr(references, "build", None)
        assert same(reference(version, flight_data), built)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04", None])
def test_a_damaged_cache_is_made_again(cold: None, version: ModelVersion, flight_data: FlightData, content: bytes | None) -> None:
    built = reference(version, flight_data)
    path = the_file()
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    assert same(reference(version, flight_data), built)
    assert same(reference(version, flight_data), built)


def test_parts_that_do_not_fit_are_made_again(cold: None, version: ModelVersion, flight_data: FlightData) -> None:
    built = reference(version, flight_data)
    path = the_file()
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for name in ("facts", "version", "edges", "below_sizes"):
        broken = dict(arrays)
        broken[name] = arrays[name][:-1]
        np.savez(path, allow_pickle=False, **broken)
        assert same(reference(version, flight_data), built)


def test_an_unwritable_cache_is_named(cold: None, version: ModelVersion, flight_data: FlightData) -> None:
    folder = cache_dir() / "references"
    if folder.exists():
        folder.rmdir()
    folder.write_text("in the way")
    try:
        with pytest.raises(UsageError, match=r"cannot write .*references"):
            reference(version, flight_data)
    finally:
        folder.unlink()


def test_a_window_shorter_than_a_day_has_no_usual(version: ModelVersion, flight_data: FlightData) -> None:
    short = dataclasses.replace(version, train_until=WINDOW[0] + dt.timedelta(hours=26))
    built = references.build(short, flight_data, store.load(version))
    assert np.all(np.isnan(built.usual))
    assert not np.any(np.isnan(built.usual_nulls))
    shorter = dataclasses.replace(version, train_until=WINDOW[0] + dt.timedelta(hours=10))
    assert np.all(np.isnan(references.build(shorter, flight_data, store.load(version)).usual_nulls))
