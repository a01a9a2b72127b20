"""Charts with fixed axes: a plot with the objective's line, and a one-line one for lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from textual.content import Content

from .braille import Canvas, Span, columns, draw
from .styles import FAINT, MUTED

Points = Sequence[tuple[float, float | None]]
"""(drill second, value); None where there is no data."""
Names = dict[tuple[int, int], tuple[str, str]]
"""Characters and their styles by row and column."""
STYLES = ("$text-primary", "$foreground", MUTED)
"""Of the curves, by order; the legend names each."""
_BEYOND = 1.0 + 1e-6
"""The share of the axis from which a value is beyond it."""
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Axis:
    """A fixed axis from `bottom` to `top`. With `root` distances grow with the square root, so that small shares are seen."""

    top: float
    bottom: float = 0.0
    root: bool = False

    def share(self, value: float) -> float:
        """Where a value is: 0 at the bottom, 1 at the top; beyond that outside."""
        if self.top <= self.bottom:
            return 0.0
        linear = (value - self.bottom) / (self.top - self.bottom)
        return math.copysign(math.sqrt(abs(linear)), linear) if self.root else linear

    def value(self, share: float) -> float:
        """What is there."""
        return self.bottom + (share * share if self.root else share) * (self.top - self.bottom)


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a plot."""

    name: str
    points: Points


@dataclass(frozen=True, slots=True)
class Plot:
    """What a plot shows from `start` to `end` in drill seconds.

    `limit` is where the objective's line is drawn, `limit_text` what it asks for. `marks` are characters below the time axis by
    drill second, with their style.
    """

    axis: Axis
    start: float
    end: float
    curves: tuple[Curve, ...]
    write: Callable[[float], str]
    write_time: Callable[[float], str]
    limit: float | None = None
    limit_text: str = ""
    marks: tuple[tuple[float, str, str], ...] = ()
    step: float = 5.0


