"""The exact ledger of logical requests, as the simulation keeps it, and what the load generator measures of itself."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from ....sandbox.model.slis import LATENCY_BUCKETS

SEND_BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
RESULTS = ("2xx", "4xx", "5xx", "timeout", "broken")


class Outcome(StrEnum):
    """What becomes of a logical request."""

    FAILED = "failed"
    SLOW = "slow"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Counts:
    """Decided logical requests that were scheduled at t >= 0, and the cost of their predictions in dollars."""

    failed: int
    slow: int
    ok: int
    prediction_cost: float


class Histogram:
    """Counts by bucket."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.sum = bounds, 0.0
        self.counts = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        """One more value, in seconds."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def family(self, name: str, text: str) -> HistogramMetricFamily:
        """For a scrape."""
        totals = np.cumsum(self.counts).tolist()
        labels = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        return HistogramMetricFamily(name, text, buckets=list(zip(labels, totals, strict=True)), sum_value=self.sum)


@dataclass(slots=True)
class Ledger:
    """What became of requests. `costs` [2, examples]: dollars of predicting on time, and of predicting late."""

    costs: NDArray[np.float64]
    counted: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))  # at t >= 0
    decided: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))  # the warm-up's included
    attempts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RESULTS, 0))
    prediction_cost: float = 0.0
    in_flight: int = 0  # logical requests that are not decided
    rate: float = 0.0  # wanted, per second
    connections: int = 0
    latency: Histogram = field(default_factory=lambda: Histogram(LATENCY_BUCKETS))
    send_error: Histogram = field(default_factory=lambda: Histogram(SEND_BUCKETS))

    def counts(self) -> Counts:
        """The outcome so far of the requests scheduled at t >= 0."""
        of = self.counted
        return Counts(of[Outcome.FAILED], of[Outcome.SLOW], of[Outcome.OK], self.prediction_cost)

    def failed(self, due: float) -> None:
        """A request that was scheduled at `due` got no answer."""
        self._decide(Outcome.FAILED, due)

    def answered(self, due: float, latency: float, slow: bool, example: int, late: bool) -> None:
        """A request got an answer, and with it a prediction."""
        self._decide(Outcome.SLOW if slow else Outcome.OK, due)
        self.latency.add(latency)
        if due >= 0.0:
            self.prediction_cost += float(self.costs[int(late), example])

    def _decide(self, outcome: Outcome, due: float) -> None:
        self.in_flight -= 1
        self.decided[outcome] += 1
        if due >= 0.0:
            self.counted[outcome] += 1

    def collect(self) -> Iterable[Metric]:
        """All metrics, for a scrape."""
        decided = CounterMetricFamily("load_requests", "Logical requests decided, by outcome.", labels=["outcome"])
        for outcome, number in self.decided.items():
            decided.add_metric([outcome.value], number)
        attempts = CounterMetricFamily("load_attempts", "Attempts of clients, by result.", labels=["result"])
        for result, number in self.attempts.items():
            attempts.add_metric([result], number)
        return [
            decided,
            attempts,
            CounterMetricFamily("load_prediction_cost_dollars", "Cost of predictions, from t = 0.", value=self.prediction_cost),
            GaugeMetricFamily("load_in_flight", "Logical requests that are not decided.", value=self.in_flight),
            GaugeMetricFamily("load_rate", "Requests wanted per second.", value=self.rate),
            GaugeMetricFamily("load_connections", "Open connections.", value=self.connections),
            self.latency.family("load_latency_seconds", "Time from the intended send time to the answer."),
            self.send_error.family("load_send_error_seconds", "How much later than intended requests were sent."),
        ]
