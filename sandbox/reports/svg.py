"""Drawings of the debrief as SVG, all on the same time axis.

Places along the axis are in percent and heights in pixels. So one drawing fits every width, and its text keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from ..model.units import format_clock
from .panels import YOU, Curve, Panel, clipped

PLOT = 104
"""Height of a chart, in pixels."""
BAR = 18
"""Height of a lane of the timeline."""
MARK = 10
"""Radius of the mark of an action."""
UNITS = 1000
"""Units of a curve's own coordinates across the axis; they are stretched to its width."""
CLOSEST = 1.5
"""Units between two points of a line: closer ones cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted: from and to in drill seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the timeline. `kind` decides its looks: `fault`, `page`, `ticket` or `version`."""

    kind: str
    name: str
    spans: tuple[Span, ...]

    @property
    def told(self) -> str:
        """In words."""
        times = ", ".join(f"{format_clock(span.start)} to {format_clock(span.end)}" for span in self.spans)
        return f"{self.kind}: {self.name}, {times}"


@dataclass(frozen=True, slots=True)
class Mark:
    """An action on the time axis. `done`: it was neither rejected nor failed."""

    at: float
    number: int
    told: str
    done: bool = True


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis of a drill of `duration` seconds, with its faults and actions."""

    duration: float
    faults: tuple[Span, ...] = ()
    actions: tuple[Mark, ...] = ()

    def share(self, at: float) -> float:
        """Where a moment is, from 0 to 1."""
        return max(0.0, min(1.0, at / self.duration))

    def ticks(self) -> Iterator[tuple[float, bool]]:
        """Round moments, at most eleven, and whether there is room for their labels on a narrow screen, too."""
        steps = [60.0 * minutes for minutes in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 240, 480)]
        step = next((step for step in steps if self.duration / step <= 10), self.duration / 10)
        count = math.floor(self.duration / step + 1e-9)
        every = next(every for every in (1, 2, 5, 10) if count <= 5 * every)
        yield from ((index * step, index % every == 0) for index in range(count + 1))


def ruler(axis: Axis, room: float) -> str:
    """The times and the numbered actions above the charts; `room` is the least width in pixels that it is drawn for."""
    rows = list(_rows(axis, room))
    tall = (max(rows, default=-1) + 1) * 2 * (MARK + 1)
    parts = list(_times(axis, 14))
    for mark, row in zip(axis.actions, rows, strict=True):
        x, y = _percent(axis.share(mark.at)), 24 + MARK + row * 2 * (MARK + 1)
        kind = "mark" if mark.done else "mark refused"
        parts.append(
            f'<a class="{kind}" href="#action-{mark.number}"><title>{escape(mark.told)}</title>'
            f'<circle cx="{x}" cy="{y}" r="{MARK}"/><text x="{x}" y="{y + 4}" text-anchor="middle">{mark.number}</text></a>'
        )
    label = "Time axis with the actions by number" if axis.actions else "Time axis"
    return f'<svg height="{24 + tall + 4}" role="group" aria-label="{label}">{"".join(parts)}</svg>'


def bands(axis: Axis) -> str:
    """The faults' bands and the actions' lines alone, as high as what they stand behind."""
    return f'<svg height="100%" aria-hidden="true">{"".join(_bands(axis, "100%"))}</svg>'


def lane(axis: Axis, row: Lane) -> str:
    """A fault or an alert, from its beginning to its end. What is graver is thicker."""
    thick = {"fault": 12, "page": 10}.get(row.kind, 6)
    parts = list(_ground(axis, BAR))
    for span in row.spans:
        x, end = axis.share(span.start), axis.share(span.end)
        parts.append(
            f'<rect class="bar" x="{_percent(x)}" y="{(BAR - thick) / 2:g}" width="{_percent(end - x)}" height="{thick}" rx="2"/>'
        )
    return _svg(BAR, parts, row.told, "")


def chart(axis: Axis, panel: Panel, told: str) -> str:
    """One panel; `told` is what it shows, in words."""
    parts = list(_ground(axis, PLOT))
    for share in (0.0, 0.5, 1.0):
        value = panel.bottom + share * (panel.top - panel.bottom)
        y = _y(panel, value)
        parts.append(f'<line class="grid" x2="100%" y1="{y:g}" y2="{y:g}"/>')
        parts.append(f'<text x="-8" y="{y + 4:g}" text-anchor="end">{escape(panel.write(value))}</text>')
    if panel.limit is not None:
        y = _y(panel, panel.limit)
        parts.append(f'<line class="limit" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
    parts.append(f'<svg viewBox="0 0 {UNITS} {PLOT}" preserveAspectRatio="none" width="100%" height="{PLOT}">')
    parts += [f'<path class="{who}" d="{_path(axis, panel, curve)}"/>' for who, curve in panel.curves]
    parts.append("</svg>")
    parts += _beyond(axis, panel)
    if panel.limit is not None:  # above all lines, where the drill is still healthy
        y = _y(panel, panel.limit)
        parts.append(f'<text class="limit" x="4" y="{y - 5:.1f}">{escape(panel.limit_note)}</text>')
    parts.append(f'<g class="times">{"".join(_times(axis, PLOT + 17))}</g>')
    return _svg(PLOT, parts, f"{panel.title}: {panel.note}", told)


def _beyond(axis: Axis, panel: Panel) -> Iterator[str]:
    """Marks on the edge of a chart where the drill's own curve lies beyond it."""
    for who, curve in panel.curves:
        for start, end, above in clipped(curve, panel) if who == YOU else ():
            y = 0 if above else PLOT
            x, x2 = _percent(axis.share(start)), _percent(axis.share(end))
            yield f'<line class="clip" x1="{x}" x2="{x2}" y1="{y}" y2="{y}"/>'


