"""The built-in monitor as a session uses it."""

from __future__ import annotations

import math

from .engine import Readings
from .model.scenario import Scenario
from .model.telemetry import Scrape
from .monitor.monitor import Monitor
from .monitor.objectives import BURN_WINDOWS, SHORT_WINDOWS, BurnWindow
from .monitor.thresholds import threshold_alerts
from .session import Range

LEAD = 300.0
"""Seconds before t = 0 from which on rules are evaluated.

Scrapes count from the start of the warm-up, so windows are as full as they can be, and the longest `for` of an alert is a
fraction of the lead. To evaluate the rest of the warm-up would nearly double the monitor's cost.
"""


def burn_windows(scenario: Scenario) -> tuple[BurnWindow, ...]:
    """The windows of the burn-rate alerts: in the profile `short` only the fast page."""
    return tuple(SHORT_WINDOWS if scenario.profile == "short" else BURN_WINDOWS)


class BuiltInMonitor:
    """Evaluates the scenario's rules at every scrape from `LEAD` before the drill on, as a Prometheus that loads them then."""

    def __init__(self, scenario: Scenario) -> None:
        self._monitor = Monitor(scenario.objectives, threshold_alerts(), burn_windows(scenario))

    def observe(self, scrape: Scrape) -> Readings:
        """What a scrape tells; nothing at the beginning of the warm-up."""
        if scrape.at < -LEAD:
            self._monitor.take(scrape)
            return Readings()
        result = self._monitor.observe(scrape)
        return Readings(result.slis, result.counts, result.transitions)

    def query(self, expr: str, start: float, end: float, step: float) -> Range:
        """A metric over time; None where there is no data."""
        times, values = self._monitor.query(expr, start, end, step)
        return Range(expr, tuple(times.tolist()), tuple(None if math.isnan(value) else value for value in values.tolist()))

    def metrics(self) -> tuple[str, ...]:
        """Names that can be queried."""
        return self._monitor.metrics()
