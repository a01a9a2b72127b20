"""Alerts on thresholds that every service gets.

What points at causes is a ticket. Pages come from the objectives, and from data that no model should be asked with: the quality
objective learns of them half a day later, when the flights have landed. docs/quality.md says how the limits were found.
"""

from __future__ import annotations

from .catalogue import record_name
from .expressions import Binary, Increase, Instant, Operation, OrZero, Rate, Recorded, sum_of
from .program import Expr
from .promql import Match, Matcher, Selector
from .rules import PAGE, AlertRule

STALE = 7200.0
"""Calendar seconds: a record comes every hour."""
MISSING = 0.7
OUT_OF_RANGE = 0.3
DRIFT = 2.5
OVERDUE = 100.0
SHORT_OF_ROWS = 0.7
"""Share of the usual number of rows: that of the gate, which may be off."""
SERIES = 20_000.0
"""64 replicas with all their series have a tenth."""
LATE = 21.0 * 86400.0
"""Calendar seconds: three weekly runs missed."""


def beyond(sli: str, operation: Operation, limit: float) -> Expr:
    """An SLI of the catalogue compared with a limit in its base unit."""
    return Binary(operation, Recorded(record_name(sli)), limit)


def threshold_alerts() -> tuple[AlertRule, ...]:
    """The alerts on saturation, replicas, restarts, retries and answers from the rules."""
    missing = Binary(Operation.BELOW, Recorded(record_name("replicas")), Recorded(record_name("replicas_wanted")))
    restarts = sum_of(Increase(Selector("model_server_restarts_total"), 300.0), "pod")
    overflow = sum_of(Rate(Selector("envoy_gateway_rq_retry_overflow"), 60.0))
    champions = sum_of(Instant(Selector("model_server_ready", (Matcher("deployment", Match.EQUAL, "model-champion"),))))
    return (
        AlertRule(
            "SaturationHigh",
            beyond("saturation", Operation.ABOVE, 0.9),
            hold=30.0,
            summary="more than 90% of the slots of all ready replicas are busy",
        ),
        AlertRule("ReplicasMissing", missing, hold=60.0, summary="fewer replicas are ready than are wanted"),
        AlertRule(
            "NoReplica", Binary(Operation.EQUAL, OrZero(champions), 0.0), hold=10.0, summary="no replica of the champion is ready"
        ),
        AlertRule(
            "ReplicaRestarting",
            Binary(Operation.ABOVE, restarts, 2.0),
            summary="a replica restarted more than twice in 5 minutes",
        ),
        AlertRule(
            "RetryBudgetExhausted",
            Binary(Operation.ABOVE, overflow, 1.0),
            hold=30.0,
            summary="the gateway would retry more than its retry budget allows",
        ),
        AlertRule(
            "AnswersFromRules",
            beyond("rules_share", Operation.ABOVE, 0.2),
            hold=60.0,
            summary="more than 20% of the answers come from the rules in place of the model",
        ),
        *_data_alerts(),
        *_platform_alerts(),
    )


def _platform_alerts() -> tuple[AlertRule, ...]:
    """On containers, nodes, costs, and on the monitoring itself."""
    killed = sum_of(Increase(Selector("container_oom_events_total"), 300.0))
    return (
        AlertRule("MemoryHigh", beyond("memory_share", Operation.ABOVE, 0.9), summary="a replica is near its memory limit"),
        AlertRule(
            "ReplicaOOMKilled",
            Binary(Operation.ABOVE, killed, 0.0),
            summary="a replica was killed at its memory limit within 5 minutes",
        ),
        AlertRule(
            "CPUThrottlingHigh",
            beyond("throttled_share", Operation.ABOVE, 0.25),
            hold=30.0,
            summary="the CPU quota of replicas runs out in more than 25% of all periods",
        ),
        AlertRule(
            "NodeNotReady",
            Binary(Operation.EQUAL, Instant(Selector("kube_node_status_condition")), 0.0),
            summary="a node is not ready",
        ),
        AlertRule(
            "CostAboveBudget",
            beyond("cost_share", Operation.ABOVE, 1.0),
            hold=60.0,
            summary="the replicas cost more than they may",
        ),
        AlertRule(
            "TargetsDown",
            beyond("targets_down", Operation.ABOVE, 0.0),
            hold=60.0,
            summary="scrapes of a target give no data",
        ),
        AlertRule(
            "SeriesGrow",
            beyond("series", Operation.ABOVE, SERIES),
            hold=15.0,
            summary="the monitoring holds far more time series than the service has",
        ),
    )


def _data_alerts() -> tuple[AlertRule, ...]:
    """On what the model is asked with, and on its labels."""
    return (
        AlertRule(
            "FeaturesStale",
            beyond("feature_freshness", Operation.ABOVE, STALE),
            hold=15.0,
            severity=PAGE,
            summary="the values of a source in the feature store are more than two hours behind",
        ),
        AlertRule(
            "FeaturesMissing",
            beyond("null_rate", Operation.ABOVE, MISSING),
            hold=15.0,
            severity=PAGE,
            summary="far more values of a feature are missing than in the training data",
        ),
        AlertRule(
            "FeaturesOutOfRange",
            beyond("out_of_range", Operation.ABOVE, OUT_OF_RANGE),
            hold=15.0,
            severity=PAGE,
            summary="values of a feature are far outside the range of the training data",
        ),
        AlertRule(
            "FeatureDrift",
            beyond("drift", Operation.ABOVE, DRIFT),
            hold=60.0,
            summary="a feature is distributed as on no day of the training data",
        ),
        AlertRule(
            "LabelsOverdue",
            beyond("labels_overdue", Operation.ABOVE, OVERDUE),
            hold=60.0,
            summary="flights that should have landed long ago have no label",
        ),
        AlertRule(
            "TrainingDataShort",
            beyond("training_rows", Operation.BELOW, SHORT_OF_ROWS),
            summary="the last training run had far fewer rows than usual",
        ),
        AlertRule(
            "RetrainingLate",
            beyond("retraining_age", Operation.ABOVE, LATE),
            hold=15.0,
            summary="no training run was finished for three weeks",
        ),
    )
