"""The catalogue of service level indicators: each is declared here once; how it is measured stands beside it in `monitor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LATENCY_BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds of the latency histogram's buckets, in seconds. Every latency objective's bound is one of them."""


class SliKind(StrEnum):
    """How an SLI is made from the producers' metrics."""

    RATIO = "ratio"  # events of one sort over all events, within a window
    GAUGE = "gauge"  # a value as it is now, or a rate
    QUANTILE = "quantile"  # estimated from a histogram: for display and triggers, never for objectives


class Unit(StrEnum):
    """What an SLI's values measure."""

    SHARE = "share"  # fraction of 1
    SECONDS = "seconds"
    PER_SECOND = "per second"
    COUNT = "count"
    DOLLARS_PER_HOUR = "$/h"
    SCORE = "score"  # a statistic without a unit, such as AUC or PSI


@dataclass(frozen=True, slots=True)
class Sli:
    """One indicator. An objective can be set on those that count good events over all (`objective`)."""

    name: str
    unit: Unit
    help: str
    kind: SliKind
    objective: bool = False


SLIS: dict[str, Sli] = {
    sli.name: sli
    for sli in (
        Sli("availability", Unit.SHARE, "share of requests that were answered (2xx)", SliKind.RATIO, objective=True),
        Sli("latency", Unit.SHARE, "share of requests answered within the objective's bound", SliKind.RATIO, objective=True),
        Sli(
            "quality",
            Unit.SHARE,
            "share of the evaluated flights in evaluations whose Brier score is within the objective's",
            SliKind.RATIO,
            objective=True,
        ),
        Sli("error_ratio", Unit.SHARE, "share of requests that got an error or were refused", SliKind.RATIO),
        Sli("request_rate", Unit.PER_SECOND, "requests that reach the gateway", SliKind.GAUGE),
        Sli("latency_p50", Unit.SECONDS, "median time to an answer", SliKind.QUANTILE),
        Sli("latency_p95", Unit.SECONDS, "95th percentile of the time to an answer", SliKind.QUANTILE),
        Sli("latency_p99", Unit.SECONDS, "99th percentile of the time to an answer", SliKind.QUANTILE),
        Sli("saturation", Unit.SHARE, "busy share of the slots of all ready replicas", SliKind.GAUGE),
        Sli("queue_length", Unit.COUNT, "requests that wait in the queues of all replicas", SliKind.GAUGE),
        Sli("replicas", Unit.COUNT, "replicas that are ready", SliKind.GAUGE),
        Sli("replicas_wanted", Unit.COUNT, "replicas that are wanted", SliKind.GAUGE),
        Sli("restarts", Unit.COUNT, "restarts of replicas since the drill's warm-up began", SliKind.GAUGE),
        Sli("retry_rate", Unit.PER_SECOND, "further tries that the gateway makes", SliKind.GAUGE),
        Sli("shed_rate", Unit.PER_SECOND, "requests that the gateway refuses on purpose (429)", SliKind.GAUGE),
        Sli("rules_share", Unit.SHARE, "share of answers that come from the rules in place of the model", SliKind.RATIO),
        Sli("cost_rate", Unit.DOLLARS_PER_HOUR, "what the replicas cost", SliKind.GAUGE),
        Sli("labels_matured", Unit.COUNT, "flights in the quality window, all labels of their hour known", SliKind.GAUGE),
        Sli(
            "labels_pending",
            Unit.COUNT,
            "flights that have left and whose label is not known, or not of all of their hour",
            SliKind.GAUGE,
        ),
        Sli("labels_overdue", Unit.COUNT, "of these, flights that should have landed long ago", SliKind.GAUGE),
        Sli("quality_auc", Unit.SCORE, "AUC of the champion on the flights whose label is known", SliKind.GAUGE),
        Sli("quality_brier", Unit.SCORE, "Brier score of the champion on the flights whose label is known", SliKind.GAUGE),
        Sli("quality_ap", Unit.SCORE, "average precision of the champion on the flights whose label is known", SliKind.GAUGE),
        Sli("calibration", Unit.SCORE, "expected calibration error of the champion", SliKind.GAUGE),
        Sli(
            "calibration_bias",
            Unit.SCORE,
            "mean score less share late: above 0 the model calls too many flights late",
            SliKind.GAUGE,
        ),
        Sli("drift_psi_max", Unit.SCORE, "population stability index of the feature that drifted most", SliKind.GAUGE),
        Sli("drift", Unit.SCORE, "PSI of the worst feature over the largest of any day of the training data", SliKind.GAUGE),
        Sli("drift_ks_max", Unit.SCORE, "Kolmogorov-Smirnov statistic of the feature that drifted most", SliKind.GAUGE),
        Sli("prediction_psi", Unit.SCORE, "population stability index of the champion's scores", SliKind.GAUGE),
        Sli("feature_freshness", Unit.SECONDS, "calendar age of the oldest online feature in use", SliKind.GAUGE),
        Sli(
            "null_rate",
            Unit.SHARE,
            "share of missing values beyond that of the training data, in the worst feature",
            SliKind.GAUGE,
        ),
        Sli(
            "out_of_range",
            Unit.SHARE,
            "share of values far outside the training data's range, in the worst feature",
            SliKind.GAUGE,
        ),
        Sli("retraining_age", Unit.SECONDS, "calendar time since a training run was last finished", SliKind.GAUGE),
        Sli("retraining_runs", Unit.COUNT, "training runs since the drill's warm-up began", SliKind.GAUGE),
        Sli("training_rows", Unit.SHARE, "rows of the last training run over the usual number", SliKind.GAUGE),
        Sli("memory_share", Unit.SHARE, "memory over its limit, in the replica that is nearest to it", SliKind.GAUGE),
        Sli("oom_kills", Unit.COUNT, "containers killed at their memory limit, of the replicas that exist", SliKind.GAUGE),
        Sli("throttled_share", Unit.SHARE, "share of the CPU periods in which a replica's quota ran out", SliKind.RATIO),
        Sli("slowest_replica", Unit.SECONDS, "work per answer of the slowest replica", SliKind.GAUGE),
        Sli("nodes_ready", Unit.COUNT, "nodes that are ready", SliKind.GAUGE),
        Sli("partner_share", Unit.SHARE, "share of the replicas' work that the partner's requests take", SliKind.RATIO),
        Sli("called_late", Unit.SHARE, "share of the flights asked about that are called late", SliKind.GAUGE),
        Sli("cost_share", Unit.SHARE, "what the replicas cost over what they may", SliKind.GAUGE),
        Sli("targets_down", Unit.COUNT, "targets whose last scrape gave no data", SliKind.GAUGE),
        Sli("scrape_seconds", Unit.SECONDS, "duration of the slowest scrape", SliKind.GAUGE),
        Sli("series", Unit.COUNT, "time series that the monitoring holds in memory", SliKind.GAUGE),
        Sli("model_age", Unit.SECONDS, "calendar time since the end of the champion's training data", SliKind.GAUGE),
    )
}
