"""The status line of a drill in plain lines: what the on-call reads again and again."""

from __future__ import annotations

import pytest

from drillbox.sandbox.model.events import Audience, Ended, Event, Observed
from drillbox.sandbox.model.scenario import Prices
from drillbox.sandbox.reports.plain import status_line

PRICES = Prices(failed=0.1, slow=0.03, missed=0.0, false_alarm=0.0, replica_hour=36.0)
SLIS = {
    "request_rate": 480.2, "availability": 0.9421, "latency": 0.5, "latency_p95": 0.3123, "saturation": 0.97,
    "queue_length": 12.0, "replicas": 3.0, "replicas_wanted": 5.0,
}  # fmt: skip
LEDGER = {
    "failed": 10_000.0,
    "slow": 1000.0,
    "ok": 5.0,
    "prediction_cost": 4.0,
    "replica_seconds": 100.0,
    "training_seconds": 0.0,
}


def observed(slis: dict[str, float]) -> Event:
    return Event(7, 95.0, Audience.ALL, Observed(slis, {}, LEDGER))


def test_it_has_clock_traffic_answers_latency_load_replicas_and_money() -> None:
    line = status_line(observed(SLIS), PRICES)
    shown = (
        "[01:35]",
        "480/s",
        "answered 94.2%",
        "in time 50%",
        "p95 312ms",
        "busy 97%",
        "queue 12",
        "replicas 3/5",
        "harm $1,035",
    )
    assert [text for text in shown if text not in line] == []


def test_what_is_not_known_is_a_dash_and_no_zero() -> None:
    line = status_line(observed({}), PRICES)
    for text in ("-/s", "answered -", "in time -", "p95 -", "replicas -/-"):
        assert text in line


def test_only_an_observation_has_one() -> None:
    with pytest.raises(TypeError):
        status_line(Event(8, 95.0, Audience.ALL, Ended("finished")), PRICES)
