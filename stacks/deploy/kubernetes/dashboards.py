"""Grafana's dashboards as code: the health of the service, the health of the model, and money.

What is an SLI is asked for by the name of its recording rule, so that a dashboard and an alert never differ. A test parses every
query, and looks for its metrics among those that are scraped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ....sandbox.model.slis import SLIS, Unit
from ....sandbox.monitor.catalogue import record_name
from ....sandbox.monitor.objectives import BURN_WINDOWS, burn_record

Json = dict[str, object]

SCHEMA = 39
"""Version of the dashboards' format: that of Grafana 11, which later ones convert."""
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}

_WIDTH, _HEIGHT, _ACROSS = 8, 7, 3
_UNITS = {
    Unit.SHARE: "percentunit",
    Unit.SECONDS: "s",
    Unit.PER_SECOND: "reqps",
    Unit.COUNT: "short",
    Unit.DOLLARS_PER_HOUR: "currencyUSD",
    Unit.SCORE: "none",
}


@dataclass(frozen=True, slots=True)
class Query:
    """One expression, and what its series are called: a text with `{{label}}` in it."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart.

    Attributes:
        title: with what it is about first.
        unit: Grafana's name of it.
        queries: its series.
        line: value at which a line is drawn: an alert's threshold.
        least: where the axis begins; None: where the values do.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]
    line: float | None = None
    least: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page of charts."""

    uid: str
    title: str
    panels: tuple[Panel, ...]


def _sli(*names: str, title: str = "", line: float | None = None, least: float | None = 0.0) -> Panel:
    """A chart of SLIs of the same unit."""
    queries = tuple(Query(record_name(name), name.replace("_", " ")) for name in names)
    first = SLIS[names[0]]
    return Panel(title or first.help[:1].upper() + first.help[1:], _UNITS[first.unit], queries, line, least)


def _raw(title: str, unit: str, *queries: tuple[str, str], line: float | None = None, least: float | None = 0.0) -> Panel:
    return Panel(title, unit, tuple(Query(*one) for one in queries), line, least)


_FAST = BURN_WINDOWS[0]
_BUSY = "sum by (pod) (rate(model_server_busy_seconds_total[30s]))"
_ANSWERED = 'sum by (pod) (rate(model_server_requests_total{code="200"}[30s]))'
_GOOD = 'sum(rate(envoy_gateway_rq_time_count{response_code_class="2xx"}[1m]))'

SERVICE = Dashboard(
    "drillbox-service",
    "Service health",
    (
        _raw("Alerts that are firing", "short", ('count by (alertname) (ALERTS{alertstate="firing"})', "{{alertname}}")),
        _raw(
            "Burn rate of the error budgets",
            "none",
            (burn_record(_FAST.long), "{{objective}}, 5 min"),
            (burn_record(_FAST.short), "{{objective}}, 25 s"),
            line=_FAST.burn,
        ),
        _sli("availability", "latency", title="Share of good answers"),
        _raw(
            "Answers of the gateway by class",
            "reqps",
            ("sum by (response_code_class) (rate(envoy_gateway_rq_time_count[30s]))", "{{response_code_class}}"),
        ),
        _sli("latency_p50", "latency_p95", "latency_p99", title="Time to an answer"),
        _sli("error_ratio", title="Share of errors and refusals"),
        _sli("saturation", title="Busy share of the slots", line=0.9),
        _raw(
            "Waiting requests by replica",
            "short",
            ("sum by (deployment, pod) (model_server_queue_length)", "{{pod}}"),
        ),
        _raw(
            "Replicas: ready and wanted",
            "short",
            ("sum by (deployment) (model_server_ready)", "{{deployment}} ready"),
            ("sum by (deployment) (kube_deployment_spec_replicas)", "{{deployment}} wanted"),
        ),
        _sli("retry_rate", "shed_rate", title="Retries and refusals of the gateway"),
        _raw(
            "Answers of the model servers by code",
            "reqps",
            ("sum by (deployment, code) (rate(model_server_requests_total[30s]))", "{{deployment}} {{code}}"),
        ),
        _raw(
            "Work per answer by replica",
            "s",
            (
                f"{_BUSY} / ({_ANSWERED} > 0)",
                "{{pod}}",
            ),
        ),
        _raw(
            "Memory over its limit by replica",
            "percentunit",
            ("container_memory_working_set_bytes / container_spec_memory_limit_bytes", "{{pod}}"),
            line=0.9,
        ),
        _raw(
            "Restarts, and kills at the memory limit, in 5 minutes",
            "short",
            ("sum by (pod) (increase(model_server_restarts_total[5m]))", "{{pod}} restarts"),
            ("sum by (pod) (increase(container_oom_events_total[5m]))", "{{pod}} kills"),
            line=2.0,
        ),
        _sli("throttled_share", title="Share of the CPU periods that were throttled", line=0.25),
        _raw("Nodes that are ready", "short", ("sum by (node) (kube_node_status_condition)", "{{node}}")),
        _raw("Targets that are scraped", "short", ("sum by (job) (up)", "{{job}} up"), ("sum by (job) (1 - up)", "{{job}} down")),
        _sli("scrape_seconds", title="Duration of the slowest scrape"),
    ),
)

