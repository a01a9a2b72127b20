"""Plots that are no gauge: burn rates, and whatever was queried."""

from __future__ import annotations

import math

from ...sandbox.model.slis import SLIS, Unit
from ...sandbox.model.units import format_clock, format_duration
from ...sandbox.session import Range
from ..widgets.chart import Axis, Curve, Plot
from . import words
from .budgets import WINDOWS, burn_history
from .panels import marks_of
from .picture import Picture


def burn_plot(objective: str, picture: Picture, window: str = "5m") -> Plot:
    """The burn rates of an objective over the two windows of one of its alerts, and the rate at which that fires."""
    snapshot = picture.snapshot
    goal = next((one for one in (snapshot.objectives if snapshot else ()) if one.id == objective), None)
    long, short, limit = WINDOWS.get(window, WINDOWS["5m"])
    curves = tuple(
        Curve(f"over {format_duration(length)}", burn_history(goal, picture.samples, length)) for length in (long, short) if goal
    )
    return Plot(
        Axis(100.0, root=True),
        0.0,
        snapshot.duration if snapshot else 1.0,
        curves,
        words.burn,
        format_clock,
        limit,
        f"fires above {limit:g}x over both windows",
        marks_of(picture),
    )


def metric_plot(found: Range, picture: Picture) -> Plot:
    """What was queried, on the axis of its unit; without one up to a round number beyond its highest value."""
    points = tuple(zip(found.times, found.values, strict=True))
    known = [value for value in found.values if value is not None]
    sli = SLIS.get(found.expr)
    top = 1.0 if sli and sli.unit is Unit.SHARE else _round_up(max(known, default=1.0))
    bottom = min(0.0, -_round_up(-min(known, default=0.0)) if min(known, default=0.0) < 0 else 0.0)
    end = picture.snapshot.duration if picture.snapshot else 1.0
    return Plot(
        Axis(top, bottom),
        min(found.times, default=0.0),
        end,
        (Curve(found.expr, points),),
        lambda value: words.sli(found.expr, value),
        format_clock,
        marks=marks_of(picture),
    )


def _round_up(value: float) -> float:
    if value <= 0 or not math.isfinite(value):
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1.0, 2.0, 5.0, 10.0) if step * unit >= value * 0.999)
