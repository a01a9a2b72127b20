"""What feature store, quality monitor and retraining loop export, under the names of the real producers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from ...sandbox.model.features import ONLINE
from ...sandbox.model.telemetry import Series
from ...sandbox.world.calendar import minutes_of
from ...sandbox.world.data import FEATURES
from .quality import QualityMonitor
from .retraining import RetrainingLoop

Sample = tuple[str, tuple[tuple[str, str], ...], float]
"""Metric, labels sorted by name, value."""


class ModelMetrics:
    """The gauges and counters; a gauge without data is not exported.

    Args:
        monitor: of the model's health.
        loop: of retraining.
        ages: seconds by source, at a calendar minute, since the values in the feature store were to be known; none if the store
            exports them itself.
    """

    def __init__(
        self, monitor: QualityMonitor, loop: RetrainingLoop, ages: Callable[[float], Mapping[str, float]] = lambda _minute: {}
    ) -> None:
        self._ages = ages
        self._loop = loop
        self._monitor = monitor
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], Series] = {}

    def samples(self) -> tuple[list[Series], list[float]]:
        """Series that have a value now, and their values."""
        found = list(self.named())
        return [self._series_of(name, labels) for name, labels, _ in found], [value for _, _, value in found]

    def named(self) -> Iterator[Sample]:
        """Metric, labels and value of what has a value now."""
        return (one for one in self._all() if math.isfinite(one[2]))

    def _series_of(self, name: str, labels: tuple[tuple[str, str], ...]) -> Series:
        """The same object every time: readers cache what they derive from it."""
        known = self._series.get((name, labels))
        if known is None:
            known = self._series[name, labels] = Series(name, labels)
        return known

    def _all(self) -> Iterator[Sample]:
        monitor = self._monitor
        for source, age in self._ages(monitor.now).items():
            yield "feature_store_age_seconds", (("source", source),), age
        for met, flights in zip(("yes", "no"), monitor.judged, strict=True):
            yield "quality_monitor_judged_flights_total", (("met", met),), flights
        age_of_model = (monitor.now - minutes_of(monitor.version.train_until)) * 60.0
        yield "quality_monitor_model_age_seconds", (), age_of_model
        yield "retraining_last_run_age_seconds", (), self._loop.age
        yield "retraining_runs_total", (), float(len(self._loop.runs))
        yield "retraining_snapshot_rows_ratio", (), self._loop.rows_ratio
        yield "quality_monitor_called_late", (), monitor.called_late
        yield from self._quality()
        yield from self._drift()

    def _quality(self) -> Iterator[Sample]:
        health = self._monitor.health
        yield "quality_monitor_flights", (("labels", "matured"),), float(health.maturity.matured)
        yield "quality_monitor_flights", (("labels", "pending"),), float(health.maturity.pending)
        yield "quality_monitor_flights", (("labels", "overdue"),), float(health.maturity.overdue)
        found = health.quality
        if found is None:
            return
        yield "quality_monitor_auc", (), math.nan if found.auc is None else found.auc
        yield "quality_monitor_average_precision", (), math.nan if found.average_precision is None else found.average_precision
        yield "quality_monitor_brier", (), found.brier
        yield "quality_monitor_calibration_error", (), found.calibration_error
        yield "quality_monitor_calibration_in_the_large", (), found.calibration_in_the_large

    def _drift(self) -> Iterator[Sample]:
        drift = self._monitor.health.drift
        if drift is None:
            return
        yield "quality_monitor_prediction_psi", (), drift.prediction_psi
        usual = self._monitor.reference.usual
        for name in ONLINE:
            reading, label = drift.features[name], (("feature", name),)
            yield "quality_monitor_drift_psi", label, reading.psi
            yield "quality_monitor_drift_ratio", label, reading.psi / usual[FEATURES.index(name)]
            yield "quality_monitor_drift_ks", label, reading.ks
            yield "quality_monitor_null_excess", label, max(0.0, reading.null_excess)
            yield "quality_monitor_out_of_range", label, reading.outside