MODEL = Dashboard(
    "drillbox-model",
    "Model health",
    (
        _sli("quality", title="Share of the flights in evaluations that met the objective"),
        _sli("quality_auc", "quality_ap", title="Ranking: AUC and average precision", least=None),
        _sli("quality_brier", title="Brier score", least=None),
        _sli("calibration", "calibration_bias", title="Calibration: expected error and bias", least=None),
        _raw(
            "Drift by feature, over the largest of any day of training",
            "none",
            ("max by (feature) (quality_monitor_drift_ratio)", "{{feature}}"),
            line=2.5,
        ),
        _raw("PSI by feature", "none", ("max by (feature) (quality_monitor_drift_psi)", "{{feature}}")),
        _sli("prediction_psi", title="PSI of the scores"),
        _sli("called_late", title="Share of the flights that are called late"),
        _raw(
            "Age of the online features by source (calendar)",
            "s",
            ("max by (source) (feature_store_age_seconds)", "{{source}}"),
            line=7200.0,
        ),
        _raw(
            "Missing values beyond the usual by feature",
            "percentunit",
            ("max by (feature) (quality_monitor_null_excess)", "{{feature}}"),
            line=0.7,
        ),
        _raw(
            "Values out of range by feature",
            "percentunit",
            ("max by (feature) (quality_monitor_out_of_range)", "{{feature}}"),
            line=0.3,
        ),
        _raw("Flights by what is known of their labels", "short", ("sum by (labels) (quality_monitor_flights)", "{{labels}}")),
        _raw(
            "Answers by their source",
            "reqps",
            ("sum by (source) (rate(model_server_predictions_total[30s]))", "{{source}}"),
        ),
        _sli("model_age", "retraining_age", title="Age of the model and of the last run (calendar)"),
        _raw("Runs of the retraining loop", "short", ("sum(retraining_runs_total)", "runs")),
        _sli("training_rows", title="Rows of the last training run over the usual number", line=0.7),
    ),
)

MONEY = Dashboard(
    "drillbox-money",
    "Money",
    (
        _raw(
            "Cost per hour",
            "currencyUSD",
            ("sum by (item) (rate(service_cost_dollars_total[1m])) * 3600", "{{item}}"),
            ("sum(service_cost_budget_dollars_per_hour)", "budget of the replicas"),
        ),
        _sli("cost_share", title="Cost of the replicas over their budget", line=1.0),
        _raw("Paid since the beginning", "currencyUSD", ("sum by (item) (service_cost_dollars_total)", "{{item}}")),
        _raw(
            "Replicas that are paid for",
            "short",
            ("sum by (deployment) (kube_deployment_spec_replicas)", "{{deployment}}"),
        ),
        _raw(
            "Dollars per thousand answers",
            "currencyUSD",
            (
                f"1000 * sum(rate(service_cost_dollars_total[1m])) / ({_GOOD} > 0)",
                "all items",
            ),
        ),
        _sli("partner_share", title="Share of the work that the partner's requests take"),
    ),
)

DASHBOARDS = (SERVICE, MODEL, MONEY)


def files() -> dict[str, str]:
    """The dashboards as Grafana reads them, by the name of the file."""
    return {f"{one.uid}.json": json.dumps(rendered(one), indent=1) + "\n" for one in DASHBOARDS}


def rendered(dashboard: Dashboard) -> Json:
    """A dashboard in Grafana's format."""
    return {
        "uid": dashboard.uid,
        "title": f"drillbox: {dashboard.title}",
        "tags": ["drillbox"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "panels": [_panel(number, one) for number, one in enumerate(dashboard.panels)],
    }


def _panel(number: int, panel: Panel) -> Json:
    down, across = divmod(number, _ACROSS)
    defaults: Json = {"unit": panel.unit, "custom": _style(panel.line)}
    if panel.least is not None:
        defaults["min"] = panel.least
    if panel.line is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.line}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": DATASOURCE,
        "gridPos": {"x": across * _WIDTH, "y": down * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": _targets(panel.queries),
    }


def _style(line: float | None) -> Json:
    drawn: Json = {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "showPoints": "never", "spanNulls": False}
    return drawn | {"thresholdsStyle": {"mode": "off" if line is None else "dashed"}}


def _targets(queries: Sequence[Query]) -> list[Json]:
    return [
        {"refId": chr(ord("A") + number), "expr": one.expr, "legendFormat": one.legend, "datasource": DATASOURCE}
        for number, one in enumerate(queries)
    ]
