"""When the retraining loop begins a run; pure decisions.

Triggers in the order in which they are asked: by hand, runs to be made up for, schedule, drift, decay. One run is active at a
time; what a trigger asks for meanwhile is not kept, but for a run asked for by hand. After the beginning of a run drift and decay
wait for the cooldown, so that a flag that stays up does not train for ever. Hours are those of the calendar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from ..model.service import Retraining


class Trigger(StrEnum):
    """What began a run."""

    HAND = "by hand"
    SCHEDULE = "schedule"
    DRIFT = "drift"
    DECAY = "decay"
    CATCH_UP = "catch-up"


@dataclass(frozen=True, slots=True)
class Observed:
    """What the scheduler sees. None: no data."""

    drift: float | None  # the SLI `drift`
    brier: float | None  # of the champion
    alive: bool = True  # whether the scheduler itself runs; requests by hand do not need it


@dataclass(frozen=True, slots=True)
class State:
    """What the scheduler remembers.

    `due` is when the next scheduled run is due, `began` when the last run began, both in calendar hours; `missed` is how many
    scheduled runs are still to be made up for, `request` the last request by hand that was looked at.
    """

    due: float
    began: float = -math.inf
    missed: int = 0
    request: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """A run is to begin, on a window of so many days."""

    trigger: Trigger
    days: int
    why: str


def decide(observed: Observed, spec: Retraining, state: State, now: float) -> tuple[Start | None, State]:
    """Whether a run begins now, while none is active.

    Args:
        observed: what is seen.
        spec: triggers and thresholds.
        state: as returned by the decision before.
        now: calendar hour.
    """
    state = replace(state, due=_due(spec, state, now))
    if spec.frozen:
        return None, replace(state, request=spec.requested)  # what was asked for before the freeze is not made up for
    if spec.requested not in {"", state.request}:
        days = int(spec.requested.partition("d#")[0])
        begun = replace(state, request=spec.requested, began=now, due=next_due(spec, state.due, now))
        return Start(Trigger.HAND, days, f"asked for, on {days} days"), begun
    if not observed.alive:
        return None, state
    start = _automatic(observed, spec, state, now)
    if start is None:
        return None, state
    missed = state.missed - 1 if start.trigger is Trigger.CATCH_UP else state.missed
    return start, replace(state, began=now, missed=missed, due=next_due(spec, state.due, now))


def next_due(spec: Retraining, due: float, now: float) -> float:
    """When the next scheduled run is due after one that begins now; the rhythm stays, however late that one is."""
    if now < due or not spec.every:
        return due
    return due + spec.every * (math.floor((now - due) / spec.every) + 1)


def _due(spec: Retraining, state: State, now: float) -> float:
    """A schedule that is set, or made shorter, counts from now."""
    return min(state.due, now + spec.every) if spec.every else math.inf


def _automatic(observed: Observed, spec: Retraining, state: State, now: float) -> Start | None:
    if state.missed:
        return Start(Trigger.CATCH_UP, spec.days, f"{state.missed} missed runs are to be made up for")
    if spec.every and now >= state.due:
        return Start(Trigger.SCHEDULE, spec.days, f"every {spec.every:g} hours")
    if now < state.began + spec.cooldown:
        return None
    if spec.drift and observed.drift is not None and observed.drift > spec.drift:
        return Start(Trigger.DRIFT, spec.days, f"drift {observed.drift:.2f} is above {spec.drift:g}")
    if spec.decay and observed.brier is not None and observed.brier > spec.decay:
        return Start(Trigger.DECAY, spec.days, f"the champion's Brier score {observed.brier:.3f} is above {spec.decay:g}")
    return None
