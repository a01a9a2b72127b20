"""The built-in monitor as a session uses it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .engine import Readings
from .model.scenario import Scenario
from .model.telemetry import AlertState, Scrape
from .monitor.following import FollowedAlerts
from .monitor.monitor import Monitor
from .monitor.objectives import BurnWindow, windows_of
from .monitor.thresholds import threshold_alerts
from .session import Range

LEAD = 300.0
"""Seconds before t = 0 from which on rules are evaluated.

Scrapes count from the start of the warm-up, so windows are as full as they can be, and the longest `for` of an alert is a
fraction of the lead. To evaluate the rest of the warm-up would nearly double the monitor's cost.
"""


def burn_windows(scenario: Scenario) -> tuple[BurnWindow, ...]:
    """The windows of the burn-rate alerts: in the profile `short` only the fast page."""
    return windows_of(scenario.profile)


class BuiltInMonitor:
    """Evaluates the scenario's rules at every scrape from `LEAD` before the drill on, as a Prometheus that loads them then.

    Where a real Prometheus evaluates the same rules, its alerts are the drill's, until it says nothing for once: from then on
    those of this monitor are, which has been evaluating all the time.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._monitor = Monitor(scenario.objectives, threshold_alerts(), burn_windows(scenario))
        self._followed: FollowedAlerts | None = None
        self._evaluated = False

    def observe(self, scrape: Scrape, alerts: Sequence[AlertState] | None = None) -> Readings:
        """What a scrape tells; nothing at the beginning of the warm-up. `alerts` are those of a real Prometheus, if any."""
        if scrape.at < -LEAD:
            self._monitor.take(scrape)
            return Readings()
        result = self._monitor.observe(scrape)
        if self._followed is None and alerts is not None and not self._evaluated:
            self._followed = FollowedAlerts()
        self._evaluated = True
        transitions = result.transitions
        if self._followed is not None:
            transitions = self._followed.update(scrape.at, alerts, self._monitor.alerts)
        return Readings(result.slis, result.counts, transitions)

    def query(self, expr: str, start: float, end: float, step: float) -> Range:
        """A metric over time; None where there is no data."""
        times, values = self._monitor.query(expr, start, end, step)
        return Range(expr, tuple(times.tolist()), tuple(None if math.isnan(value) else value for value in values.tolist()))

    def metrics(self) -> tuple[str, ...]:
        """Names that can be queried."""
        return self._monitor.metrics()
