"""Impact: the share of the preventable harm that was prevented."""

from __future__ import annotations

PASSING = 50.0
"""Least impact of a passed drill, where it is known."""
PASSING_CONTROL = 90.0
"""The same in a control, where nothing is wrong and the right action is none."""


def impact(you: float, idle: float, reference: float) -> float | None:
    """100 x (idle - you) / (idle - reference), harms in dollars: idle is 0, the reference 100, worse than idle negative.

    None where the reference prevents nothing, so that there is nothing to compare with.
    """
    return 100.0 * (idle - you) / (idle - reference) if idle > reference else None


def control_impact(you: float, idle: float, worst: float) -> float | None:
    """100 x (1 - (you - idle) / (worst - idle)), at most 100, where `worst` is the harm of the worst tempting runbook.

    None where the worst tempting runbook does no harm.
    """
    return min(100.0, 100.0 * (1.0 - (you - idle) / (worst - idle))) if worst > idle else None
