"""The feature store, what goes wrong with it, the labels, and the gauges of the quality monitor, on the simulated service."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from drillbox.sandbox.learning.drift import psi
from drillbox.sandbox.learning.training import departure_features
from drillbox.sandbox.loading import load_scenario
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.features import METRIC, ONLINE, SOURCES
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Change, with_fields
from drillbox.sandbox.model.stack import ApplySpec, ClearFault, InjectFault
from drillbox.sandbox.model.views import VIEWS
from drillbox.sandbox.monitor.thresholds import OUT_OF_RANGE
from drillbox.sandbox.world.calendar import minutes_of
from drillbox.sandbox.world.data import FEATURES
from drillbox.stacks.sim.feature_store import FIRST
from drillbox.stacks.sim.stack import SimStack
from drillbox.wiring import Wiring

Play = Callable[..., SimStack]
COLUMN = {name: FEATURES.index(name) for name in ONLINE}


@pytest.fixture(scope="module")
def sunday(flight_data: object, world_home: object) -> Scenario:
    scenario = load_scenario(Wiring().library().find("stormy-sunday"))
    traffic = dataclasses.replace(scenario.world.traffic, rate=30.0)
    return dataclasses.replace(scenario, world=dataclasses.replace(scenario.world, traffic=traffic))


@pytest.fixture
def play(sunday: Scenario) -> Play:
    """`play(600.0)`: the service at that drill time, without any fault."""

    def bring_up(until: float, scenario: Scenario = sunday) -> SimStack:
        stack = SimStack()
        stack.up(scenario, 1, lambda _step, _done: None)
        stack.advance(until)
        return stack

    return bring_up


def gauges(stack: SimStack, until: float) -> dict[str, float]:
    """The last scrape by metric and labels' values."""
    scrape = stack.advance(until).scrapes[-1]
    return {
        "/".join((one.name, *(value for _, value in one.labels))): value
        for one, value in zip(scrape.series, scrape.values.tolist(), strict=True)
    }


def served(stack: SimStack) -> tuple[np.ndarray, np.ndarray]:
    """Features as they are served now, and as they would be without any trouble."""
    ids = stack._service.world.draws.of_hour(stack._pipeline.scorer.hour_at(stack._env.now))
    examples = stack._service.world.examples
    return stack._pipeline.store.served(examples, ids), examples.features[ids]


def apply(stack: SimStack, **fields: object) -> None:
    for name, value in fields.items():
        path = f"features.{name}"
        change = Change(path, "", value, "you")  # type: ignore[arg-type]  # a test's own
        stack.apply(ApplySpec(with_fields(stack._spec, {path: value}), (change,)))  # type: ignore[dict-item]


def test_without_trouble_the_store_serves_what_is_known(play: Play) -> None:
    stack = play(-1800.0 + 700.0)
    now, ideal = served(stack)
    assert np.array_equal(now, ideal, equal_nan=True)
    assert all(age <= 3600.0 for age in stack._pipeline.store.ages(stack._quality.now).values())


def test_a_change_of_units_comes_with_the_next_record_and_goes_with_the_old_interface(play: Play) -> None:
    stack = play(0.0)
    stack.apply(InjectFault("b", "features.unit_change", {"feature": "all"}))
    assert np.array_equal(*served(stack), equal_nan=True), "what is in the store was right when it came"
    stack.advance(70.0)
    now, ideal = served(stack)
    for name in ONLINE:
        factor, offset = METRIC.get(name, (1.0, 0.0))
        np.testing.assert_allclose(now[:, COLUMN[name]], ideal[:, COLUMN[name]] * factor + offset)
    apply(stack, feed="v1")
    assert np.array_equal(*served(stack), equal_nan=True)


def test_a_stalled_stream_grows_old_and_a_restart_catches_up(play: Play) -> None:
    stack = play(0.0)
    stack.apply(InjectFault("b", "features.stale", {"source": "JFK"}))
    stack.advance(300.0)
    ages = stack._pipeline.store.ages(stack._quality.now)
    assert ages["JFK"] >= 5 * 3600.0
    assert max(ages[source] for source in SOURCES if source != "JFK") <= 3600.0
    assert gauges(stack, 305.0)["feature_store_age_seconds/JFK"] == pytest.approx(ages["JFK"] + 300.0)
    apply(stack, restarted="all#1")
    assert max(stack._pipeline.store.ages(stack._quality.now).values()) <= 3600.0
    assert np.array_equal(*served(stack), equal_nan=True)


