"""What a scenario expects of its alerts: which fires before which, and which never does."""

from __future__ import annotations

from ..model.scenario import Scenario
from .record import Record

APART = 20.0
"""Seconds between first firings below which no order is claimed."""


def first_firings(record: Record) -> dict[str, float]:
    """When each alert first fired, in drill seconds, in the order of firing."""
    first: dict[str, float] = {}
    for at, alert in record.alerts:
        if alert.state == "firing":
            first.setdefault(alert.name, at)
    return first


def unmet(record: Record, scenario: Scenario) -> tuple[str, ...]:
    """Each expectation that does not hold, in words. What the operator did may keep the second of a pair from firing."""
    first = first_firings(record)
    problems = []
    for earlier, later in scenario.alerts.order:
        if earlier not in first:
            if later in first:
                problems.append(f"{later} fired at {first[later]:.0f} s, {earlier} never did")
        elif later in first and first[later] < first[earlier] - APART:
            problems.append(f"{later} fired at {first[later]:.0f} s, before {earlier} at {first[earlier]:.0f} s")
    problems += [f"{name} fired at {first[name]:.0f} s and must not" for name in scenario.alerts.forbidden if name in first]
    return tuple(problems)
