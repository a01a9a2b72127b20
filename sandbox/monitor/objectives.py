"""Objectives, their error budgets, and multiwindow multi-burn-rate alerts.

After the Site Reliability Workbook, chapter 5 ("Alerting on SLOs"), table 5-8, with all times divided by 12 so that the windows
fill within a drill: its period of 30 days becomes 60 hours. A burn rate of 1 spends a period's budget in exactly one period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model.scenario import Objective
from ..model.units import format_share
from .catalogue import event_counters, sli_rules
from .expressions import Binary, Operation, Recorded
from .program import Expr, Labels
from .promql import window_text
from .rules import PAGE, TICKET, AlertRule, RecordingRule, RuleGroup

BUDGET_PERIOD = 60 * 3600.0
"""Seconds for which an error budget is meant to last."""


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """An alert's windows in seconds: the burn rate must exceed `burn` over both. The short one ends the alert soon."""

    long: float
    short: float
    burn: float
    severity: str


BURN_WINDOWS = (
    BurnWindow(300.0, 25.0, 14.4, PAGE),
    BurnWindow(1800.0, 150.0, 6.0, PAGE),
    BurnWindow(21600.0, 1800.0, 1.0, TICKET),
)

SHORT_WINDOWS = BURN_WINDOWS[:1]
"""For the `short` profile, whose drills are over before longer windows fill."""


def windows_of(profile: str) -> tuple[BurnWindow, ...]:
    """The windows of the burn-rate alerts in a profile of a scenario: in `short` only the fast page."""
    return SHORT_WINDOWS if profile == "short" else BURN_WINDOWS


def budget_share(objective: Objective) -> float:
    """The share of events that may be bad."""
    return round(1.0 - objective.target, 12)


def burn_record(window: float) -> str:
    """The name of the recording rules of burn rates over a window; the label `objective` tells them apart."""
    return f"slo:burn_rate:rate{window_text(window)}"


def objective_labels(objective: Objective) -> Labels:
    """The labels of an objective's recording rules."""
    return (("objective", objective.id),)


def burn_lengths(windows: Sequence[BurnWindow]) -> list[float]:
    """All windows' lengths in seconds, ascending."""
    return sorted({length for window in windows for length in (window.long, window.short)})


def burn_rules(objectives: Sequence[Objective], windows: Sequence[BurnWindow] = BURN_WINDOWS) -> list[RecordingRule]:
    """Per objective and window: the share of bad events over the share that may be bad. NaN without events."""
    return [
        RecordingRule(burn_record(length), _burn_rate(objective, length), objective_labels(objective))
        for objective in objectives
        for length in burn_lengths(windows)
    ]


def burn_alerts(objectives: Sequence[Objective], windows: Sequence[BurnWindow] = BURN_WINDOWS) -> list[AlertRule]:
    """Per objective one alert for each pair of windows."""
    return [_burn_alert(objective, window) for objective in objectives for window in windows]


def alert_name(objective: Objective) -> str:
    """`AvailabilityBurnRate` for the objective `availability`."""
    words = objective.id.replace("_", "-").split("-")
    return "".join(word[:1].upper() + word[1:] for word in words) + "BurnRate"


def tightest_bound(objectives: Sequence[Objective]) -> float | None:
    """The bound of the tightest latency objective in seconds, which is that of the SLI `latency`."""
    return min((goal.bound for goal in objectives if goal.sli == "latency" and goal.bound is not None), default=None)


def rule_group(
    objectives: Sequence[Objective], alert_rules: Sequence[AlertRule] = (), windows: Sequence[BurnWindow] = BURN_WINDOWS
) -> RuleGroup:
    """All rules of a drill: the SLIs first, then burn rates, then the alerts on them and `alert_rules`."""
    recording = [*sli_rules(tightest_bound(objectives)).values(), *burn_rules(objectives, windows)]
    return RuleGroup(recording, [*burn_alerts(objectives, windows), *alert_rules])


def budget_remaining(objective: Objective, good: float, total: float, elapsed: float) -> float:
    """What is left of the error budget, as a share of the whole; negative once it is overspent.

    The period's budget is meant for its traffic; of the period only the last `elapsed` seconds are known. They are taken as what
    they are, `elapsed / BUDGET_PERIOD` of a period with traffic like theirs and nothing wrong in the rest.

    Args:
        objective: the objective.
        good: good events in that time.
        total: all events in that time; without any the budget is untouched.
        elapsed: seconds.
    """
    if total <= 0:
        return 1.0
    burn = (total - good) / total / budget_share(objective)
    return 1.0 - burn * elapsed / BUDGET_PERIOD


def _burn_rate(objective: Objective, window: float) -> Expr:
    good = event_counters(objective.sli, objective.bound).share(window)
    return Binary(Operation.DIVIDE, Binary(Operation.SUBTRACT, 1.0, good), budget_share(objective))


def _burn_alert(objective: Objective, window: BurnWindow) -> AlertRule:
    long, short = (
        Binary(Operation.ABOVE, Recorded(burn_record(length), objective_labels(objective)), window.burn)
        for length in (window.long, window.short)
    )
    return AlertRule(
        alert_name(objective),
        Binary(Operation.AND, long, short),
        severity=window.severity,
        summary=(
            f"{objective.id} spends its error budget more than {window.burn:g} times as fast as its target of "
            f"{format_share(objective.target)} allows, over {window_text(window.long)} and {window_text(window.short)}"
        ),
        labels=(("objective", objective.id), ("window", window_text(window.long))),
    )
