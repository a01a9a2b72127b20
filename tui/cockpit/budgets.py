"""Error budgets and burn rates of objectives, from the cumulative counts of good and all events.

Defined as by the monitor: a burn rate is the share of bad events over the share that may be bad; an error budget is meant for 60
hours, of which the drill is a part.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ...sandbox.model.events import Observed
from ...sandbox.model.scenario import Objective

BUDGET_PERIOD = 60 * 3600.0
"""Seconds for which an error budget is meant to last."""
WINDOWS = {"5m": (300.0, 25.0, 14.4), "30m": (1800.0, 150.0, 6.0), "6h": (21600.0, 1800.0, 1.0)}
"""Of the burn-rate alerts by their label: the long and the short window in seconds, and the rate that both must exceed."""
LONG, SHORT, PAGING = WINDOWS["5m"]
"""Those of the fastest page."""
_WINDOW = 30.0
"""Seconds that an SLI for display looks back."""

Counts = tuple[float, float]
"""Good events and all events, both cumulative."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One observation, at drill second `at`."""

    at: float
    body: Observed


@dataclass(frozen=True, slots=True)
class Standing:
    """How an objective stands. None where there are no events in the window.

    `budget` is the share of the error budget that is left after what the drill has spent of it; negative once it is overspent.
    """

    objective: Objective
    now: float | None
    burn_short: float | None
    burn_long: float | None
    budget: float

    @property
    def met(self) -> bool | None:
        """Whether it is met now; None without data."""
        return None if self.now is None else self.now >= self.objective.target

    @property
    def paging(self) -> bool:
        """Whether it burns as fast as the fastest page asks for, over both windows."""
        return (self.burn_short or 0.0) > PAGING and (self.burn_long or 0.0) > PAGING


def standing(objective: Objective, samples: Sequence[Sample]) -> Standing:
    """The standing at the last sample."""
    counts = [(one.at, one.body.counts[objective.id]) for one in samples if objective.id in one.body.counts]
    now = samples[-1].body.slis.get(objective.sli) if samples else None
    if not counts:
        return Standing(objective, now, None, None, 1.0)
    if objective.sli == "latency":  # the SLI is that of the tightest bound, which may be another objective's
        bad = share_bad(counts, _WINDOW)
        now = None if bad is None else 1.0 - bad
    return Standing(
        objective,
        now,
        _burn(objective, share_bad(counts, SHORT)),
        _burn(objective, share_bad(counts, LONG)),
        _budget(objective, counts),
    )


def burn_history(objective: Objective, samples: Sequence[Sample], window: float = LONG) -> list[tuple[float, float | None]]:
    """The burn rate at each sample."""
    counts = [(one.at, one.body.counts[objective.id]) for one in samples if objective.id in one.body.counts]
    return [(at, _burn(objective, share_bad(counts, window, index))) for index, (at, _) in enumerate(counts)]


def share_bad(counts: Sequence[tuple[float, Counts]], window: float, last: int = -1) -> float | None:
    """The share of bad events in the `window` seconds before the sample with the index `last`; None without events.

    A part of a window that reaches back into the warm-up, of which no event tells, is taken to have been like the drill's first
    seconds, from the first event that was counted on.
    """
    end, (good, total) = counts[last]
    good_before, total_before = _at(counts, end - window)
    events = total - total_before
    if events <= 0:
        return None
    return min(1.0, max(0.0, 1.0 - (good - good_before) / events))


def _at(counts: Sequence[tuple[float, Counts]], when: float) -> Counts:
    """The counts at a time; before the first sample they grew from 0 as they did right after it, and nothing was bad."""
    first, (good, total) = counts[0]
    if when >= first:
        return counts[bisect_right(counts, when, key=_when) - 1][1]
    if len(counts) < 2:
        return good, total
    second, (_, total_then) = counts[1]
    missing = (total_then - total) / (second - first) * (first - when)
    return max(0.0, good - missing), max(0.0, total - missing)


def _when(one: tuple[float, Counts]) -> float:
    return one[0]


def _burn(objective: Objective, bad: float | None) -> float | None:
    allowed = 1.0 - objective.target
    return None if bad is None else bad / allowed if allowed > 0 else (float("inf") if bad else 0.0)


def _budget(objective: Objective, counts: Sequence[tuple[float, Counts]]) -> float:
    """What is left of the budget, after the drill's own time."""
    (begin, (good_before, total_before)), (end, (good, total)) = counts[0], counts[-1]
    events = total - total_before
    burn = _burn(objective, 1.0 - (good - good_before) / events) if events > 0 else None
    return 1.0 - (burn or 0.0) * (end - begin) / BUDGET_PERIOD
