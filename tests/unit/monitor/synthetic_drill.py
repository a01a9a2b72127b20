"""Plausible metrics of a service under drill, with the raw requests behind them, for tests of the monitor."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drillbox.sandbox.model.slis import LATENCY_BUCKETS
from drillbox.sandbox.model.telemetry import SCRAPE_INTERVAL, Scrape, Series

CLASSES = ("0", "2xx", "4xx", "5xx")
LABELS = (*(f"{bound * 1000:g}" for bound in LATENCY_BUCKETS), "+Inf")
DEPLOYMENTS = ("model-champion", "model-candidate", "model-shadow")


@dataclass(frozen=True)
class Weather:
    """What happens in an interval between scrapes."""

    rate: float = 100.0  # requests per second
    failing: float = 0.001  # share of requests that get no answer
    median: float = 0.06  # seconds
    down: bool = False  # no scrape reaches the gateway
    reset: bool = False  # the gateway restarts: its counters begin at zero
    busy: float = 0.4  # mean share of busy slots
    pods: int = 3
    restarting: int = 0  # pods whose process restarts
    missing: int = 0  # pods that no scrape reaches
    strange: float | None = (
        None  # how far data, labels and quality are from what training knew, 0 to 1; None: nothing is exported
    )
    strained: float | None = None  # how far the platform is from health, 0 to 1; None: nothing is exported


@dataclass
class Pod:
    """A model server's counters."""

    name: str
    deployment: str
    busy: float = 0.0
    ok: float = 0.0
    failed: float = 0.0
    rules: float = 0.0
    restarts: float = 0.0
    periods: float = 0.0
    throttled: float = 0.0
    kills: float = 0.0


