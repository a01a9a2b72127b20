"""SLIs, counts of events and error budgets against sums over the raw requests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from synthetic_drill import SyntheticDrill, Weather

from drillbox.sandbox.model.scenario import Objective
from drillbox.sandbox.model.slis import LATENCY_BUCKETS, SLIS
from drillbox.sandbox.model.telemetry import Scrape, Series
from drillbox.sandbox.monitor.catalogue import MEASURES, bucket_label, event_counters, sli_rules
from drillbox.sandbox.monitor.export import metrics_table, prometheus_rules
from drillbox.sandbox.monitor.expressions import Increase
from drillbox.sandbox.monitor.monitor import Monitor, MonitorResult
from drillbox.sandbox.monitor.objectives import BUDGET_PERIOD, SHORT_WINDOWS, budget_remaining
from drillbox.sandbox.monitor.promql import Selector
from drillbox.sandbox.monitor.rules import AlertRule
from drillbox.sandbox.monitor.thresholds import threshold_alerts

AVAILABILITY = Objective("availability", "availability", 0.99)
LATENCY = Objective("latency", "latency", 0.95, 0.3)
ANSWERED = 1

CALM, STORM = Weather(), Weather(rate=200.0, failing=0.4, median=0.2)
COURSE = [CALM] * 60 + [STORM] * 30 + [CALM] * 30


@pytest.fixture(scope="module")
def drill() -> SyntheticDrill:
    return SyntheticDrill(7)


@pytest.fixture(scope="module")
def scrapes(drill: SyntheticDrill) -> list[Scrape]:
    return drill.scrapes(COURSE, start=-60.0)


@pytest.fixture(scope="module")
def monitor() -> Monitor:
    return Monitor([AVAILABILITY, LATENCY])


@pytest.fixture(scope="module")
def results(monitor: Monitor, scrapes: list[Scrape]) -> list[MonitorResult]:
    return [monitor.observe(scrape) for scrape in scrapes]


def raw(drill: SyntheticDrill, first: int, last: int) -> tuple[int, int, int]:
    """Requests of the intervals after scrape `first` up to scrape `last`: answered, answered within 300 ms, all."""
    latencies = np.concatenate(drill.latencies[first + 1 : last + 1])
    answered = np.concatenate(drill.classes[first + 1 : last + 1]) == ANSWERED
    return int(answered.sum()), int((answered & (latencies <= 0.3)).sum()), len(latencies)


def test_shares_equal_sums_over_the_raw_requests(drill: SyntheticDrill, results: list[MonitorResult]) -> None:
    for last in range(10, len(COURSE), 7):
        answered, fast, total = raw(drill, last - 6, last)  # 30 s are 6 intervals
        assert results[last].slis["availability"] == pytest.approx(answered / total, rel=1e-9)
        assert results[last].slis["latency"] == pytest.approx(fast / total, rel=1e-9)
        assert results[last].slis["error_ratio"] == pytest.approx(1 - answered / total, rel=1e-9)
        assert results[last].slis["request_rate"] == pytest.approx(total / 30.0, rel=1e-9)


def test_burn_rates_equal_sums_over_the_raw_requests(drill: SyntheticDrill, results: list[MonitorResult]) -> None:
    for last in range(61, len(COURSE), 7):
        for window, text in ((25, "25s"), (150, "2m30s"), (300, "5m")):
            answered, fast, total = raw(drill, last - window // 5, last)
            budget = results[last].budget
            assert budget["availability"].burn_rates[text] == pytest.approx((1 - answered / total) / 0.01, rel=1e-9)
            assert budget["latency"].burn_rates[text] == pytest.approx((1 - fast / total) / 0.05, rel=1e-9)


def test_counts_and_budget_equal_sums_over_the_raw_requests(drill: SyntheticDrill, results: list[MonitorResult]) -> None:
    for last in range(1, len(COURSE), 11):
        answered, fast, total = raw(drill, 0, last)
        now = results[last]
        assert now.counts == {"availability": (answered, total), "latency": (fast, total)}
        spent = (total - fast) / total / 0.05 * (5.0 * last / BUDGET_PERIOD)
        assert now.budget["latency"].remaining == pytest.approx(1.0 - spent, rel=1e-9)


def test_counts_go_on_across_restarts_of_the_gateway() -> None:
    drill = SyntheticDrill(8)
    course = [CALM] * 5 + [Weather(reset=True)] + [CALM] * 4 + [Weather(down=True)] * 2 + [Weather(reset=True)] + [CALM] * 3
    monitor = Monitor([LATENCY])
    results = [monitor.observe(scrape) for scrape in drill.scrapes(course, 0.0)]
    # What happened while nobody looked and was then reset is lost, for Prometheus too: intervals 10 and 11.
    _, fast, total = (whole - lost for whole, lost in zip(raw(drill, 0, 15), raw(drill, 9, 11), strict=True))
    assert results[-1].counts["latency"] == (fast, total)


def test_a_counter_that_appears_later_is_counted_from_zero() -> None:
    monitor = Monitor([AVAILABILITY])
    first = Series.of("envoy_gateway_rq_time_count", response_code_class="2xx")
    second = Series.of("envoy_gateway_rq_time_count", response_code_class="5xx")
    monitor.observe(Scrape(0.0, (first,), np.array([1000.0])))
    result = monitor.observe(Scrape(5.0, (first, second), np.array([1090.0, 10.0])))
    assert result.counts == {"availability": (90.0, 100.0)}


def test_quantiles_lie_in_the_right_bucket(drill: SyntheticDrill, results: list[MonitorResult]) -> None:
    edges = (0.0, *LATENCY_BUCKETS)
    for last in (30, 75, 110):
        latencies = np.concatenate(drill.latencies[last - 5 : last + 1])
        for name, share in (("latency_p50", 0.5), ("latency_p95", 0.95), ("latency_p99", 0.99)):
            bucket = int(np.searchsorted(LATENCY_BUCKETS, np.quantile(latencies, share)))
            assert edges[bucket] <= results[last].slis[name] <= edges[bucket + 1]


def test_a_crisis_pages_and_the_page_resolves_soon_after_it(monitor: Monitor, results: list[MonitorResult]) -> None:
    pages = [
        (one.at, str(one.alert.state), dict(one.alert.labels)["window"])
        for result in results
        for one in result.transitions
        if one.alert.name == "AvailabilityBurnRate" and one.alert.severity == "page"
    ]
    storm, calm = -60.0 + 5.0 * 60, -60.0 + 5.0 * 90
    assert ("firing", "5m") in [page[1:] for page in pages]
    fired = next(at for at, state, window in pages if (state, window) == ("firing", "5m"))
    resolved = next(at for at, state, window in pages if (state, window) == ("resolved", "5m"))
    assert storm < fired <= storm + 180.0
    assert calm < resolved <= calm + 30.0
    assert {alert.name for alert in monitor.alerts} == {"AvailabilityBurnRate", "LatencyBurnRate"}


def test_without_requests_there_is_no_data_and_no_alert() -> None:
    monitor = Monitor([AVAILABILITY, LATENCY])
    quiet = SyntheticDrill(9).scrapes([Weather(rate=0.0)] * 20, 0.0)
    results = [monitor.observe(scrape) for scrape in quiet]
    last = results[-1]
    assert {"availability", "latency", "error_ratio", "latency_p99"} & last.slis.keys() == set()
    assert last.slis["request_rate"] == 0.0
    assert last.slis["replicas"] == 3.0
    assert last.counts["latency"] == (0.0, 0.0)
    assert last.budget["latency"].remaining == 1.0
    assert math.isnan(last.budget["latency"].burn_rates["5m"])
    assert not any(result.transitions for result in results)


def test_without_any_answer_availability_is_zero_not_unknown() -> None:
    failed = (Series.of("envoy_gateway_rq_time_count", response_code_class="5xx"),)
    monitor = Monitor([AVAILABILITY])
    results = [monitor.observe(Scrape(5.0 * i, failed, np.array([10.0 * i]))) for i in range(10)]
    assert results[-1].slis["availability"] == 0.0
    assert results[-1].slis["error_ratio"] == 1.0
    assert {alert.name for alert in monitor.alerts} == {"AvailabilityBurnRate"}


def test_model_health_is_read_from_its_gauges_once_they_are_there() -> None:
    monitor = Monitor([])
    series = (Series.of("quality_monitor_auc"), Series.of("quality_monitor_drift_psi", feature="a"))
    result = monitor.observe(
        Scrape(0.0, (*series, Series.of("quality_monitor_drift_psi", feature="b")), np.array([0.64, 0.1, 0.3]))
    )
    assert result.slis == {"quality_auc": 0.64, "drift_psi_max": 0.3}


def test_saturation_is_that_of_the_ready_replicas() -> None:
    monitor = Monitor([])
    own = [
        {"pod": pod, "deployment": kind}
        for pod, kind in (("a", "model-champion"), ("b", "model-champion"), ("c", "model-shadow"))
    ]
    names = ("model_server_ready", "model_server_slots", "model_server_busy_seconds_total")
    series = tuple(Series.of(name, **labels) for labels in own for name in names)
    result = None
    for index in range(7):
        values = [1.0, 4.0, 10.0 * index, 0.0, 4.0, 7.0 * index, 1.0, 4.0, 20.0 * index]
        result = monitor.observe(Scrape(5.0 * index, series, np.array(values)))
    assert result is not None
    assert result.slis["saturation"] == pytest.approx(0.5)
    assert result.slis["replicas"] == 1.0


def test_queries_read_what_was_observed(monitor: Monitor, results: list[MonitorResult]) -> None:
    times, values = monitor.query("availability", -65.0, 100.0, 5.0)
    assert list(times[:3]) == [-65.0, -60.0, -55.0]
    assert np.isnan(values[:2]).all()  # before the first scrape, and at the first: no rate yet
    assert values[-1] == results[32].slis["availability"]
    times, values = monitor.query("availability", 2.5, 3.5, 0.5)  # between scrapes the last value stands
    assert list(values) == [results[12].slis["availability"]] * 3
    times, values = monitor.query("replicas * 2 - 1", 0.0, 10.0, 5.0)
    assert list(values) == [5.0] * 3
    times, values = monitor.query("availability < 95%", 0.0, 530.0, 1.0)
    assert values[0] == 0.0
    assert values.max() == 1.0
    times, values = monitor.query("replicas", 0.0, 1e6, 1e6)
    assert values[0] == 3.0
    assert math.isnan(values[1])


def test_a_query_needs_a_positive_step(monitor: Monitor) -> None:
    with pytest.raises(ValueError, match="positive"):
        monitor.query("availability", 0.0, 1.0, 0.0)


def test_the_short_profile_has_its_own_windows_only() -> None:
    monitor = Monitor([LATENCY], windows=SHORT_WINDOWS)
    assert [dict(rule.all_labels)["window"] for rule in monitor.group.alerting] == ["5m"]
    result = monitor.observe(SyntheticDrill(1).scrapes([CALM], 0.0)[0])
    assert list(result.budget["latency"].burn_rates) == ["25s", "5m"]


def test_every_sli_has_a_measure_and_every_alert_rule_a_unique_identity() -> None:
    assert set(SLIS) == {*MEASURES, "latency"}
    assert list(sli_rules(0.3)) == list(SLIS)
    assert "latency" not in sli_rules()
    names = [(rule.name, rule.all_labels) for rule in Monitor([AVAILABILITY, LATENCY], threshold_alerts()).group.alerting]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("bound", "label"), [(0.005, "5"), (0.075, "75"), (0.3, "300"), (1.5, "1500"), (10.0, "10000")])
def test_bucket_labels_are_envoys_milliseconds(bound: float, label: str) -> None:
    assert bucket_label(bound) == label


@pytest.mark.parametrize(("sli", "bound"), [("latency", 0.31), ("latency", None), ("saturation", None)])
def test_an_objective_needs_events_and_a_bucket(sli: str, bound: float | None) -> None:
    with pytest.raises(ValueError, match=r"not one of the histogram's buckets|does not count good events"):
        event_counters(sli, bound)


def test_a_budget_is_spent_after_its_period_at_burn_one() -> None:
    assert budget_remaining(LATENCY, 95.0, 100.0, BUDGET_PERIOD) == pytest.approx(0.0)
    assert budget_remaining(LATENCY, 0.0, 100.0, BUDGET_PERIOD / 10) == pytest.approx(-1.0)
    # The workbook's table: 14.4 for an hour of 30 days (here 5 minutes of 60 hours) spends 2% of the budget.
    assert budget_remaining(AVAILABILITY, 1000.0 - 144.0, 1000.0, 300.0) == pytest.approx(0.98)


def test_the_table_of_metrics_has_a_row_per_sli() -> None:
    rows = metrics_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(SLIS)
    assert all(len(row.replace("\\|", "").split("|")) == 7 for row in rows)


def test_texts_of_rules_are_quoted() -> None:
    odd = AlertRule("Odd", Increase(Selector("x_total"), 60.0), hold=90.0, summary='a "quoted" \\ text')
    text = prometheus_rules([LATENCY], [odd])
    assert 'summary: "a \\"quoted\\" \\\\ text"' in text
    assert "for: 1m30s" in text
    assert "increase(x_total[1m])" in text
