"""What a Prometheus would scrape from the simulated service, under the real producers' names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...sandbox.model.scenario import Prices
from ...sandbox.model.service import ServiceSpec
from ...sandbox.model.telemetry import Scrape, Series
from . import layout as lay
from .fleet import POOLS, Fleet, Pod, PodState
from .model_metrics import ModelMetrics
from .plane import Plane

_GATEWAY = (
    ("envoy_gateway_rq_no_healthy_upstream", lay.I_NO_UPSTREAM),
    ("envoy_gateway_rq_retry", lay.I_RETRY),
    ("envoy_gateway_rq_retry_overflow", lay.I_OVERFLOW),
    ("envoy_gateway_rq_shed", lay.I_SHED),
)
_POD = (
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


class Exporter:
    """Turns the state of data plane and fleet into scrapes; the tuple of series stays the same object while the pods do."""

    def __init__(self, plane: Plane, fleet: Fleet, prices: Prices, model: ModelMetrics) -> None:
        self._plane = plane
        self._model = model
        self._model_series: list[Series] = []
        self._fleet = fleet
        self._prices = prices
        self._revision = -1
        self._series: tuple[Series, ...] = ()
        self._order: NDArray[np.intp] = np.zeros(0, np.intp)

    def scrape(self, at: float, spec: ServiceSpec, replica_seconds: float, training_seconds: float) -> Scrape:
        """All metrics at drill time `at`; seconds that were paid for count since the warm-up began."""
        pods = self._fleet.pods()
        model_series, model_values = self._model.samples()
        if self._fleet.revision != self._revision or model_series != self._model_series:
            self._revision, self._model_series = self._fleet.revision, model_series
            names = [*_names(self._plane, pods), *model_series]
            self._order = np.array(sorted(range(len(names)), key=names.__getitem__), np.intp)
            self._series = tuple(names[place] for place in self._order)
        values = np.concatenate([self._values(pods, spec, replica_seconds, training_seconds), model_values])
        return Scrape(at, self._series, values[self._order])

    def _values(self, pods: list[Pod], spec: ServiceSpec, replica_seconds: float, training_seconds: float) -> NDArray[np.float64]:
        """The values in the order of `_names`."""
        state = self._plane.state
        buckets = np.cumsum(state.histogram, axis=1, dtype=np.float64)
        prices = self._prices
        paid = (replica_seconds * prices.replica_hour / 3600.0, training_seconds * prices.training_hour / 3600.0)
        replicas = (spec.champion.replicas, spec.candidate.replicas, spec.shadow.replicas)
        return np.concatenate(
            [
                buckets.ravel(),
                state.latency_sum * 1000.0,
                buckets[:, -1],
                state.i[[place for _, place in _GATEWAY]],
                replicas,
                [*paid, 1.0],
                self._pod_values(pods).ravel(),
            ]
        )

    def _pod_values(self, pods: list[Pod]) -> NDArray[np.float64]:
        """[pods, len(_POD) + 1]; the last column is `up`."""
        state = self._plane.state
        slots = [pod.slot for pod in pods]
        whole, part = state.r[slots], state.rf[slots]
        alive = np.array([pod.state in (PodState.READY, PodState.DRAINING, PodState.LOADING) for pod in pods], np.float64)
        columns = [
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
            alive,
        ]
        return np.column_stack(columns).astype(np.float64)


def _names(plane: Plane, pods: list[Pod]) -> list[Series]:
    """All series, in the order in which `Exporter` computes the values."""
    bounds = [f"{bound * 1000:g}" for bound in plane.state.bounds] + ["+Inf"]
    gateway = [
        Series.of("envoy_gateway_rq_time_bucket", response_code_class=kind, le=bound) for kind in lay.CLASSES for bound in bounds
    ]
    for suffix in ("sum", "count"):
        gateway += [Series.of(f"envoy_gateway_rq_time_{suffix}", response_code_class=kind) for kind in lay.CLASSES]
    platform = [Series(name) for name, _ in _GATEWAY]
    platform += [Series.of("kube_deployment_spec_replicas", deployment=name) for name in POOLS]
    platform += [Series.of("service_cost_dollars_total", item=item) for item in ("replicas", "training")]
    platform.append(Series.of("up", job="gateway", instance="gateway"))
    servers = []
    for pod in pods:
        own = (("deployment", pod.deployment), ("pod", pod.name))
        servers += [Series(name, tuple(sorted((*own, *labels)))) for name, labels in _POD]
        servers.append(Series.of("up", job="model-server", instance=pod.name))
    return gateway + platform + servers
