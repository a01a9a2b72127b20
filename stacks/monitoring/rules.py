"""The rules that are evaluated, and which of the producers' metrics they read: all else is dropped at the scrape."""

from __future__ import annotations

from ...sandbox.model.scenario import Objective, Scenario
from ...sandbox.model.slis import LATENCY_BUCKETS
from ...sandbox.monitor.export import rule_file
from ...sandbox.monitor.objectives import rule_group, windows_of
from ...sandbox.monitor.thresholds import threshold_alerts

EVERY = 1.0
"""Seconds between two evaluations. A Prometheus begins them, and the scrape of each target, at a moment of its own; every scrape
seen within a second keeps its alerts as near to the built-in monitor's as can be, which evaluates when it has scraped."""

OWN = frozenset({"up", "scrape_duration_seconds", "prometheus_tsdb_head_series"})
"""What the scraper itself knows."""


def wanted_metrics() -> frozenset[str]:
    """The names that producers have to give, whatever the scenario: one objective of each kind reads all of its metrics."""
    objectives = (
        Objective("availability", "availability", 0.99),
        Objective("latency", "latency", 0.95, LATENCY_BUCKETS[9]),
        Objective("quality", "quality", 0.95, brier=0.2),
    )
    return rule_group(objectives, threshold_alerts()).metrics - OWN


def rules_text(scenario: Scenario) -> str:
    """The rule file of a scenario for Prometheus: exactly the rules that the built-in monitor evaluates."""
    return rule_file(rule_group(scenario.objectives, threshold_alerts(), windows_of(scenario.profile)), EVERY)