@pytest.mark.parametrize(
    ("fault", "params", "share"),
    [
        ("features.nulls", {"feature": "temp", "share": 0.5}, 0.5),
        ("features.nulls", {"feature": "temp", "share": 1.0}, 1.0),
        ("features.outage", {"share": 1.0}, 1.0),
        ("features.outage", {"share": 0.25}, 0.25),
    ],
)
def test_values_go_missing_and_come_back(play: Play, fault: str, params: dict[str, object], share: float) -> None:
    stack = play(0.0)
    stack.apply(InjectFault("b", fault, params))  # type: ignore[arg-type]  # a test's own
    now, ideal = served(stack)
    missing = np.isnan(now[:, COLUMN["temp"]]) & ~np.isnan(ideal[:, COLUMN["temp"]])
    assert np.mean(missing) == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / len(now)) + 1e-9)
    others = [COLUMN[name] for name in ONLINE if name != "temp"]
    if fault == "features.nulls":
        assert np.array_equal(now[:, others], ideal[:, others], equal_nan=True)
    else:
        assert np.isnan(now[missing][:, FIRST:]).all(), "a look-up that fails brings nothing at all"
    stack.apply(ClearFault("b"))
    assert np.array_equal(*served(stack), equal_nan=True)


def test_quarantine_serves_the_median_of_the_training_data(play: Play) -> None:
    stack = play(0.0)
    apply(stack, quarantined="temp,visib")
    now, ideal = served(stack)
    data, version = stack._service.world.data, stack._quality.version
    rows = data.learnable(minutes_of(version.train_from), minutes_of(version.train_until))
    training = departure_features(data, rows)
    for name in ("temp", "visib"):
        assert set(now[:, COLUMN[name]]) == {np.nanmedian(training[:, COLUMN[name]])}
    assert np.array_equal(now[:, COLUMN["dewp"]], ideal[:, COLUMN["dewp"]], equal_nan=True)
    apply(stack, quarantined="")
    assert np.array_equal(*served(stack), equal_nan=True)


def test_slow_look_ups_make_answers_slow_and_beyond_the_timeout_do_without(play: Play) -> None:
    stack = play(0.0)
    stack.apply(InjectFault("b", "features.slow", {"delay": 0.02}))
    assert stack._pipeline.store.delay == pytest.approx(0.02)
    assert np.array_equal(*served(stack), equal_nan=True)
    stack.apply(ClearFault("b"))
    assert stack._pipeline.store.delay == 0.0
    stack.apply(InjectFault("c", "features.slow", {"delay": 9.0}))
    assert stack._pipeline.store.delay == stack._spec.features.lookup_timeout
    assert np.isnan(served(stack)[0][:, FIRST:]).all()


def test_wrong_features_cost_money_by_wrong_scores_alone(sunday: Scenario, play: Play) -> None:
    def cost(fault: bool) -> float:
        stack = play(0.0)
        if fault:
            stack.apply(InjectFault("b", "features.unit_change", {"feature": "all"}))
        ledger = stack.advance(900.0).ledger
        assert ledger.failed == 0
        return ledger.prediction_cost / ledger.ok

    assert cost(fault=True) > 1.3 * cost(fault=False)