@dataclass
class SyntheticDrill:
    """Counters that grow by drawn requests. `latencies` and `classes` hold every request, `ends` how many by each scrape."""

    seed: int
    latencies: list[NDArray[np.float64]] = field(default_factory=list)
    classes: list[NDArray[np.int64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.buckets = np.zeros((len(CLASSES), len(LABELS)))
        self.sums = np.zeros(len(CLASSES))
        self.gateway = np.zeros(4)
        self.pods: list[Pod] = []
        self.made = 0
        self.dollars = 0.0
        self.judged = [0.0, 0.0]
        self.known: dict[tuple[Series, ...], tuple[Series, ...]] = {}

    def scrapes(self, weather: list[Weather], start: float) -> list[Scrape]:
        """One scrape per interval."""
        return [self._scrape(start + SCRAPE_INTERVAL * i, one) for i, one in enumerate(weather)]

    def _scrape(self, at: float, weather: Weather) -> Scrape:
        found: dict[Series, float] = {}
        self._serve(weather)
        if not weather.down:
            self._add_gateway(found)
        for index, pod in enumerate(self._fleet(weather)):
            if index >= weather.missing:
                self._add_pod(found, pod, ready=index >= weather.restarting)
        found[Series.of("kube_deployment_spec_replicas", deployment="model-champion")] = float(weather.pods)
        found[Series.of("service_cost_dollars_total", item="replicas")] = self.dollars
        if weather.strained is not None:
            self._add_platform(found, weather.strained)
        if weather.strange is not None:
            self._add_model(found, weather.strange)
        series = tuple(found)
        return Scrape(at, self.known.setdefault(series, series), np.array(list(found.values())))

    def _add_platform(self, found: dict[Series, float], strained: float) -> None:
        """What containers, nodes, price list and scrapers export."""
        for i, pod in enumerate(self.pods):
            pod.periods += 50.0
            pod.throttled += 50.0 * strained * float(self.rng.uniform(0.5, 1.0))
            pod.kills += float(strained > 0.5 and i == 0)
            values = {
                "container_memory_working_set_bytes": (0.3 + 0.69 * strained) * 2.0**30,
                "container_spec_memory_limit_bytes": 2.0**30,
                "container_oom_events_total": pod.kills,
                "container_cpu_cfs_periods_total": pod.periods,
                "container_cpu_cfs_throttled_periods_total": pod.throttled,
            }
            found |= {Series.of(name, pod=pod.name, deployment=pod.deployment): value for name, value in values.items()}
            found[Series.of("up", job="model-server", instance=pod.name)] = float(strained < 0.5 or i > 0)
            found[Series.of("scrape_duration_seconds", job="model-server", instance=pod.name)] = 0.01 + strained
        for node in ("node-1", "node-2"):
            ready = node == "node-1" or strained < 0.5
            found[Series.of("kube_node_status_condition", condition="Ready", node=node, status="true")] = float(ready)
        found[Series.of("service_cost_budget_dollars_per_hour")] = 4.0 - 3.8 * strained
        found[Series.of("prometheus_tsdb_head_series")] = 400.0 + 50_000.0 * strained
        found[Series.of("model_server_client_work_seconds_total", client="partner")] = self.pods[0].busy * 0.1
        found[Series.of("quality_monitor_called_late")] = strained

    def _add_model(self, found: dict[Series, float], strange: float) -> None:
        """What feature store and quality monitor export."""
        self.judged[strange > 0.5] += 700.0
        found |= {
            Series.of("quality_monitor_judged_flights_total", met=met): flights
            for met, flights in zip(("yes", "no"), self.judged, strict=True)
        }
        found |= {
            Series.of("feature_store_age_seconds", source=source): 9000.0 * strange + 60.0 * i for i, source in enumerate("ab")
        }
        for labels, flights in {"matured": 800.0, "pending": 150.0, "overdue": 300.0 * strange}.items():
            found[Series.of("quality_monitor_flights", labels=labels)] = flights
        for i, feature in enumerate(("temp", "visib")):
            found[Series.of("quality_monitor_drift_ratio", feature=feature)] = 4.0 * strange + i / 10
            found[Series.of("quality_monitor_null_excess", feature=feature)] = strange * i
            found[Series.of("quality_monitor_out_of_range", feature=feature)] = strange * (1 - i)
        found[Series.of("quality_monitor_brier")] = 0.1 + strange / 5
        found[Series.of("retraining_snapshot_rows_ratio")] = 1.0 - strange / 2
        found[Series.of("retraining_last_run_age_seconds")] = 4_000_000.0 * strange
        found[Series.of("retraining_runs_total")] = 1.0

    def _serve(self, weather: Weather) -> None:
        if weather.reset:
            self.buckets[:], self.sums[:], self.gateway[:] = 0.0, 0.0, 0.0
        count = int(self.rng.poisson(weather.rate * SCRAPE_INTERVAL))
        latencies = self.rng.lognormal(np.log(weather.median), 0.6, count)
        failed = self.rng.random(count) < weather.failing
        classes = np.where(failed, self.rng.choice([0, 2, 3], count), 1)
        self.latencies.append(latencies)
        self.classes.append(classes)
        for index in range(len(CLASSES)):
            own = latencies[classes == index]
            self.buckets[index, :-1] += np.searchsorted(np.sort(own), LATENCY_BUCKETS, side="right")
            self.buckets[index, -1] += len(own)
            self.sums[index] += own.sum() * 1000.0
        self.gateway += self.rng.poisson(count * weather.failing * np.array([1.0, 0.2, 0.1, 0.05]))
        self.dollars += 0.6 / 3600 * SCRAPE_INTERVAL * weather.pods

    def _fleet(self, weather: Weather) -> list[Pod]:
        while len(self.pods) < weather.pods:
            deployment = DEPLOYMENTS[self.made % 7 % 3] if self.made > 3 else DEPLOYMENTS[0]
            self.pods.append(Pod(f"{deployment}-{self.made}", deployment))
            self.made += 1
        del self.pods[weather.pods :]
        for index, pod in enumerate(self.pods):
            if index < weather.restarting:
                pod.busy, pod.ok, pod.failed, pod.rules, pod.restarts = 0.0, 0.0, 0.0, 0.0, pod.restarts + 1
            share = weather.rate * SCRAPE_INTERVAL / len(self.pods)
            pod.busy += min(1.0, weather.busy * float(self.rng.uniform(0.95, 1.05))) * 4 * SCRAPE_INTERVAL
            pod.ok += float(self.rng.poisson(share))
            pod.failed += float(self.rng.poisson(share * weather.failing))
            pod.rules += float(self.rng.poisson(share * weather.failing))
        return self.pods

    def _add_gateway(self, found: dict[Series, float]) -> None:
        for index, name in enumerate(CLASSES):
            for bound, count in zip(LABELS, self.buckets[index], strict=True):
                found[Series.of("envoy_gateway_rq_time_bucket", response_code_class=name, le=bound)] = count
            found[Series.of("envoy_gateway_rq_time_sum", response_code_class=name)] = self.sums[index]
            found[Series.of("envoy_gateway_rq_time_count", response_code_class=name)] = self.buckets[index, -1]
        names = ("rq_retry", "rq_retry_overflow", "rq_shed", "rq_no_healthy_upstream")
        for name, value in zip(names, self.gateway, strict=True):
            found[Series.of(f"envoy_gateway_{name}")] = value

    def _add_pod(self, found: dict[Series, float], pod: Pod, *, ready: bool) -> None:
        values = {
            Series.of("model_server_ready"): float(ready),
            Series.of("model_server_slots"): 4.0,
            Series.of("model_server_queue_length"): float(self.rng.integers(40)),
            Series.of("model_server_inflight"): float(self.rng.integers(5)),
            Series.of("model_server_busy_seconds_total"): pod.busy,
            Series.of("model_server_requests_total", code="200"): pod.ok,
            Series.of("model_server_requests_total", code="503"): pod.failed,
            Series.of("model_server_predictions_total", source="model"): pod.ok - min(pod.ok, pod.rules),
            Series.of("model_server_predictions_total", source="rules"): pod.rules,
            Series.of("model_server_restarts_total"): pod.restarts,
        }
        for one, value in values.items():
            own = {**dict(one.labels), "pod": pod.name, "deployment": pod.deployment}
            found[Series.of(one.name, **own)] = value
