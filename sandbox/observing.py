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


def burn_windows(scenario: Scenario) -> tuple[BurnWindow, ...]:
    """The windows of the burn-rate alerts: in the profile `short` only the fast page."""
    return tuple(SHORT_WINDOWS if scenario.profile == "short" else BURN_WINDOWS)


class BuiltInMonitor:
    """Evaluates the scenario's objectives at every scrape."""

    def __init__(self, scenario: Scenario) -> None:
        self._monitor = Monitor(scenario.objectives, threshold_alerts(), burn_windows(scenario))

    def observe(self, scrape: Scrape) -> Readings:
        """What a scrape tells."""
        result = self._monitor.observe(scrape)
        return Readings(result.slis, result.counts, result.transitions)

    def query(self, expr: str, start: float, end: float, step: float) -> Range:
        """A metric over time; None where there is no data."""
        times, values = self._monitor.query(expr, start, end, step)
        return Range(expr, tuple(times.tolist()), tuple(None if math.isnan(value) else value for value in values.tolist()))

    def metrics(self) -> tuple[str, ...]:
        """Names that can be queried."""
        return self._monitor.metrics()
