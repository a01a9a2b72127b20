"""The rules as a Prometheus rule file, and the catalogue of SLIs as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..model.scenario import Objective
from ..model.slis import LATENCY_BUCKETS, SLIS
from ..model.telemetry import SCRAPE_INTERVAL
from .catalogue import sli_rules
from .objectives import BURN_WINDOWS, BurnWindow, rule_group
from .promql import quoted, window_text
from .rules import AlertRule, RecordingRule, RuleGroup

GROUP = "drillbox"


def prometheus_rules(
    objectives: Sequence[Objective], alert_rules: Sequence[AlertRule] = (), windows: Sequence[BurnWindow] = BURN_WINDOWS
) -> str:
    """A rule file (YAML) with exactly the rules that a `Monitor` with the same arguments evaluates."""
    return rule_file(rule_group(objectives, alert_rules, windows))


def rule_file(group: RuleGroup) -> str:
    """A group of rules as a rule file (YAML), to be evaluated at every scrape."""
    lines = ["groups:", f"  - name: {GROUP}", f"    interval: {window_text(SCRAPE_INTERVAL)}", "    rules:"]
    for recording in group.recording:
        lines.extend(_recording(recording))
    for alerting in group.alerting:
        lines.extend(_alerting(alerting))
    return "\n".join(lines) + "\n"


def metrics_table() -> str:
    """The catalogue of SLIs as a Markdown table, each with its PromQL; `latency` with a bound of 300 ms as the example."""
    rules = sli_rules(LATENCY_BUCKETS[9])
    lines = ["| SLI | unit | what it is | recording rule | PromQL |", "|---|---|---|---|---|"]
    for name, rule in rules.items():
        sli = SLIS[name]
        promql = rule.expr.promql().replace("|", "\\|")
        lines.append(f"| `{name}` | {sli.unit} | {sli.help} | `{rule.record}` | `{promql}` |")
    return "\n".join(lines) + "\n"


def _recording(rule: RecordingRule) -> Iterable[str]:
    yield f"      - record: {rule.record}"
    yield from _expression(rule.expr.promql())
    yield from _mapping("labels", rule.labels)


def _alerting(rule: AlertRule) -> Iterable[str]:
    yield f"      - alert: {rule.name}"
    yield from _expression(rule.expr.promql())
    if rule.hold:
        yield f"        for: {window_text(rule.hold)}"
    yield from _mapping("labels", rule.all_labels)
    if rule.summary:
        yield from _mapping("annotations", [("summary", rule.summary)])


def _expression(promql: str) -> Iterable[str]:
    yield "        expr: |-"
    yield f"          {promql}"


def _mapping(key: str, pairs: Sequence[tuple[str, str]]) -> Iterable[str]:
    if pairs:
        yield f"        {key}:"
        yield from (f"          {name}: {quoted(value)}" for name, value in pairs)
