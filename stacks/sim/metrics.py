"""What a Prometheus would scrape from the simulated service, under the real producers' names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...sandbox.model.platform import NODES
from ...sandbox.model.scenario import Prices
from ...sandbox.model.service import ServiceSpec
from ...sandbox.model.telemetry import Scrape, Series
from ..control_plane.model_metrics import ModelMetrics
from . import layout as lay
from .fleet import POOLS, Fleet, Pod, PodState
from .plane import Plane
from .platform import Platform
from .scraping import Result

_GATEWAY = (
    ("envoy_gateway_rq_no_healthy_upstream", lay.I_NO_UPSTREAM),
    ("envoy_gateway_rq_retry", lay.I_RETRY),
    ("envoy_gateway_rq_retry_overflow", lay.I_OVERFLOW),
    ("envoy_gateway_rq_shed", lay.I_SHED),
    ("envoy_gateway_partner_rq_total", lay.I_PARTNER),
    ("envoy_gateway_partner_rq_over_limit", lay.I_PARTNER_REFUSED),
)
_POD = (
    ("container_cpu_cfs_periods_total", ()),
    ("container_cpu_cfs_throttled_periods_total", ()),
    ("container_memory_working_set_bytes", ()),
    ("container_oom_events_total", ()),
    ("container_spec_memory_limit_bytes", ()),
    ("model_server_busy_seconds_total", ()),
    ("model_server_inflight", ()),
    ("model_server_predictions_total", (("source", "model"),)),
    ("model_server_predictions_total", (("source", "rules"),)),
    ("model_server_queue_length", ()),
    ("model_server_ready", ()),
    ("model_server_requests_total", (("code", "200"),)),
    ("model_server_requests_total", (("code", "503"),)),
    ("model_server_restarts_total", ()),
    ("model_server_slots", ()),
)


_PLATFORM = (
    Series.of("model_server_client_work_seconds_total", client="partner"),
    *(Series.of("kube_deployment_spec_replicas", deployment=name) for name in POOLS),
    *(Series.of("service_cost_dollars_total", item=item) for item in ("replicas", "training")),
    Series("service_cost_budget_dollars_per_hour"),
    *(Series.of("kube_node_status_condition", condition="Ready", node=name, status="true") for name in NODES),
    Series("prometheus_tsdb_head_series"),
)
"""Series of the cluster, the price list and the monitoring itself, which no fault takes away."""
_RUNNING = frozenset((PodState.READY, PodState.UNREACHABLE, PodState.DRAINING, PodState.LOADING))
_TARGET = ("up", "scrape_duration_seconds", "scrape_samples_scraped")
"""What the scrapers themselves know of each target."""
_MIB = 1024.0 * 1024.0


class Exporter:
    """Turns the state of data plane and fleet into scrapes; the tuple of series stays the same object while the targets do."""

    def __init__(self, plane: Plane, fleet: Fleet, platform: Platform, prices: Prices, model: ModelMetrics) -> None:
        self._plane = plane
        self._platform = platform
        self._model = model
        self._model_series: list[Series] = []
        self._fleet = fleet
        self._prices = prices
        self._revision = -1
        self._series: tuple[Series, ...] = ()
        self._order: NDArray[np.intp] = np.zeros(0, np.intp)
        self._up = b""

    def scrape(self, at: float, spec: ServiceSpec, replica_seconds: float, training_seconds: float) -> Scrape:
        """All metrics at drill time `at`; seconds that were paid for count since the warm-up began."""
        pods = self._fleet.pods()
        model_series, model_values = self._model.samples()
        alive = np.array([pod.state in _RUNNING and not pod.frozen for pod in pods], np.float64)
        gateway, other = _gateway_size(self._plane), len(_PLATFORM) + len(model_series)
        result = self._platform.scraping.take(alive, gateway, len(_POD), other)
        asked = np.array([pod.state in _RUNNING or pod.frozen for pod in pods], np.bool_)
        up = result.up.tobytes() + asked.tobytes()
        if self._fleet.revision != self._revision or model_series != self._model_series or up != self._up:
            self._revision, self._model_series, self._up = self._fleet.revision, model_series, up
            self._name(pods, model_series, asked, result)
        values = np.concatenate([self._values(pods, spec, replica_seconds, training_seconds, result), model_values])
        return Scrape(at, self._series, values[self._order])

    def _name(self, pods: list[Pod], model_series: list[Series], asked: NDArray[np.bool_], result: Result) -> None:
        """The series that there are, without those of targets that should run and gave no data, and the order of the values."""
        names = [*_names(self._plane, pods), *model_series]
        failed = [0] if not result.up[0] else []
        failed += [int(place) + 1 for place in np.flatnonzero(asked & (result.up[1:] == 0.0))]
        gone: set[int] = set()
        gateway, first = _gateway_size(self._plane), _gateway_size(self._plane) + len(_PLATFORM) + len(_TARGET)
        for target in failed:
            start = first + (target - 1) * (len(_POD) + len(_TARGET))
            gone.update(range(gateway) if target == 0 else range(start, start + len(_POD)))
        there = [place for place in range(len(names)) if place not in gone]
        self._order = np.array(sorted(there, key=names.__getitem__), np.intp)
        self._series = tuple(names[place] for place in self._order)

    def _values(
        self, pods: list[Pod], spec: ServiceSpec, replica_seconds: float, training_seconds: float, result: Result
    ) -> NDArray[np.float64]:
        """The values in the order of `_names`."""
        state = self._plane.state
        buckets = np.cumsum(state.histogram, axis=1, dtype=np.float64)
        prices = self._prices
        paid = (replica_seconds * prices.replica_hour / 3600.0, training_seconds * prices.training_hour / 3600.0)
        replicas = (spec.champion.replicas, spec.candidate.replicas, spec.shadow.replicas)
        targets = np.column_stack([result.up, result.seconds, result.samples])
        return np.concatenate(
            [
                buckets.ravel(),
                state.latency_sum * 1000.0,
                buckets[:, -1],
                state.i[[place for _, place in _GATEWAY]],
                [state.f[lay.F_PARTNER_WORK]],
                replicas,
                [*paid, self._platform.budget],
                [float(ready) for ready in self._platform.nodes.ready().values()],
                [result.series],
                targets[0],
                np.hstack([self._pod_values(pods, spec), targets[1:]]).ravel(),
            ]
        )

    def _pod_values(self, pods: list[Pod], spec: ServiceSpec) -> NDArray[np.float64]:
        """[pods, len(_POD)]."""
        state = self._plane.state
        slots = [pod.slot for pod in pods]
        whole, part = state.r[slots], state.rf[slots]
        memory = self._platform.containers.memory
        used = np.array([(pod.usage.periods, pod.usage.throttled, memory(pod) * _MIB, pod.usage.kills) for pod in pods])
        columns = [
            used.reshape(len(pods), 4),
            np.full(len(pods), spec.servers.memory * _MIB),
            part[:, lay.RF_BUSY],
            whole[:, lay.R_BUSY],
            whole[:, lay.R_SERVED] - whole[:, lay.R_RULES],
            whole[:, lay.R_RULES],
            whole[:, lay.R_WAITING],
            whole[:, lay.R_READY],
            whole[:, lay.R_SERVED],
            whole[:, lay.R_REJECTED],
            np.array([pod.restarts for pod in pods]),
            whole[:, lay.R_CONCURRENCY],
        ]
        return np.column_stack(columns).astype(np.float64)


def _gateway_size(plane: Plane) -> int:
    """Series of the gateway."""
    return len(lay.CLASSES) * (len(plane.state.bounds) + 1 + 2) + len(_GATEWAY)


def _names(plane: Plane, pods: list[Pod]) -> list[Series]:
    """All series, in the order in which `Exporter` computes the values."""
    bounds = [f"{bound * 1000:g}" for bound in plane.state.bounds] + ["+Inf"]
    gateway = [
        Series.of("envoy_gateway_rq_time_bucket", response_code_class=kind, le=bound) for kind in lay.CLASSES for bound in bounds
    ]
    for suffix in ("sum", "count"):
        gateway += [Series.of(f"envoy_gateway_rq_time_{suffix}", response_code_class=kind) for kind in lay.CLASSES]
    gateway += [Series(name) for name, _ in _GATEWAY]
    servers = []
    for pod in pods:
        own = (("deployment", pod.deployment), ("pod", pod.name))
        servers += [Series(name, tuple(sorted((*own, *labels)))) for name, labels in _POD]
        servers += [Series.of(name, job="model-server", instance=pod.name) for name in _TARGET]
    return gateway + list(_PLATFORM) + [Series.of(name, job="gateway", instance="gateway") for name in _TARGET] + servers
