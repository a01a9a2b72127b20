"""Curves as braille characters: 2 by 4 dots to a cell of the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_BASE = 0x2800
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column, from the top


@dataclass(slots=True)
class Canvas:
    """Dots in `width` by `height` cells. `owners` tells for each cell that has dots who drew the last of them."""

    width: int
    height: int
    dots: dict[tuple[int, int], int] = field(default_factory=dict)  # by (row, column) of cells
    owners: dict[tuple[int, int], int] = field(default_factory=dict)

    def column(self, x: int, low: int, high: int, owner: int) -> None:
        """Dots at `x` from `low` to `high`, counted from the bottom; what is outside is left out."""
        for y in range(max(0, low), min(self.height * 4 - 1, high) + 1):
            if 0 <= x < self.width * 2:
                row, rest = divmod(self.height * 4 - 1 - y, 4)
                cell = row, x // 2
                self.dots[cell] = self.dots.get(cell, 0) | _BITS[x % 2][rest]
                self.owners[cell] = owner

    def char(self, row: int, column: int) -> str:
        """The character of a cell; empty if it has no dots."""
        bits = self.dots.get((row, column), 0)
        return chr(_BASE + bits) if bits else ""


@dataclass(frozen=True, slots=True)
class Span:
    """What a curve does in one column of dots: its lowest, highest, first and last value, each as a share of the axis."""

    low: float
    high: float
    first: float
    last: float


def columns(points: Iterable[tuple[float, float | None]], start: float, end: float, count: int) -> list[Span | None]:
    """Points (time, share of the axis) by columns of dots; None where there is no data."""
    found: list[Span | None] = [None] * count
    length = end - start
    for at, value in points:
        if value is None or length <= 0 or not start <= at <= end:
            continue
        index = min(count - 1, int((at - start) / length * count))
        known = found[index]
        found[index] = (
            Span(value, value, value, value)
            if known is None
            else Span(min(known.low, value), max(known.high, value), known.first, value)
        )
    return found


def draw(canvas: Canvas, spans: Sequence[Span | None], owner: int, gap: int) -> None:
    """Draw a curve, joined across at most `gap` columns without a point of their own."""
    before: tuple[int, Span] | None = None
    for x, span in enumerate(spans):
        if span is None:
            continue
        if before is not None and 0 < x - before[0] <= gap:
            _join(canvas, before, (x, span), owner)
        canvas.column(x, _dot(canvas, span.low), _dot(canvas, span.high), owner)
        before = x, span


def _join(canvas: Canvas, left: tuple[int, Span], right: tuple[int, Span], owner: int) -> None:
    (begin, a), (end, b) = left, right
    previous = _dot(canvas, a.last)
    for x in range(begin + 1, end + 1):
        height = a.last + (b.first - a.last) * (x - begin) / (end - begin)
        here = _dot(canvas, height)
        canvas.column(x, min(previous, here), max(previous, here), owner)
        previous = here


def _dot(canvas: Canvas, share: float) -> int:
    """The row of dots, from the bottom; what is beyond the axis is held at its edge."""
    return round(max(0.0, min(1.0, share)) * (canvas.height * 4 - 1))
