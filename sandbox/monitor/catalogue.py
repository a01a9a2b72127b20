"""How each SLI is measured: its recording rule over the producers' metrics.

SLIs for display and triggers look back 30 s (`WINDOW`): 7 scrapes, enough to smooth single requests, short enough to show a turn
within half a minute. Objectives and their alerts do not read them; they count events over their own windows (`objectives`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..model.slis import LATENCY_BUCKETS, SLIS
from ..model.units import format_duration
from .expressions import Aggregate, Binary, Instant, Operation, OrZero, Quantile, Rate, sum_of
from .program import Expr
from .promql import Match, Matcher, Selector, window_text
from .rules import RecordingRule

WINDOW = 30.0
"""Seconds that an SLI for display looks back."""

CLASS = "response_code_class"
REQUESTS = "envoy_gateway_rq_time_count"
BUCKETS = "envoy_gateway_rq_time_bucket"
JUDGED = "quality_monitor_judged_flights_total"
"""Each evaluation of the model's quality adds the flights that it saw, labelled by whether the Brier score was good enough."""

_SERVING = Matcher("deployment", Match.DIFFERS, "model-shadow")  # nobody waits for the shadow's answers
_SCALED = Matcher("deployment", Match.LIKE, "model-champion|model-candidate")
_ANSWERED = Matcher(CLASS, Match.EQUAL, "2xx")


@dataclass(frozen=True, slots=True)
class EventCounters:
    """Counters of an SLI's good events and of all its events."""

    good: Selector
    total: Selector

    def share(self, window: float) -> Expr:
        """The good events' share of all within a window. None good yet is 0; no events at all is NaN, as 0/0 is."""
        return Binary(Operation.DIVIDE, OrZero(sum_of(Rate(self.good, window))), sum_of(Rate(self.total, window)))


def bucket_label(bound: float) -> str:
    """The label `le` of the bucket with an upper bound in seconds: Envoy counts in milliseconds."""
    return f"{round(bound * 1000.0, 3):.10g}"


def event_counters(sli: str, bound: float | None = None) -> EventCounters:
    """What an objective on an SLI counts.

    Args:
        sli: an SLI that can carry an objective.
        bound: for `latency`, the longest good answer in seconds, one of `LATENCY_BUCKETS`.

    Raises:
        ValueError: the SLI has no events to count, or the bound is none of the buckets.
    """
    if sli == "availability":
        return EventCounters(Selector(REQUESTS, (_ANSWERED,)), Selector(REQUESTS))
    if sli == "latency":
        if bound not in LATENCY_BUCKETS:
            raise ValueError(f"the latency bound {bound} is not one of the histogram's buckets")
        within = Matcher("le", Match.EQUAL, bucket_label(bound))
        return EventCounters(Selector(BUCKETS, (_ANSWERED, within)), Selector(REQUESTS))
    if sli == "quality":
        return EventCounters(Selector(JUDGED, (Matcher("met", Match.EQUAL, "yes"),)), Selector(JUDGED))
    raise ValueError(f"{sli} does not count good events")


def _rate(metric: str, *matchers: Matcher) -> Expr:
    return sum_of(Rate(Selector(metric, matchers), WINDOW))


def _gauge(metric: str, *matchers: Matcher) -> Expr:
    return sum_of(Instant(Selector(metric, matchers)))


def _divide(left: Expr | float, right: Expr | float) -> Expr:
    return Binary(Operation.DIVIDE, left, right)


def _times(left: Expr | float, right: Expr | float) -> Expr:
    return Binary(Operation.MULTIPLY, left, right)


def _quantile(quantile: float) -> Expr:
    return _divide(Quantile(quantile, sum_of(Rate(Selector(BUCKETS), WINDOW), "le")), 1000.0)


