"""The gauges and counters of quality monitor and retraining loop, for a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from .room import Standing

_HELP = {
    "quality_monitor_auc": "Area under the ROC curve of the champion on flights whose labels are mature.",
    "quality_monitor_average_precision": "Average precision of the champion on flights whose labels are mature.",
    "quality_monitor_brier": "Brier score of the champion on flights whose labels are mature.",
    "quality_monitor_calibration_error": "Expected calibration error of the champion.",
    "quality_monitor_calibration_in_the_large": "Mean score less the share of late flights.",
    "quality_monitor_called_late": "Share of the flights asked about lately that are called late.",
    "quality_monitor_drift_ks": "Kolmogorov-Smirnov distance of a feature from the training data.",
    "quality_monitor_drift_psi": "PSI of a feature against the training data.",
    "quality_monitor_drift_ratio": "PSI of a feature over the largest of any day of the training data.",
    "quality_monitor_flights": "Flights that the champion answered for, by what is known of their labels.",
    "quality_monitor_judged_flights_total": "Flights in evaluations, by whether their Brier score met the objective.",
    "quality_monitor_model_age_seconds": "Calendar seconds since the end of the champion's training window.",
    "quality_monitor_null_excess": "Share of a feature's values that is missing beyond what is usual.",
    "quality_monitor_out_of_range": "Share of a feature's values that training did not know.",
    "quality_monitor_prediction_psi": "PSI of the champion's scores against those on its training data.",
    "retraining_last_run_age_seconds": "Calendar seconds since the last finished run began.",
    "retraining_runs_total": "Runs of the retraining loop.",
    "retraining_snapshot_rows_ratio": "Rows of the last snapshot over the usual number.",
}


class PipelineMetrics(Collector):
    """Reads where the control plane stands; never waits for it.

    Args:
        standing: None before it is open.
        in_step: seconds by which it lags behind.
        unreadable: lines of the prediction logs that were none.
    """

    def __init__(
        self, standing: Callable[[], Standing | None], in_step: Callable[[], float], unreadable: Callable[[], int]
    ) -> None:
        self._standing = standing
        self._in_step = in_step
        self._unreadable = unreadable

    def collect(self) -> Iterator[Metric]:
        """All families."""
        standing = self._standing()
        if standing is None:
            return
        families: dict[str, Metric] = {}
        for name, labels, value in standing.samples:
            if name not in families:
                kind = "counter" if name.endswith("_total") else "gauge"
                families[name] = Metric(name.removesuffix("_total"), _HELP.get(name, name), kind)
            families[name].add_sample(name, dict(labels), value)
        yield from families.values()
        lag = Metric("pipeline_lag_seconds", "Seconds by which the control plane lags behind the wall clock.", "gauge")
        lag.add_sample("pipeline_lag_seconds", {}, self._in_step())
        lines = Metric("pipeline_unreadable_lines", "Lines of the prediction logs that could not be read.", "counter")
        lines.add_sample("pipeline_unreadable_lines_total", {}, float(self._unreadable()))
        yield from (lag, lines)
