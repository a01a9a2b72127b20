"""Metrics of a model server: names and labels are those that the simulation exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from .predictions import PredictionLog
from .settings import ModelSettings
from .slots import Slots


class ServerMetrics(Collector):
    """Reads the server's own counters when it is scraped.

    Args:
        settings: for the labels `deployment` and `pod`, where they are set.
        ready: whether it is.
        slots: once the model is loaded.
        predictions: the prediction log.
    """

    def __init__(
        self, settings: ModelSettings, ready: Callable[[], bool], slots: Callable[[], Slots | None], predictions: PredictionLog
    ) -> None:
        named = {"deployment": settings.deployment, "pod": settings.pod}
        self._labels = {name: value for name, value in named.items() if value}
        self._ready = ready
        self._slots = slots
        self._predictions = predictions
        self._concurrency = settings.concurrency
        self.requests: Counter[int] = Counter({200: 0, 503: 0})  # by status code
        self.lookups: Counter[str] = Counter()
        self.slow = 0  # answers that took longer than `settings.slow_bound`

    def collect(self) -> Iterator[Metric]:
        """All families."""
        slots = self._slots()
        busy = slots.busy_seconds() if slots else 0.0
        answers = dict(slots.predictions) if slots else {"model": 0, "rules": 0}
        lookups = {**dict.fromkeys(("ok", "timeout", "failed"), 0), **self.lookups}
        yield self._family("model_server_busy_seconds", "counter", "Seconds that slots were busy, summed.", [({}, busy)])
        yield self._gauge("model_server_inflight", "Requests in service.", slots.busy if slots else 0)
        yield self._gauge("model_server_queue_length", "Requests that wait for a slot.", slots.waiting if slots else 0)
        yield self._gauge("model_server_ready", "1 when the model is loaded.", self._ready())
        yield self._gauge("model_server_slots", "Slots.", slots.live.concurrency if slots else self._concurrency)
        yield self._counter("model_server_predictions", "Answers.", "source", answers)
        yield self._counter("model_server_requests", "Requests to infer.", "code", self.requests)
        yield self._counter("model_server_lookups", "Look-ups in the feature store.", "result", lookups)
        yield self._family("model_server_slow_answers", "counter", "Answers later than the bound.", [({}, self.slow)])
        batches = slots.batches if slots else 0
        yield self._family("model_server_batches", "counter", "Micro-batches scored.", [({}, batches)])
        dropped = self._predictions.dropped
        yield self._family("model_server_unlogged_predictions", "counter", "Predictions lost to the log.", [({}, dropped)])

    def _counter(self, name: str, text: str, label: str, values: Counter[int] | dict[str, int]) -> Metric:
        return self._family(name, "counter", text, [({label: str(key)}, float(value)) for key, value in sorted(values.items())])

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        return self._family(name, "gauge", text, [({}, float(value))])

    def _family(self, name: str, kind: str, text: str, samples: list[tuple[dict[str, str], float]]) -> Metric:
        family = Metric(name, text, kind)
        for labels, value in samples:
            family.add_sample(f"{name}_total" if kind == "counter" else name, {**self._labels, **labels}, value)
        return family
