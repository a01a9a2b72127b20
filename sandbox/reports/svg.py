"""Drawings of the debrief as SVG: the timeline and one chart per panel, all on the same time axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from ..model.units import format_clock
from .panels import YOU, Curve, Panel, clipped

HEIGHT = 132
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 10, 22
LANE = 30
CLOSEST = 1.5
"""Units between two points of a line: closer ones cannot be told apart."""
MARK = 9
"""Radius of the mark of an action."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted: from and to in drill seconds, and a kind for its looks."""

    start: float
    end: float
    kind: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the timeline."""

    name: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis: `width` of the drawing in units, `duration` of the drill in seconds."""

    width: int
    duration: float

    def x(self, at: float) -> float:
        """Where a moment is."""
        return LEFT + max(0.0, min(1.0, at / self.duration)) * (self.width - LEFT - RIGHT)

    def ticks(self) -> Iterator[float]:
        """Whole minutes, at most one per 80 units."""
        most = max(2, (self.width - LEFT - RIGHT) // 80)
        steps = [60.0 * minutes for minutes in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 240, 480)]
        step = next((step for step in steps if self.duration / step <= most), steps[-1])
        count = math.floor(self.duration / step + 1e-9)
        yield from (index * step for index in range(count + 1))


def timeline(axis: Axis, lanes: Sequence[Lane], actions: Sequence[float], label: str) -> str:
    """Fault, alerts and actions: a lane each, with its name above it."""
    rows = list(_rows(axis, actions))
    tall = max(rows, default=-1) + 1
    height = TOP + LANE * len(lanes) + (14 + tall * 2 * (MARK + 2) if actions else 0) + BOTTOM
    parts = list(_grid(axis, height))
    y = float(TOP)
    for lane in lanes:
        parts.append(f'<text class="lane" x="{LEFT}" y="{y + 9:.0f}">{escape(lane.name)}</text>')
        for span in lane.spans:
            x, end = axis.x(span.start), axis.x(span.end)
            title = f"{lane.name}: {format_clock(span.start)} to {format_clock(span.end)}"
            parts.append(
                f'<rect class="{span.kind}" x="{x:.1f}" y="{y + 13:.0f}" width="{max(3.0, end - x):.1f}" height="9" rx="2">'
                f"<title>{escape(title)}</title></rect>"
            )
        y += LANE
    if actions:
        parts.append(f'<text class="lane" x="{LEFT}" y="{y + 9:.0f}">actions</text>')
    for number, (at, row) in enumerate(zip(actions, rows, strict=True), 1):
        x, centre = axis.x(at), y + 14 + MARK + 1 + row * 2 * (MARK + 2)
        parts.append(
            f'<g class="mark"><circle cx="{x:.1f}" cy="{centre:.0f}" r="{MARK}"/>'
            f'<text x="{x:.1f}" y="{centre + 4:.0f}" text-anchor="middle">{number}</text></g>'
        )
    return _svg(axis.width, height, parts, label)


def chart(axis: Axis, panel: Panel, faults: Iterable[Span], actions: Iterable[float], label: str) -> str:
    """One panel."""
    parts = [
        f'<rect class="fault" x="{axis.x(one.start):.1f}" y="{TOP}" width="{axis.x(one.end) - axis.x(one.start):.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/>'
        for one in faults
    ]
    parts += _grid(axis, HEIGHT)
    for share in (0.0, 0.5, 1.0):
        value = panel.bottom + share * (panel.top - panel.bottom)
        y = _y(panel, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{axis.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(panel.write(value))}</text>')
    parts += [
        f'<line class="action" x1="{axis.x(at):.1f}" x2="{axis.x(at):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>' for at in actions
    ]
    if panel.limit is not None:
        y, note = _y(panel, panel.limit), escape(panel.limit_note)
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{axis.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="limit" x="{axis.width - RIGHT - 2}" y="{y - 4:.1f}" text-anchor="end">{note}</text>')
    for who, curve in panel.curves:
        parts.append(f'<path class="{who}" d="{_path(axis, panel, curve)}"/>')
        if who == YOU:
            parts += [
                f'<line class="clip" x1="{axis.x(start):.1f}" x2="{axis.x(end):.1f}" y1="{TOP}" y2="{TOP}"/>'
                for start, end in clipped(curve, panel.top)
            ]
    return _svg(axis.width, HEIGHT, parts, label)


def _y(panel: Panel, value: float) -> float:
    share = (value - panel.bottom) / (panel.top - panel.bottom)
    return HEIGHT - BOTTOM - max(0.0, min(1.0, share)) * (HEIGHT - TOP - BOTTOM)


def _path(axis: Axis, panel: Panel, curve: Curve) -> str:
    """A line with gaps where there is no data; what would not be seen is left out."""
    parts: list[str] = []
    held: tuple[float, float] | None = None  # a point on a level stretch, drawn when that ends
    last: tuple[float, float] | None = None
    for at, value in curve:
        if value is None or not math.isfinite(value):
            parts += [] if held is None else [f"L{held[0]:.1f} {held[1]:.1f}"]
            held = last = None
            continue
        point = (round(axis.x(at), 1), round(_y(panel, value), 1))
        if last is None:
            parts.append(f"M{point[0]:.1f} {point[1]:.1f}")
        elif point[1] == last[1] or point[0] - last[0] < CLOSEST:
            held = point
            continue
        else:
            parts += [] if held is None else [f"L{held[0]:.1f} {held[1]:.1f}"]
            parts.append(f"L{point[0]:.1f} {point[1]:.1f}")
        held, last = None, point
    parts += [] if held is None else [f"L{held[0]:.1f} {held[1]:.1f}"]
    return "".join(parts)


def _grid(axis: Axis, height: float) -> Iterator[str]:
    base = height - BOTTOM
    for at in axis.ticks():
        x = axis.x(at)
        anchor = "end" if x > axis.width - RIGHT - 16 else "start" if at == 0 else "middle"
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{base:.0f}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{base + 16:.0f}" text-anchor="{anchor}">{format_clock(at)}</text>'


def _rows(axis: Axis, actions: Sequence[float]) -> Iterator[int]:
    """The row of each action's mark: the first in which it covers no other."""
    ends: list[float] = []
    for at in actions:
        x = axis.x(at)
        row = next((place for place, end in enumerate(ends) if end < x - MARK), len(ends))
        if row == len(ends):
            ends.append(0.0)
        ends[row] = x + MARK + 2
        yield row


def _svg(width: int, height: float, parts: Iterable[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(label)}"><title>{escape(label)}</title>'
        f"{''.join(parts)}</svg>"
    )