def _saturation() -> Expr:
    """Busy seconds per second of the ready replicas, over their slots."""
    ready = Instant(Selector("model_server_ready", (_SERVING,)))
    busy = Rate(Selector("model_server_busy_seconds_total", (_SERVING,)), WINDOW)
    slots = Instant(Selector("model_server_slots", (_SERVING,)))
    return _divide(sum_of(_times(busy, ready)), sum_of(_times(slots, ready)))


def _rules_share() -> Expr:
    rules = Matcher("source", Match.EQUAL, "rules")
    answers = "model_server_predictions_total"
    return _divide(OrZero(_rate(answers, rules, _SERVING)), _rate(answers, _SERVING))


def _worst(metric: str, operation: str = "max") -> Expr:
    return Aggregate(operation, Instant(Selector(metric)))


def _memory() -> Expr:
    used = Instant(Selector("container_memory_working_set_bytes"))
    return Aggregate("max", _divide(used, Instant(Selector("container_spec_memory_limit_bytes"))))


def _throttled() -> Expr:
    return _divide(_rate("container_cpu_cfs_throttled_periods_total"), _rate("container_cpu_cfs_periods_total"))


def _slowest() -> Expr:
    """Busy seconds per answer; a replica without answers has no number that compares."""
    busy = sum_of(Rate(Selector("model_server_busy_seconds_total", (_SERVING,)), WINDOW), "pod")
    answers = sum_of(
        Rate(Selector("model_server_requests_total", (_SERVING, Matcher("code", Match.EQUAL, "200"))), WINDOW), "pod"
    )
    return Aggregate("max", _divide(busy, Binary(Operation.ABOVE, answers, 0.0)))


def _cost_rate() -> Expr:
    return _times(_rate("service_cost_dollars_total", Matcher("item", Match.EQUAL, "replicas")), 3600.0)


def _down() -> Expr:
    return sum_of(Binary(Operation.SUBTRACT, 1.0, Instant(Selector("up"))))


@dataclass(frozen=True, slots=True)
class Measure:
    """How an SLI is measured. `operation` is the last part of the recording rule's name."""

    operation: str
    expr: Callable[[], Expr]


_RATED = f"rate{window_text(WINDOW)}"

