"""Prometheus itself (promtool) evaluates the exported rules over the same samples and comes to the same results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from synthetic_drill import SyntheticDrill, Weather

from drillbox.sandbox.model.scenario import Objective
from drillbox.sandbox.model.telemetry import SCRAPE_INTERVAL, Scrape, Series
from drillbox.sandbox.monitor.export import prometheus_rules, rule_file
from drillbox.sandbox.monitor.expressions import (
    Aggregate,
    Binary,
    Increase,
    Instant,
    Operation,
    OrZero,
    Quantile,
    Rate,
    Recorded,
    sum_of,
)
from drillbox.sandbox.monitor.objectives import rule_group
from drillbox.sandbox.monitor.program import Expr
from drillbox.sandbox.monitor.promql import Match, Matcher, Selector
from drillbox.sandbox.monitor.promtool import Moment, play
from drillbox.sandbox.monitor.rules import AlertRule, RecordingRule, RuleGroup
from drillbox.sandbox.monitor.thresholds import threshold_alerts

pytestmark = pytest.mark.prometheus

OBJECTIVES = (
    Objective("availability", "availability", 0.99),
    Objective("latency", "latency", 0.95, 0.3),
    Objective("latency-tail", "latency", 0.99, 1.0),
    Objective("quality", "quality", 0.95, brier=0.2),
)

CALM = Weather()
STORM = Weather(rate=260.0, failing=0.3, median=0.25, busy=0.97, pods=4)
FEW = Weather(rate=0.4)
NOBODY = Weather(rate=0.0)
RESTARTED = Weather(reset=True)
CROWD = Weather(pods=7)
COURSES: dict[str, list[Weather]] = {
    "a burst of errors, then calm": [CALM] * 80 + [STORM] * 40 + [CALM] * 60,
    "slow answers with few requests": [FEW] * 60 + [Weather(rate=0.4, median=0.5)] * 60 + [NOBODY] * 30,
    "data that training did not know": [
        *([CALM] * 10 + [Weather(strange=0.1)] * 30 + [Weather(strange=0.8)] * 90 + [CALM] * 5 + [Weather(strange=0.0)] * 40),
    ],
    "no requests, then some that fail": [NOBODY] * 50 + [Weather(rate=20.0, failing=0.9)] * 30 + [NOBODY] * 70,
    "a platform under strain": [
        *([CALM] * 10 + [Weather(strained=0.1)] * 30 + [Weather(strained=0.9)] * 30 + [Weather(strained=0.0)] * 20),
    ],
    "the gateway restarts and is not seen": [
        *([CALM] * 40 + [RESTARTED] + [STORM] * 10),
        *([Weather(down=True)] * 3 + [STORM] * 20 + [RESTARTED] + [CALM] * 40),
    ],
    "pods come, go, restart and are not seen": [
        *([CALM] * 30 + [Weather(pods=7, restarting=1)] * 8 + [Weather(pods=7, missing=2), CROWD] * 6),
        *([Weather(pods=2, restarting=2)] * 14 + [Weather(pods=5, missing=5)] * 4 + [CALM] * 20),
    ],
}


def test_promtool_accepts_the_exported_rules_and_every_result_agrees(promtool) -> None:
    group = rule_group(OBJECTIVES, threshold_alerts())
    trials = [
        play(name, rule_group(OBJECTIVES, threshold_alerts()), SyntheticDrill(seed).scrapes(weather, start=-300.0), every=6)
        for seed, (name, weather) in enumerate(COURSES.items())
    ]
    seen = {(alert.name, str(alert.state)) for trial in trials for now in trial.moments for alert in now.alerts}
    assert {rule.name for rule in group.alerting} - {name for name, _ in seen} == set()
    assert any(state == "pending" for _, state in seen)
    assert promtool(prometheus_rules(OBJECTIVES, threshold_alerts()), trials) == ""


# Random series: runs of scrapes in which each one grows, stands still, restarts or is gone.

COUNTER, GAUGE, BUCKET = "events_total", "level", "wait_bucket"
BOUNDS = ("0.1", "0.5", "2", "+Inf")
LENGTH = 48
LOOKBACK_GAP = 62  # scrapes: just over the 5 minutes for which a last value counts

runs = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.sampled_from(["grows", "grows", "still", "restarts", "gone"]),
        st.floats(0.01, 500.0, allow_nan=False),
    ),
    min_size=2,
    max_size=9,
)
missed = st.lists(st.tuples(st.integers(1, 15), st.booleans()), min_size=1, max_size=6)


@st.composite
def courses(draw: st.DrawFn) -> list[Scrape | None]:
    """Scrapes of two counters, two gauges and a histogram with random runs; some scrapes are missed altogether."""
    columns: dict[Series, list[float | None]] = {}
    for own in ("a", "b"):
        columns[Series.of(COUNTER, own=own)] = _counter(draw(runs), whole=False)
        columns[Series.of(GAUGE, own=own)] = _gauge(draw(runs))
    observations = [_counter(draw(runs), whole=True) for _ in BOUNDS]
    for position, bound in enumerate(BOUNDS):
        columns[Series.of(BUCKET, le=bound)] = [_summed(parts) for parts in zip(*observations[: position + 1], strict=True)]
    skipped = [skip for length, skip in draw(missed) for _ in range(length)]
    return _scrapes(columns, skipped[1:])


def _spread(own: list[tuple[int, str, float]]) -> list[tuple[str, float]]:
    """A kind and a size per scrape; the last run goes on to the end."""
    spread = [
        (kind if first == 0 or kind != "restarts" else "grows", size) for length, kind, size in own for first in range(length)
    ]
    return (spread + [("grows", 1.5)] * LENGTH)[:LENGTH]


def _counter(own: list[tuple[int, str, float]], *, whole: bool) -> list[float | None]:
    value, out = 0.0, []
    for position, (kind, size) in enumerate(_spread(own)):
        step = size * (1 + position % 3)
        step = float(round(step)) if whole else step
        value = {"grows": value + step, "restarts": step / 2}.get(kind, value)
        out.append(None if kind == "gone" else value)
    return out


def _gauge(own: list[tuple[int, str, float]]) -> list[float | None]:
    levels = {"grows": 1.0, "still": 0.0, "restarts": -1.0}
    return [None if kind == "gone" else levels[kind] * size for kind, size in _spread(own)]


def _summed(parts: tuple[float | None, ...]) -> float | None:
    return None if None in parts else sum(part for part in parts if part is not None)


def _scrapes(columns: dict[Series, list[float | None]], skipped: list[bool]) -> list[Scrape | None]:
    scrapes: list[Scrape | None] = []
    for index in range(LENGTH):
        if 0 < index <= len(skipped) and skipped[index - 1]:
            scrapes.append(None)
            continue
        found = {series: value for series, values in columns.items() if (value := values[index]) is not None}
        scrapes.append(Scrape(index * SCRAPE_INTERVAL, tuple(found), np.array(list(found.values()))))
    return scrapes


def random_rules() -> RuleGroup:
    """Every function and operation that rules can use, on the raw series."""
    counter, gauge = Selector(COUNTER), Selector(GAUGE)
    only_a = Selector(GAUGE, (Matcher("own", Match.EQUAL, "a"),))
    not_a = Selector(GAUGE, (Matcher("own", Match.UNLIKE, "a|c"), Matcher("other", Match.DIFFERS, "x")))
    rates = Rate(counter, 30.0)
    records: dict[str, Expr] = {
        "rate_25s": Rate(counter, 25.0),
        "rate_30s": rates,
        "rate_2m30s": Rate(counter, 150.0),
        "rate_5m": Rate(counter, 300.0),
        "increase_1m": Increase(counter, 60.0),
        "level": Instant(gauge),
        "level_a": Instant(only_a),
        "level_not_a": Instant(not_a),
        "sum_rate": sum_of(rates),
        "sum_by": sum_of(Binary(Operation.MULTIPLY, rates, Instant(gauge)), "own"),
        "avg": Aggregate("avg", Instant(gauge)),
        "max": Aggregate("max", Instant(gauge)),
        "min": Aggregate("min", Instant(gauge)),
        "count": Aggregate("count", rates, ("own",)),
        "ratio": Binary(Operation.DIVIDE, rates, Instant(gauge)),
        "difference": Binary(Operation.SUBTRACT, 1.0, Binary(Operation.DIVIDE, OrZero(sum_of(Instant(only_a))), sum_of(rates))),
        "quantile": Quantile(0.37, sum_of(Rate(Selector(BUCKET), 60.0), "le")),
        "kept": Binary(Operation.AND, Binary(Operation.AT_LEAST, Instant(gauge), 5.0), Binary(Operation.DIFFERS, rates, 0.0)),
    }
    above = Binary(Operation.ABOVE, Recorded("random:level"), 0.25)
    alerts = [AlertRule(f"Above{hold}", above, hold=float(hold)) for hold in (0, 5, 12, 30)]
    falling = Binary(Operation.BELOW, Recorded("random:sum_rate"), Recorded("random:avg"))
    alerts.append(AlertRule("Falling", falling, hold=10.0, severity="page", labels=(("team", "flights"),)))
    return RuleGroup([RecordingRule(f"random:{name}", expr) for name, expr in records.items()], alerts)


@settings(
    max_examples=5,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(courses(), min_size=10, max_size=10))
def test_random_series_agree(promtool, drawn: list[list[Scrape | None]]) -> None:
    trials = [play(f"course {index}", random_rules(), scrapes, every=3) for index, scrapes in enumerate(drawn)]
    assert promtool(rule_file(random_rules()), trials) == ""


def test_a_last_value_counts_for_five_minutes_without_scrapes(promtool) -> None:
    series = (Series.of(GAUGE, own="a"), Series.of(COUNTER, own="a"))
    first = [Scrape(5.0 * i, series, np.array([0.5 + i, 10.0 * i])) for i in range(3)]
    gap: list[Scrape | None] = [None] * LOOKBACK_GAP
    last = [Scrape(5.0 * (len(first) + LOOKBACK_GAP), series, np.array([2.0, 700.0]))]
    trial = play("a long gap", random_rules(), [*first, *gap, *last])
    levels = [{record: value for record, _, value in now.records}.get("random:level_a") for now in trial.moments]
    assert levels[len(first) - 1 + 60] == 2.5
    assert levels[len(first) - 1 + 61] is None
    assert promtool(rule_file(random_rules()), [trial]) == ""


def test_a_wrong_claim_is_refused(promtool) -> None:
    """The proof would notice: a value that is off by a millionth, a missing alert, an alert too many."""
    series = (Series.of(GAUGE, own="a"),)
    scrapes = [Scrape(5.0 * i, series, np.array([0.5])) for i in range(4)]
    honest = play("honest", random_rules(), scrapes)
    assert promtool(rule_file(random_rules()), [honest]) == ""
    now = honest.moments[2]
    off = tuple((record, labels, value * (1 + 1e-6) if value else value) for record, labels, value in now.records)
    for wrong in (
        Moment(now.alerts, off),
        Moment(now.alerts[1:], ()),
        Moment((*now.alerts, replace(now.alerts[0], name="Odd")), ()),
    ):
        trial = replace(honest, moments=(*honest.moments[:2], wrong, *honest.moments[3:]))
        assert "FAILED" in promtool(rule_file(random_rules()), [trial])
