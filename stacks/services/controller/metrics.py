"""The controller's own metrics, beside those of the platform."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ...monitoring.exporter import PlatformMetrics

if TYPE_CHECKING:
    from .service import Controller


class ControllerMetrics(Collector):
    """All of them."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def collect(self) -> Iterator[Metric]:
        """All families."""
        one = self._controller
        yield from PlatformMetrics(one.platform).collect()
        yield GaugeMetricFamily("controller_api_answers", "1 if the Kubernetes API answers.", one.health.answers)
        errors = CounterMetricFamily("controller_api_errors", "Troubles with the Kubernetes API.", labels=("objects",))
        for what, number in one.health.errors.items():
            errors.add_metric((what,), number)
        yield errors
        lists = CounterMetricFamily("controller_api_lists", "Lists of objects, the first one included.", labels=("objects",))
        for what, number in one.health.lists.items():
            lists.add_metric((what,), number)
        yield lists
        wrong = GaugeMetricFamily("controller_config_wrong", "Values of ConfigMaps that cannot be.", labels=("config", "key"))
        for place in one.desired.wrong():
            wrong.add_metric(place, 1.0)
        yield wrong
        rejected = CounterMetricFamily("controller_config_rejected", "Values that could not be.", labels=("config", "key"))
        for place, number in one.desired.rejected.items():
            rejected.add_metric(place, number)
        yield rejected
        endpoints = GaugeMetricFamily("controller_endpoints", "Model servers that Envoy knows of.", labels=("deployment",))
        for pool, addresses in one.policy.pools.items():
            endpoints.add_metric((pool,), len(addresses))
        yield endpoints
        told = CounterMetricFamily("controller_settings_told", "Attempts to tell settings, by result.", labels=("result",))
        for result, number in one.teller.results.items():
            told.add_metric((result,), number)
        yield told
        yield CounterMetricFamily("controller_policies", "Policies that were put into force.", one.steering.writes)
        yield CounterMetricFamily("controller_gateway_starts", "Times that Envoy was found to have started.", one.steering.starts)