def render_plot(plot: Plot, width: int, height: int) -> Content:
    """The plot in `width` by `height` cells: axis on the left, time below, marks below that."""
    labels = _labels(plot, height - 2)
    margin = max(len(text) for text in labels.values()) + 1
    inner, rows = max(4, width - margin), max(2, height - 2)
    canvas = Canvas(inner, rows)
    gap = max(2, math.ceil(4.0 * plot.step / max(1e-9, plot.end - plot.start) * inner * 2))
    spread = [
        columns([(at, None if v is None else plot.axis.share(v)) for at, v in curve.points], plot.start, plot.end, inner * 2)
        for curve in plot.curves
    ]
    for owner, spans in reversed(list(enumerate(spread))):  # the first curve is drawn over the others
        draw(canvas, spans, owner, gap)
    names = _names(plot, spread, rows, inner) if len(plot.curves) > 1 else {}
    beyond = {x // 2 for spans in spread for x, span in enumerate(spans) if span is not None and span.high > _BEYOND}
    limit_row = _row(plot.axis.share(plot.limit), rows) if plot.limit is not None else None
    lines = []
    for row in range(rows):
        text = labels.get(row, "")
        tick = "┤" if text else "│"
        style = "$text-warning" if row == limit_row else MUTED
        parts: list[Content | str | tuple[str, str]] = [(f"{text:>{margin - 1}}{tick}", style)]
        parts += _plot_row(
            canvas, row, limit=row == limit_row, beyond=beyond if row == 0 else set(), note=plot.limit_text, names=names
        )
        lines.append(Content.assemble(*parts))
    lines.append(_time_axis(plot, margin, inner))
    lines.append(_marks(plot, margin, inner))
    return Content("\n").join(lines)


def _labels(plot: Plot, rows: int) -> Mapping[int, str]:
    """Values beside the axis, by row; the objective's own has precedence."""
    rows = max(2, rows)
    wanted = [(0.0, plot.axis.bottom), (1.0, plot.axis.top)]
    if rows >= 5:
        wanted.append((0.5, plot.axis.value(0.5)))
    found = {_row(share, rows): plot.write(value) for share, value in wanted}
    if plot.limit is not None:
        row = _row(plot.axis.share(plot.limit), rows)
        found = {at: text for at, text in found.items() if abs(at - row) > 1 or at in (0, rows - 1)}
        found[row] = plot.write(plot.limit)
    return found


def _row(share: float, rows: int) -> int:
    """The row of cells that a share of the axis is in, from the top."""
    dot = round(max(0.0, min(1.0, share)) * (rows * 4 - 1))
    return rows - 1 - dot // 4


def _plot_row(
    canvas: Canvas, row: int, *, limit: bool, beyond: set[int], note: str, names: Names
) -> list[Content | str | tuple[str, str]]:
    """A row in runs of one style. The objective's line says what it is, where nothing is drawn over it."""
    cells: list[tuple[str, str]] = []
    for column in range(canvas.width):
        if (row, column) in names:
            cells.append(names[row, column])
        elif column in beyond:
            cells.append(("▲", "$text-error"))
        elif char := canvas.char(row, column):
            cells.append((char, STYLES[canvas.owners[row, column] % len(STYLES)]))
        else:
            cells.append(("╌", "$text-warning") if limit else (" ", ""))
    if limit and note:
        for text in (note, note.partition(": ")[2]):
            if text and _write_over(cells, f" {text} "):
                break
    return [*_runs(cells)]


def _names(plot: Plot, spread: Sequence[Sequence[Span | None]], rows: int, width: int) -> Names:
    """The curves' names after their ends, where there is room, one after the other if they end together."""
    found: Names = {}
    free: dict[int, int] = {}  # by row: the column after the last name
    for owner, (curve, spans) in enumerate(zip(plot.curves, spread, strict=True)):
        last = max((x for x, span in enumerate(spans) if span is not None), default=None)
        span = spans[last] if last is not None else None
        if last is None or span is None:
            continue
        row = _row(span.last, rows)
        begin = max(last // 2 + 2, free.get(row, 0) + 1)
        if begin + len(curve.name) > width:
            continue
        free[row] = begin + len(curve.name)
        found |= {(row, begin + index): (char, STYLES[owner % len(STYLES)]) for index, char in enumerate(curve.name)}
    return found


def _write_over(cells: list[tuple[str, str]], text: str) -> bool:
    """Write a text over a line, as far to the right as nothing is drawn over it there; whether there was room."""
    for begin in range(len(cells) - len(text) - 1, -1, -1):
        if all(cells[begin + index][0] == "╌" for index in range(len(text))):
            cells[begin : begin + len(text)] = [(char, "$text-warning") for char in text]
            return True
    return False


def _runs(cells: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Cells of one style after another as one text."""
    for style, run in groupby(cells, key=itemgetter(1)):
        yield "".join(char for char, _ in run), style


def _time_axis(plot: Plot, margin: int, inner: int) -> Content:
    """Times below the axis: at both ends, and between them where there is room."""
    line = [" "] * inner
    count = max(1, min(4, inner // 14))
    for index in range(count + 1):
        text = plot.write_time(plot.start + (plot.end - plot.start) * index / count)
        begin = min(inner - len(text), max(0, round(inner * index / count) - len(text) // 2))
        line[begin : begin + len(text)] = text
    return Content.styled(" " * (margin - 1) + "└" + "".join(line)[:inner], MUTED)


def _marks(plot: Plot, margin: int, inner: int) -> Content:
    cells: dict[int, tuple[str, str]] = {}
    for at, char, style in plot.marks:
        if plot.start <= at <= plot.end:
            cells[min(inner - 1, int((at - plot.start) / max(1e-9, plot.end - plot.start) * inner))] = (char, style)
    return Content.assemble(" " * margin, *_runs(cells.get(column, (" ", "")) for column in range(inner)))


def render_spark(points: Points, axis: Axis, start: float, end: float, width: int, style: str) -> Content:
    """A curve in one line of blocks on the same fixed axis; `·` where there is no data, `▲` where it is beyond the axis."""
    spans = columns([(at, None if value is None else axis.share(value)) for at, value in points], start, end, width)
    newest = max((index for index, span in enumerate(spans) if span is not None), default=-1)
    last: float | None = None
    cells: list[tuple[str, str]] = []
    for index, span in enumerate(spans):
        last = span.high if span is not None else last
        if last is None or index > newest:
            cells.append(("·", FAINT))
        elif last > _BEYOND:
            cells.append(("▲", "$text-error"))
        else:
            cells.append((_BLOCKS[min(7, max(0, int(last * 8)))], style))
    return Content.assemble(*_runs(cells))
