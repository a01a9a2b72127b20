"""From a prediction to the version that made it, to its training window, data and code; and the same run again is the same model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from loop_kit import Drill, with_loop

from drillbox.sandbox.learning import snapshots, store, training
from drillbox.sandbox.learning.version import Lineage, code_of
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.views import Table
from drillbox.sandbox.world.calendar import minutes_of
from drillbox.sandbox.world.data import FlightData, Rows
from drillbox.stacks.control_plane import training_run


def lineage_shown(drill: Drill, version: str) -> dict[str, str]:
    """The view `version`."""
    table: Table = drill.session.look("version", version)
    return {str(what): str(value) for what, value in table.rows}


def test_rows_name_the_version_that_scored_them_and_it_scores_them_again(relieved: Drill) -> None:
    assert relieved.session.look("rows").facts["version"] == "v3" == relieved.spec.champion.version
    rows, features, scores = relieved.stack._quality.recent()
    assert len(rows) > 500
    stored = store.find(lineage_shown(relieved, "v3")["model"])
    assert stored is not None
    np.testing.assert_array_equal(training.score(store.load(stored), features), scores)
    other = store.find(lineage_shown(relieved, "v2")["model"])
    assert other is not None
    assert np.mean(np.abs(training.score(store.load(other), features) - scores)) > 0.05, "the version before says something else"


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_registry_view_and_journal_say_the_same_of_a_version(relieved: Drill, version: str) -> None:
    told, shown = relieved.registered()[version], lineage_shown(relieved, version)
    assert told.model == shown["model"]
    assert told.data_hash == shown["data"]
    assert dt.datetime.fromisoformat(told.train_from) == dt.datetime.fromisoformat(shown["trained from"])
    assert dt.datetime.fromisoformat(told.train_until) == dt.datetime.fromisoformat(shown["trained until"])
    assert (str(told.flights), f"{told.auc:.4f}", f"{told.brier:.4f}") == (shown["flights"], shown["AUC"], shown["Brier score"])
    assert told.why
    assert relieved.stack._book is not None
    entry = relieved.stack._book.registry().lineage(told.model)
    assert entry.lineage.id == told.model, "the id follows from the lineage"
    assert shown["code"] == entry.model.code_version == code_of(relieved.service.world.data)
    assert len(shown["predictions"]) == len(shown["file"]) == 64


def test_the_run_that_made_it_is_found(relieved: Drill) -> None:
    table = relieved.session.look("runs")
    (row,) = (dict(zip(table.columns, row, strict=True)) for row in table.rows if "v3" in row)
    told = relieved.registered()["v3"]
    assert row["data"] == told.data_hash[:12]
    assert row["rows"] == told.flights
    assert told.why == f"{row['run']}, {row['trigger']}: trained"
    window = dt.datetime.fromisoformat(told.train_until) - dt.datetime.fromisoformat(told.train_from)
    assert row["days"] == window / dt.timedelta(days=1)
    assert any(row["data"] in why for _, why in relieved.stages()), "and the change log has the hash"


def test_the_data_are_found_again_by_window_and_hash(relieved: Drill, flight_data: FlightData) -> None:
    told = relieved.registered()["v3"]
    start, until = dt.datetime.fromisoformat(told.train_from), dt.datetime.fromisoformat(told.train_until)
    again = snapshots.take(flight_data, start, until)
    assert again.digest == told.data_hash
    assert len(again.rows) == told.flights
    assert relieved.registered()["v2"].data_hash == flight_data.data_hash, (
        "what was there before was trained on the source itself"
    )


def test_the_same_snapshot_again_is_the_same_model(
    promoted: Drill, flight_data: FlightData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = promoted.service.model("v3")
    monkeypatch.setenv("DRILLBOX_HOME", str(tmp_path))  # an empty store: nothing is found, all is trained anew
    assert store.find(first.id) is None
    taken = snapshots.take(flight_data, first.train_from, first.train_until)
    again = snapshots.train(taken, first.threshold)
    assert again.predictions == first.predictions != ""
    assert again.id == first.id
    assert again.quality == first.quality
    later = snapshots.take(flight_data, first.train_from, first.train_until + dt.timedelta(hours=1))
    other = snapshots.train(later, first.threshold)
    assert other.id != first.id
    assert other.predictions != first.predictions
    assert snapshots.train(taken, first.threshold) == again, "the second time it comes from the store"


def test_the_id_follows_from_the_lineage_and_from_nothing_else(promoted: Drill) -> None:
    lineage = promoted.service.snapshots["v3"].lineage(promoted.service.model("v3").threshold)
    assert lineage.id == promoted.service.model("v3").id
    day = dt.timedelta(days=1)
    others = {
        Lineage("0" * 64, *fields(lineage)[1:]).id,
        Lineage(lineage.data_hash, "other code", *fields(lineage)[2:]).id,
        Lineage(lineage.data_hash, lineage.code_version, lineage.train_from - day, *fields(lineage)[3:]).id,
        Lineage(*fields(lineage)[:4], lineage.threshold + 0.01, lineage.trees).id,
        Lineage(*fields(lineage)[:5], lineage.trees + 1).id,
    }
    assert len(others) == 5
    assert lineage.id not in others


def fields(lineage: Lineage) -> tuple:
    return tuple(getattr(lineage, name) for name in Lineage.__slots__)


def test_the_loop_compares_on_flights_that_neither_was_trained_on(
    june: Scenario, opened: Callable[..., Drill], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice in a row, so that the second champion is as young as can be."""
    judged: list[tuple[Rows, float]] = []
    real = training_run.held_out

    def noting(data: FlightData, start: float, end: float, now: float) -> Rows:
        rows = real(data, start, end, now)
        judged.append((rows, now))
        return rows

    monkeypatch.setattr(training_run, "held_out", noting)
    drill = opened(with_loop(june, gate=False, canary=False), 10.0)
    data = drill.service.world.data
    champion = drill.service.model("v2")
    trained = {"v2": data.learnable(minutes_of(champion.train_from), minutes_of(champion.train_until))}
    for pair in (("v3", "v2"), ("v4", "v3")):
        drill.do("retrain", days=14)
        run = drill.until_over()
        assert run.version == pair[0]
        trained[run.version] = drill.service.snapshots[run.version].rows
        rows, now = judged[-1]
        assert len(rows) > 200
        assert (data.known_at[rows] <= now).all()
        for version in pair:
            assert np.intersect1d(rows, trained[version]).size == 0
    assert len(judged) == 2
