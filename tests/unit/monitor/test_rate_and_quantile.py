"""The functions of PromQL against plain transcriptions of their definition, and against cases worked out by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.model.telemetry import Scrape, Series
from drillbox.sandbox.monitor.expressions import Aggregate, Binary, Increase, Instant, Operation, OrZero, Rate, Recorded
from drillbox.sandbox.monitor.program import Column, Expr
from drillbox.sandbox.monitor.promql import Match, Matcher, Selector, divide, histogram_quantile
from drillbox.sandbox.monitor.rules import RecordingRule, RuleGroup
from drillbox.sandbox.monitor.store import SeriesStore

EVENTS = Series.of("events_total")
SELECTOR = Selector("events_total")


def evaluated(expr: Expr, samples: list[tuple[float, dict[Series, float]]]) -> Column:
    """The values of an expression at the last of the scrapes."""
    store, group = SeriesStore(), RuleGroup([RecordingRule("result", expr)])
    column: Column = []
    for at, found in samples:
        store.append(Scrape(at, tuple(found), np.array(list(found.values()))))
        column = group.evaluate(store).recorded[0][1]
    return column


def single(expr: Expr, values: list[float], start: float = 0.0) -> float | None:
    """The value of an expression at the last of the scrapes of one series, 5 s apart."""
    return evaluated(expr, [(start + 5.0 * i, {EVENTS: value}) for i, value in enumerate(values)])[0]


def test_a_window_that_the_samples_fill_needs_no_extrapolation() -> None:
    assert single(Rate(SELECTOR, 25.0), [0, 10, 20, 30, 45, 60, 100]) == pytest.approx((100 - 10) / 25)


def test_a_series_that_began_within_the_window_counts_half_an_interval_more() -> None:
    # 3 samples over 10 s; the window begins 290 s before the first: 2.5 s are added at the front
    assert single(Increase(SELECTOR, 300.0), [1000, 1010, 1020]) == pytest.approx(20 * 12.5 / 10)


def test_extrapolation_stops_where_the_counter_was_zero() -> None:
    # at 8 per second a counter at 8 was zero 1 s before
    assert single(Increase(SELECTOR, 13.0), [8, 48, 88]) == pytest.approx(80 * 11 / 10)


def test_a_reset_counts_what_came_after_it() -> None:
    assert single(Increase(SELECTOR, 20.0), [100, 120, 5, 15, 40]) == pytest.approx((120 - 100) + 5 + 10 + 25)


def test_one_sample_gives_no_rate() -> None:
    assert single(Rate(SELECTOR, 60.0), [5.0]) is None


def test_a_flat_counter_has_rate_zero_even_at_zero() -> None:
    assert single(Rate(SELECTOR, 30.0), [0.0] * 9) == 0.0


def reference_rate(times: list[float], values: list[float], now: float, window: float) -> float | None:
    """`extrapolatedRate` of Prometheus 2.42 for one counter, sample by sample."""
    points = [(t, v) for t, v in zip(times, values, strict=True) if now - window <= t <= now]
    if len(points) < 2:
        return None
    grown = points[-1][1] - points[0][1] + sum(a[1] for a, b in itertools.pairwise(points) if b[1] < a[1])
    sampled = points[-1][0] - points[0][0]
    average = sampled / (len(points) - 1)
    to_start, to_end = points[0][0] - (now - window), now - points[-1][0]
    if grown > 0 and points[0][1] >= 0:
        to_start = min(to_start, sampled * points[0][1] / grown)
    covered = sampled
    covered += to_start if to_start < 1.1 * average else average / 2
    covered += to_end if to_end < 1.1 * average else average / 2
    return grown * covered / sampled / window


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(
    samples=st.lists(st.tuples(st.booleans(), st.integers(-40, 400)), min_size=2, max_size=60),
    window=st.sampled_from([10.0, 25.0, 30.0, 60.0, 150.0, 300.0]),
)
def test_rates_equal_the_definition_at_every_scrape(samples: list[tuple[bool, int]], window: float) -> None:
    """A negative step is a restart; a scrape without the series leaves a gap."""
    other = Series.of("other")
    store, group = SeriesStore(), RuleGroup([RecordingRule("result", Rate(SELECTOR, window))])
    times: list[float] = []
    values: list[float] = []
    for index, (present, step) in enumerate(samples):
        found = {other: 1.0}
        if present:
            value = float(-step) if step < 0 or not values else values[-1] + step
            times.append(5.0 * index)
            values.append(abs(value))
            found[EVENTS] = abs(value)
        store.append(Scrape(5.0 * index, tuple(found), np.array(list(found.values()))))
        column = group.evaluate(store).recorded[0][1]
        expected = reference_rate(times, values, 5.0 * index, window)
        assert (column[0] if column else None) == (None if expected is None else pytest.approx(expected, rel=1e-12, abs=1e-12))


def test_a_series_that_is_missing_from_a_scrape_has_no_present_value_but_still_a_rate() -> None:
    level, other = Series.of("level"), Series.of("other")
    samples = [(0.0, {level: 1.0, other: 0.0}), (5.0, {level: 3.0, other: 0.0}), (10.0, {other: 0.0})]
    assert evaluated(Aggregate("sum", Instant(Selector("level"))), samples) == [None]
    assert evaluated(Aggregate("sum", Rate(Selector("level"), 10.0)), samples) == [pytest.approx(2.0 * 10 / 5 / 10)]


def test_a_series_that_comes_back_after_its_window_is_bound_again() -> None:
    level, other = Series.of("level"), Series.of("other")
    both, alone = {level: 2.0, other: 0.0}, {other: 0.0}
    new = {Series.of("new"): 1.0}
    samples = [(0.0, both), *((5.0 * i, alone) for i in range(1, 20)), (100.0, alone | new), (105.0, both | new)]
    assert evaluated(Aggregate("sum", Instant(Selector("level"))), samples) == [2.0]
    assert evaluated(Aggregate("count", Rate(Selector("level"), 30.0)), [*samples, (110.0, both | new)]) == [1.0]


@pytest.mark.parametrize(
    ("quantile", "counts", "expected"),
    [
        (0.5, [10, 10, 10, 10], 50.0),  # halfway into the first bucket
        (0.5, [0, 10, 20, 20], 200.0),
        (0.75, [0, 10, 20, 20], 300.0),
        (0.9, [0, 0, 0, 10], 400.0),  # beyond the last finite bound
        (0.5, [0, 0, 0, 0], math.nan),
        (0.5, [None, 10, 20, 20], 200.0),
        (0.5, [4, 10, 20, None], math.nan),  # no +Inf
        (0.5, [None, None, None, 20], math.nan),
        (0.9, [10, 9.999, 20, 20], 360.0),  # made monotonic
    ],
)
def test_quantiles(quantile: float, counts: list[float | None], expected: float) -> None:
    assert histogram_quantile(quantile, [100.0, 200.0, 400.0, math.inf], counts) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(st.lists(st.floats(0.0, 900.0), min_size=5, max_size=300), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], quantile: float) -> None:
    bounds = [100.0, 200.0, 400.0, 900.0, math.inf]
    counts: list[float | None] = [float(sum(value <= bound for value in values)) for bound in bounds]
    true = sorted(values)[max(0, math.ceil(quantile * len(values) - 1e-9) - 1)]
    edges = [0.0, *bounds]
    bucket = next(index for index, bound in enumerate(bounds) if true <= bound)
    estimate = histogram_quantile(quantile, bounds, counts)
    assert edges[bucket] - 1e-6 <= estimate <= edges[bucket + 1] + 1e-6


def test_dividing_by_zero_follows_ieee_754() -> None:
    assert math.isnan(divide(0.0, 0.0))
    assert math.isnan(divide(math.nan, 0.0))
    assert divide(-1.0, 0.0) == -math.inf
    assert divide(1.0, -0.0) == -math.inf


def test_no_traffic_compares_false() -> None:
    share = Binary(Operation.DIVIDE, Aggregate("sum", Rate(SELECTOR, 30.0)), Aggregate("sum", Rate(SELECTOR, 30.0)))
    quiet = [7.0] * 8
    assert math.isnan(single(share, quiet) or 0.0)
    for operation in (Operation.ABOVE, Operation.BELOW, Operation.AT_LEAST, Operation.AT_MOST, Operation.EQUAL):
        assert single(Binary(operation, share, 0.5), quiet) is None
    assert math.isnan(single(Binary(Operation.DIFFERS, share, 0.5), quiet) or 0.0)


@pytest.mark.parametrize(
    ("matcher", "accepted", "refused"),
    [
        (Matcher("x", Match.EQUAL, ""), "", "a"),
        (Matcher("x", Match.DIFFERS, "a"), "", "a"),
        (Matcher("x", Match.LIKE, "a|b."), "bc", "abc"),
        (Matcher("x", Match.UNLIKE, "a|b."), "abc", "a"),
    ],
)
def test_matchers_are_anchored_and_a_missing_label_is_empty(matcher: Matcher, accepted: str, refused: str) -> None:
    assert matcher.accepts(accepted)
    assert not matcher.accepts(refused)


def test_a_later_rule_sees_the_result_of_the_same_evaluation() -> None:
    store = SeriesStore()
    group = RuleGroup(
        [
            RecordingRule("one", Aggregate("sum", Instant(Selector("level"))), (("own", "a"),)),
            RecordingRule("two", Binary(Operation.MULTIPLY, Recorded("one", (("own", "a"),)), 2.0)),
        ]
    )
    for at, value in ((0.0, 3.0), (5.0, 4.0)):
        store.append(Scrape(at, (Series.of("level"),), np.array([value])))
        assert group.evaluate(store).recorded[1] == (((("own", "a"),),), [2 * value])


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ([RecordingRule("a", Instant(SELECTOR)), RecordingRule("a", Rate(SELECTOR, 30.0))], "two rules record a"),
        ([RecordingRule("a", OrZero(Instant(SELECTOR)))], "only a vector without labels"),
        ([RecordingRule("a", Binary(Operation.ABOVE, 1.0, Instant(SELECTOR)))], "number on the left"),
    ],
)
def test_rules_that_prometheus_would_not_evaluate_are_refused(rules: list[RecordingRule], complaint: str) -> None:
    store = SeriesStore()
    series = (Series.of("events_total", pod="a"),)
    store.append(Scrape(0.0, series, np.array([1.0])))
    with pytest.raises(ValueError, match=complaint):
        RuleGroup(rules).evaluate(store)


def test_scrapes_must_be_in_order_of_time() -> None:
    store = SeriesStore()
    store.append(Scrape(5.0, (EVENTS,), np.array([1.0])))
    with pytest.raises(ValueError, match="after one at 5"):
        store.append(Scrape(5.0, (EVENTS,), np.array([2.0])))


def test_the_store_grows_in_both_directions() -> None:
    series = tuple(Series.of("events_total", pod=str(i)) for i in range(150))
    store, group = SeriesStore(), RuleGroup([RecordingRule("result", Aggregate("sum", Rate(SELECTOR, 30.0)))])
    total: float | None = None
    for index in range(700):
        store.append(Scrape(5.0 * index, series, np.arange(150.0) * index))
        total = group.evaluate(store).recorded[0][1][0]
    assert total == pytest.approx(sum(range(150)) / 5)
