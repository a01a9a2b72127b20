"""The rules as a Prometheus rule file, and the catalogue of SLIs as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..model.scenario import Objective
from ..model.slis import LATENCY_BUCKETS, SLIS
from ..model.telemetry import SCRAPE_INTERVAL
from .catalogue import sli_rules
from .objectives import BUDGET_PERIOD, BURN_WINDOWS, BurnWindow, rule_group
from .promql import quoted, window_text
from .rules import AlertRule, RecordingRule, RuleGroup

GROUP = "drillbox"


def prometheus_rules(
    objectives: Sequence[Objective], alert_rules: Sequence[AlertRule] = (), windows: Sequence[BurnWindow] = BURN_WINDOWS
) -> str:
    """A rule file (YAML) with exactly the rules that a `Monitor` with the same arguments evaluates."""
    return rule_file(rule_group(objectives, alert_rules, windows))


def rule_file(group: RuleGroup, every: float = SCRAPE_INTERVAL) -> str:
    """A group of rules as a rule file (YAML), to be evaluated every so many seconds: by default at every scrape."""
    lines = ["groups:", f"  - name: {GROUP}", f"    interval: {window_text(every)}", "    rules:"]
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


_PAGE = """# Metrics and alerts

This page is written by `drillbox export metrics`; a test compares them.

## Service level indicators

Each is declared once and measured by one recording rule, which the built-in monitor evaluates on scrapes {interval} apart just as
Prometheus does. `drillbox export prometheus-rules SCENARIO` writes the rules with the scenario's own objectives. `latency`
counts within the scenario's tightest bound, here 300 ms; quantiles are for display, never for objectives. Indicators whose
producers do not run in a drill have no data there.

{slis}
## Burn-rate alerts

Every objective of a scenario gives an alert, `AvailabilityBurnRate` for the objective `availability`, that fires while its error
budget burns faster than the limit over both windows. A burn rate of 1 spends the budget in exactly its period, {period}. The
windows are those of the Site Reliability Workbook, chapter 5, divided by 12. The profile `short` has the first one only.

{burns}
## Alerts on thresholds

Tickets, which point at causes.

{thresholds}
## Prometheus beside a drill

`drillbox play SCENARIO --speed 1x --metrics-port 9464` serves the raw series under their producers' names at
`http://127.0.0.1:9464/metrics`. Scrape them every {interval}, with the exported rules as a rule file:

```yaml
global: {{scrape_interval: {interval}, evaluation_interval: {interval}}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: drill
    static_configs: [{{targets: ["127.0.0.1:9464"]}}]
```

At another speed than 1x the windows of Prometheus are still those of the wall clock, so its rates are higher by that factor.
"""


def metrics_page(alert_rules: Sequence[AlertRule]) -> str:
    """The page of the docs: the catalogue, the burn-rate alerts, and `alert_rules`, the alerts that every drill has besides."""
    burns = ["| long window | short window | burn rate above | severity |", "|---|---|---|---|"]
    burns += [f"| {window_text(one.long)} | {window_text(one.short)} | {one.burn:g} | {one.severity} |" for one in BURN_WINDOWS]
    thresholds = ["| alert | fires when | for | PromQL |", "|---|---|---|---|"]
    for rule in alert_rules:
        promql = rule.expr.promql().replace("|", "\\|")
        hold = window_text(rule.hold) if rule.hold else "at once"
        thresholds.append(f"| `{rule.name}` | {rule.summary} | {hold} | `{promql}` |")
    return _PAGE.format(
        interval=window_text(SCRAPE_INTERVAL),
        period=f"{BUDGET_PERIOD / 3600:g} hours",
        slis=metrics_table(),
        burns="\n".join(burns) + "\n",
        thresholds="\n".join(thresholds) + "\n",
    )


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
