"""Text charts with fixed axes: a flat failing series must not look healthy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_BARS = "▁▂▃▄▅▆▇█"
GAP = "·"
"""Stands where there is no data."""


def bar(value: float | None, top: float) -> str:
    """One column of a chart from 0 to `top`; a value beyond it fills the column."""
    if value is None:
        return GAP
    place = min(1.0, max(0.0, value / top)) if top > 0 else 0.0
    return _BARS[min(len(_BARS) - 1, int(place * len(_BARS)))]


def columns(values: Sequence[float | None], width: int) -> list[float | None]:
    """The values averaged into at most `width` columns of equal length."""
    if len(values) <= width:
        return list(values)
    edges = [round(index * len(values) / width) for index in range(width + 1)]
    means: list[float | None] = []
    for start, end in pairwise(edges):
        known = [value for value in values[start:end] if value is not None]
        means.append(sum(known) / len(known) if known else None)
    return means


def chart(values: Sequence[float | None], top: float, width: int = 60) -> str:
    """A line of bars from 0 to `top`."""
    return "".join(bar(value, top) for value in columns(values, width))