MEASURES: dict[str, Measure] = {
    "availability": Measure(f"ratio_{_RATED}", lambda: event_counters("availability").share(WINDOW)),
    "quality": Measure(f"ratio_{_RATED}", lambda: event_counters("quality").share(WINDOW)),
    "error_ratio": Measure(
        f"ratio_{_RATED}",
        lambda: _divide(OrZero(_rate(REQUESTS, Matcher(CLASS, Match.DIFFERS, "2xx"))), _rate(REQUESTS)),
    ),
    "request_rate": Measure(_RATED, lambda: _rate(REQUESTS)),
    "latency_p50": Measure(f"quantile_{_RATED}", lambda: _quantile(0.5)),
    "latency_p95": Measure(f"quantile_{_RATED}", lambda: _quantile(0.95)),
    "latency_p99": Measure(f"quantile_{_RATED}", lambda: _quantile(0.99)),
    "saturation": Measure(f"ratio_{_RATED}", _saturation),
    "queue_length": Measure("sum", lambda: _gauge("model_server_queue_length", _SERVING)),
    "replicas": Measure("sum", lambda: _gauge("model_server_ready", _SCALED)),
    "replicas_wanted": Measure("sum", lambda: _gauge("kube_deployment_spec_replicas", _SCALED)),
    "restarts": Measure("sum", lambda: _gauge("model_server_restarts_total", _SERVING)),
    "retry_rate": Measure(_RATED, lambda: _rate("envoy_gateway_rq_retry")),
    "shed_rate": Measure(_RATED, lambda: _rate("envoy_gateway_rq_shed")),
    "rules_share": Measure(f"ratio_{_RATED}", _rules_share),
    "cost_rate": Measure(_RATED, _cost_rate),
    "labels_matured": Measure("sum", lambda: _gauge("quality_monitor_flights", Matcher("labels", Match.EQUAL, "matured"))),
    "labels_pending": Measure("sum", lambda: _gauge("quality_monitor_flights", Matcher("labels", Match.EQUAL, "pending"))),
    "labels_overdue": Measure("sum", lambda: _gauge("quality_monitor_flights", Matcher("labels", Match.EQUAL, "overdue"))),
    "drift": Measure("max", lambda: _worst("quality_monitor_drift_ratio")),
    "quality_ap": Measure("min", lambda: _worst("quality_monitor_average_precision", "min")),
    "calibration_bias": Measure("max", lambda: _worst("quality_monitor_calibration_in_the_large")),
    "drift_ks_max": Measure("max", lambda: _worst("quality_monitor_drift_ks")),
    "prediction_psi": Measure("max", lambda: _worst("quality_monitor_prediction_psi")),
    "out_of_range": Measure("max", lambda: _worst("quality_monitor_out_of_range")),
    "quality_auc": Measure("min", lambda: _worst("quality_monitor_auc", "min")),
    "quality_brier": Measure("max", lambda: _worst("quality_monitor_brier")),
    "calibration": Measure("max", lambda: _worst("quality_monitor_calibration_error")),
    "drift_psi_max": Measure("max", lambda: _worst("quality_monitor_drift_psi")),
    "feature_freshness": Measure("max", lambda: _worst("feature_store_age_seconds")),
    "null_rate": Measure("max", lambda: _worst("quality_monitor_null_excess")),
    "retraining_age": Measure("max", lambda: _worst("retraining_last_run_age_seconds")),
    "retraining_runs": Measure("sum", lambda: _gauge("retraining_runs_total")),
    "training_rows": Measure("min", lambda: _worst("retraining_snapshot_rows_ratio", "min")),
    "memory_share": Measure("max", _memory),
    "oom_kills": Measure("sum", lambda: _gauge("container_oom_events_total")),
    "throttled_share": Measure(f"ratio_{_RATED}", _throttled),
    "slowest_replica": Measure(f"max_{_RATED}", _slowest),
    "nodes_ready": Measure("sum", lambda: _gauge("kube_node_status_condition")),
    "partner_share": Measure(
        f"ratio_{_RATED}",
        lambda: _divide(_rate("model_server_client_work_seconds_total"), _rate("model_server_busy_seconds_total", _SERVING)),
    ),
    "called_late": Measure("max", lambda: _worst("quality_monitor_called_late")),
    "cost_share": Measure(f"ratio_{_RATED}", lambda: _divide(_cost_rate(), _gauge("service_cost_budget_dollars_per_hour"))),
    "targets_down": Measure("sum", _down),
    "scrape_seconds": Measure("max", lambda: _worst("scrape_duration_seconds")),
    "series": Measure("max", lambda: _worst("prometheus_tsdb_head_series")),
    "model_age": Measure("max", lambda: _worst("quality_monitor_model_age_seconds")),
}
"""By SLI. `latency` is not here: it needs a bound (`latency_rule`)."""


def record_name(sli: str) -> str:
    """The name of an SLI's recording rule."""
    return f"sli:{sli}:{MEASURES[sli].operation if sli in MEASURES else f'ratio_{_RATED}'}"


def latency_rule(bound: float) -> RecordingRule:
    """The recording rule of the share of requests that were answered within `bound` seconds."""
    return RecordingRule(
        record_name("latency"), event_counters("latency", bound).share(WINDOW), (("bound", format_duration(bound)),)
    )


def sli_rules(bound: float | None = None) -> dict[str, RecordingRule]:
    """The recording rules of all SLIs by SLI, in the catalogue's order; `latency` only with a bound in seconds."""
    rules: dict[str, RecordingRule] = {}
    for sli in SLIS:
        if sli == "latency":
            if bound is not None:
                rules[sli] = latency_rule(bound)
        else:
            rules[sli] = RecordingRule(record_name(sli), MEASURES[sli].expr())
    return rules