def _ground(axis: Axis, height: int) -> Iterator[str]:
    yield from _bands(axis, f"{height}")
    for at, _ in axis.ticks():
        x = axis.share(at)
        yield f'<line class="grid" x1="{_percent(x)}" x2="{_percent(x)}" y2="{height}"/>'


def _bands(axis: Axis, height: str) -> Iterator[str]:
    for fault in axis.faults:
        x, end = axis.share(fault.start), axis.share(fault.end)
        yield f'<rect class="fault" x="{_percent(x)}" width="{_percent(end - x)}" height="{height}"/>'
    for mark in axis.actions:
        yield f'<rect class="action" x="{_percent(axis.share(mark.at))}" width="1" height="{height}"/>'


def _times(axis: Axis, y: int) -> Iterator[str]:
    for at, always in axis.ticks():
        x = axis.share(at)
        kind = "" if always else ' class="roomy"'
        yield f'<text{kind} x="{_percent(x)}" y="{y}" text-anchor="middle">{format_clock(at)}</text>'


def _rows(axis: Axis, room: float) -> Iterator[int]:
    """The row of each action's mark: the first in which it covers no other."""
    ends: list[float] = []
    for mark in axis.actions:
        x = axis.share(mark.at) * room
        row = next((place for place, end in enumerate(ends) if end < x - MARK), len(ends))
        if row == len(ends):
            ends.append(0.0)
        ends[row] = x + MARK + 1
        yield row


def _y(panel: Panel, value: float) -> float:
    share = (value - panel.bottom) / (panel.top - panel.bottom)
    return PLOT * (1.0 - max(0.0, min(1.0, share)))


def _path(axis: Axis, panel: Panel, curve: Curve) -> str:
    """A line with gaps where there is no data; what would not be seen is left out."""
    parts: list[str] = []
    held: tuple[float, float] | None = None  # a point on a level stretch, drawn when that ends
    last: tuple[float, float] | None = None
    for at, value in curve:
        if value is None:
            parts += _to(held)
            held = last = None
            continue
        point = (round(UNITS * axis.share(at), 1), round(_y(panel, value), 1))
        if last is None:
            parts.append(f"M{point[0]:g} {point[1]:g}")
        elif point[1] == last[1] or point[0] - last[0] < CLOSEST:
            held = point
            continue
        else:
            parts += _to(held) + _to(point)
        held, last = None, point
    return "".join([*parts, *_to(held)])


def _to(point: tuple[float, float] | None) -> list[str]:
    return [] if point is None else [f"L{point[0]:g} {point[1]:g}"]


def _percent(share: float) -> str:
    return f"{100.0 * share:.2f}%"


def _svg(height: int, parts: Iterable[str], label: str, told: str) -> str:
    name, more = escape(label), f"<desc>{escape(told)}</desc>" if told else ""
    return f'<svg height="{height}" role="img" aria-label="{name}"><title>{name}</title>{more}{"".join(parts)}</svg>'


def sample(who: str) -> str:
    """A piece of a line, for a legend."""
    return f'<svg class="key" width="28" height="10" aria-hidden="true"><path class="{who}" d="M0 5H28"/></svg>'


def lines(panel: Panel) -> Sequence[str]:
    """Whose lines a panel has, the drill's own first."""
    return sorted((who for who, _ in panel.curves), key=lambda who: who != YOU)
