"""Text charts with fixed axes: a flat failing series must not look healthy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")
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
    means: list[float | None] = []
    for group in _groups(values, width):
        known = [value for value in group if value is not None]
        means.append(sum(known) / len(known) if known else None)
    return means


def chart(values: Sequence[float | None], top: float, width: int = 60) -> str:
    """A line of bars from 0 to `top`."""
    return "".join(bar(value, top) for value in columns(values, width))


def marks(missed: Sequence[bool | None], width: int = 60) -> str:
    """A line below a chart: `x` in each column in which anything was missed, a blank where nothing was."""
    return "".join(_mark(group) for group in _groups(missed, width))


def _mark(group: Sequence[bool | None]) -> str:
    if any(group):
        return "x"
    return GAP if all(one is None for one in group) else " "


def _groups(values: Sequence[T], width: int) -> list[Sequence[T]]:
    """The values in at most `width` groups of equal length."""
    count = min(width, len(values))
    edges = [round(index * len(values) / count) for index in range(count + 1)] if count else []
    return [values[start:end] for start, end in pairwise(edges)]