class TestGauges:
    @pytest.fixture(scope="class")
    def stack(self, sunday: Scenario) -> Iterator[SimStack]:
        stack = SimStack()
        stack.up(sunday, 1, lambda _step, _done: None)
        stack.advance(0.0)
        stack.apply(InjectFault("b", "features.unit_change", {"feature": "all"}))
        stack.advance(900.0 - 5.0)
        yield stack
        stack.down()

    @pytest.fixture(scope="class")
    def seen(self, stack: SimStack) -> dict[str, float]:
        return gauges(stack, 900.0)

    def test_quality_is_that_of_scikit_learn_on_the_raw_rows(self, stack: SimStack, seen: dict[str, float]) -> None:
        _, scores, labels = stack._quality.window.judged("v4", stack._quality.now)
        assert len(labels) > 500
        assert seen["quality_monitor_flights/matured"] == len(labels)
        assert seen["quality_monitor_auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)
        assert seen["quality_monitor_average_precision"] == pytest.approx(average_precision_score(labels, scores), abs=1e-9)
        assert seen["quality_monitor_brier"] == pytest.approx(brier_score_loss(labels, scores), abs=1e-9)
        assert seen["quality_monitor_calibration_in_the_large"] == pytest.approx(np.mean(scores) - np.mean(labels), abs=1e-9)

    def test_judged_flights_have_landed_and_their_whole_hour_has(self, stack: SimStack) -> None:
        rows, _, _ = stack._quality.window.judged("v4", stack._quality.now)
        assert (stack._service.world.data.known_at[rows] <= stack._quality.now).all()
        assert len(set(rows.tolist())) == len(rows)

    def test_drift_is_that_of_scipy_on_the_raw_rows(self, stack: SimStack, seen: dict[str, float]) -> None:
        _, features, scores = stack._quality.recent()
        data, version, known = stack._service.world.data, stack._quality.version, stack._quality.reference
        rows = data.learnable(minutes_of(version.train_from), minutes_of(version.train_until))
        training = departure_features(data, rows)
        for name in ("temp", "dewp", "humid", "visib"):
            now, then = features[:, COLUMN[name]], training[:, COLUMN[name]]
            expected = ks_2samp(now[~np.isnan(now)], then[~np.isnan(then)]).statistic
            assert seen[f"quality_monitor_drift_ks/{name}"] == pytest.approx(expected, abs=1e-9)
            shares = known.feature(name).shares_of(now)
            assert seen[f"quality_monitor_drift_psi/{name}"] == pytest.approx(psi(shares, known.feature(name).shares), abs=1e-9)
        assert seen["quality_monitor_prediction_psi"] == pytest.approx(known.scores.psi(scores), abs=1e-9)

    def test_the_range_tells_units_at_once(self, seen: dict[str, float]) -> None:
        assert seen["quality_monitor_out_of_range/temp"] > OUT_OF_RANGE
        assert seen["quality_monitor_out_of_range/humid"] == 0.0

    def test_every_view_shows_something(self, stack: SimStack) -> None:
        for view in VIEWS.values():
            for subject in {"feature": ("temp", "wind_gust"), "version": ("v3", "v4")}.get(view.name, ("",)):
                table = stack.look(view.name, subject)
                assert table.rows or view.lists
                assert all(len(row) == len(table.columns) for row in table.rows)
        assert stack.look("feature", "temp").facts["median in training"] == pytest.approx(73.94)
        assert [row[0] for row in stack.look("freshness").rows] == list(SOURCES)
        assert stack.look("version", "v3").facts == {"champion": "v4", "previous": "v3"}

    @pytest.mark.parametrize(
        ("view", "subject", "message"),
        [
            ("featur", "", "unknown view 'featur'; did you mean 'feature'?"),
            ("feature", "tmp", "unknown feature 'tmp'; did you mean 'temp'?"),
            ("version", "v9", "unknown version 'v9'; did you mean 'v4'?"),
            ("rows", "x", "the view 'rows' is of nothing in particular: leave 'x' out"),
        ],
    )
    def test_a_view_that_there_is_not(self, stack: SimStack, view: str, subject: str, message: str) -> None:
        with pytest.raises(UsageError) as error:
            stack.look(view, subject)
        assert str(error.value) == message

    def test_the_registry_is_gone_with_the_stack(self, sunday: Scenario) -> None:
        stack = SimStack()
        stack.up(sunday, 1, lambda _step, _done: None)
        assert stack._book is not None
        folder = stack._book.registry().path.parent
        assert folder.is_dir()
        stack.down()
        stack.down()
        assert not folder.exists()


def test_the_registry_follows_the_deployment_once_it_is_available(play: Play) -> None:
    stack = play(0.0)
    change = Change("champion.version", "v4", "v3", "you")
    stack.apply(ApplySpec(with_fields(stack._spec, {"champion.version": "v3"}), (change,)))
    stack.advance(5.0)
    assert stack.look("version", "v3").facts["champion"] == "v4", "the rollout has only begun"
    stack.advance(200.0)
    assert stack.look("version", "v3").facts == {"champion": "v3", "previous": "v4"}
    stack.down()


def test_late_labels_make_flights_overdue_and_the_judged_fewer(play: Play) -> None:
    punctual, late = play(0.0), play(0.0)
    late.apply(InjectFault("b", "labels.delay", {"delay": 600.0}))  # ten hours at this pace
    usual, delayed = gauges(punctual, 900.0), gauges(late, 900.0)
    assert delayed["quality_monitor_flights/overdue"] > 100 > usual["quality_monitor_flights/overdue"]
    assert delayed["quality_monitor_flights/matured"] < usual["quality_monitor_flights/matured"]
    late.apply(ClearFault("b"))
    assert gauges(late, 960.0)["quality_monitor_flights/overdue"] < 100
