"""The panels of the cockpit. Each shows a picture; one that cannot says so, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from ...sandbox.model.units import format_clock
from ..widgets.chart import STYLES, Plot, render_plot
from ..widgets.rows import Row, Rows
from ..widgets.styles import MUTED
from . import marks, state
from .board import LISTS
from .gauges import BY_ID, GAUGES, Gauge
from .picture import Picture

log = logging.getLogger("drillbox.tui")
"""Where a panel that fails is told of."""

Build = Callable[[Picture, int], Sequence[Row]]
CALM = 0.25
"""Wall seconds for which a chart stays as it is: a point more is hardly seen."""
_TOLD: set[str] = set()
"""Failures that the log has."""
_ZOOM = 300.0
"""Drill seconds that a chart shows when it is zoomed in."""


class ListPanel(Rows):
    """Rows that are made of a picture.

    Args:
        number: the panel's digit.
        name: its title.
        build: makes the rows, for a width in cells.
        empty: what it says without rows.
        follow: whether it stays at the end.
    """

    def __init__(self, number: int, title: str, build: Build, empty: str, *, follow: bool = False) -> None:
        super().__init__(f"{number} {title}", "…", follow=follow, id=title.casefold())
        self._build = build
        self._without = empty
        self._shown: tuple[Picture, int] | None = None
        self._picture: Picture | None = None
        if self.id in LISTS:
            self.border_subtitle = "6 events · 7 logs · 8 changes"

    def take(self, picture: Picture) -> None:
        """Show a picture."""
        self._picture = picture
        if self.display:
            self.rebuild()

    def rebuild(self) -> None:
        """Make the rows anew."""
        width = self.scrollable_content_region.width
        if self._picture is None or width <= 0 or self._shown == (self._picture, width):
            return
        self._shown = self._picture, width
        self.empty = self._without
        try:
            self.show(self._build(self._picture, width))
        except Exception as error:  # noqa: BLE001  # a panel that fails must not end the cockpit
            self.show([failure_row(self, error)])

    def redo(self) -> None:
        """Make them anew although the picture is the same."""
        self._shown = None
        self.rebuild()

    def on_resize(self) -> None:
        """Rows are made for a width."""
        super().on_resize()
        self.rebuild()

    def on_show(self) -> None:
        """While it was hidden, the rows were not made."""
        self.rebuild()


def failure_row(widget: Widget, error: Exception) -> Row:
    """What a panel shows in place of what it could not make; the log has the rest."""
    told = f"{type(error).__name__}: {error}"
    if (what := f"{widget.id}: {told}") not in _TOLD:  # it fails at every picture, and is logged once
        _TOLD.add(what)
        log.error("the panel %s failed", widget.id, exc_info=error)
    return Row(None, Content.styled(f"✗ this panel failed: {told}; see ui.log", "bold $text-error"))


class Painted(Widget, can_focus=True):
    """Draws itself from a picture, whatever happens."""

    DEFAULT_CSS = """
    Painted {
        border: round $foreground 25%;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        background: $background;
        padding: 0 1;
        &:focus { border: round $border; border-title-color: $text; border-title-style: bold; }
    }
    """

    def __init__(self, id: str) -> None:  # noqa: A002  # as Textual names it
        super().__init__(id=id)
        self.picture: Picture | None = None
        self._calm, self._due = True, False

    def take(self, picture: Picture) -> None:
        """Show a picture, if that looks any different."""
        before, self.picture = self.picture, picture
        if self.display and (before is None or self.differ(before, picture)):
            self._paint_soon()

    def _paint_soon(self) -> None:
        """At once, but for what follows within a moment: that is drawn together."""
        if self._calm:
            self._calm = False
            self.refresh()
            self.set_timer(CALM, self._calm_down)
        else:
            self._due = True

    def _calm_down(self) -> None:
        self._calm = True
        if self._due:
            self._due = False
            self._paint_soon()

    def differ(self, before: Picture, now: Picture) -> bool:
        """Whether a picture looks different from the one before: here if there is a new observation, or a new mark."""
        return before.samples is not now.samples or before.changes is not now.changes or before.feed is not now.feed

    def render(self) -> Content:
        """What it looks like."""
        if self.picture is None or not self.size.width or not self.size.height:
            return Content("")
        try:
            return self.paint(self.picture, self.size.width, self.size.height)
        except Exception as error:  # noqa: BLE001  # a panel that fails must not end the cockpit
            return failure_row(self, error).text

    def paint(self, picture: Picture, width: int, height: int) -> Content:
        """The content in `width` by `height` cells."""
        raise NotImplementedError


class ChartPanel(Painted):
    """One gauge over the whole drill, or the last minutes of it."""

    def __init__(self) -> None:
        super().__init__("chart")
        self.gauge: Gauge = GAUGES[0]
        self.zoomed = False
        self._entitle()

    def choose(self, gauge: str) -> None:
        """Show another gauge."""
        self.gauge = BY_ID[gauge]
        self._entitle()
        self.refresh()

    def zoom(self) -> None:
        """The whole drill, or the last minutes."""
        self.zoomed = not self.zoomed
        self._entitle()
        self.refresh()

    def _entitle(self) -> None:
        self.border_title = f"4 {self.gauge.title}: {self.gauge.help}"
        shown = "whole drill" if self.zoomed else "last 5 min"
        self.border_subtitle = f"± change ● action ▲ page · \\[ ] other · z {shown}"

    def differ(self, before: Picture, now: Picture) -> bool:
        """Zoomed in, the chart moves with the time."""
        return self.zoomed or super().differ(before, now)

    def paint(self, picture: Picture, width: int, height: int) -> Content:
        """Legend and plot."""
        plot = self.plot(picture)
        first = legend(plot) + verdict(self.gauge, picture)
        if first.cell_length > width:
            first = (legend(plot) + verdict(self.gauge, picture, short=True)).truncate(width, ellipsis=True)
        return Content("\n").join([first, render_plot(plot, width, height - 1)])

    def plot(self, picture: Picture) -> Plot:
        """What is drawn."""
        end = picture.snapshot.duration if picture.snapshot else 1.0
        start = 0.0
        if self.zoomed:
            end = max(picture.now, _ZOOM)
            start = end - _ZOOM
        return plot_of(self.gauge, picture, start, end)


def plot_of(gauge: Gauge, picture: Picture, start: float, end: float) -> Plot:
    """A gauge as a plot."""
    limit = gauge.limit(picture)
    return Plot(
        gauge.axis(picture),
        start,
        end,
        gauge.curves(picture),
        gauge.write,
        format_clock,
        limit.value if limit else None,
        limit.text if limit else "",
        marks_of(picture),
    )


def marks_of(picture: Picture) -> tuple[tuple[float, str, str], ...]:
    """Below the time axis: what others changed, what was done, pages. What is graver hides the rest."""
    found = [(change.at, "±", "$text-primary") for change in picture.changes]
    found += [(order.at, "●", "$text-accent") for order in picture.orders if order.state != "rejected"]
    found += [(line.at, "▲", "$text-error") for line in picture.feed if line.kind == "page"]
    return tuple(found)


def legend(plot: Plot) -> Content:
    """The curves' names, their last numbers and units."""
    parts: list[Content | str | tuple[str, str]] = []
    for index, curve in enumerate(plot.curves):
        value = curve.points[-1][1] if curve.points else None
        parts += [
            ("━ ", STYLES[index]),
            (f"{curve.name} ", MUTED),
            ("no data" if value is None else plot.write(value), "bold"),
            "   ",
        ]
    return Content.assemble(*parts)


def verdict(gauge: Gauge, picture: Picture, *, short: bool = False) -> Content:
    """Whether the gauge's objective is met; in short without saying that it is an objective."""
    met = gauge.met(picture)
    mark = marks.of_goal(met)
    return Content("") if met is None else Content.styled(f"{mark.shape} {'' if short else 'objective '}{mark.word}", mark.style)


class GaugePanel(Painted):
    """All gauges in short. The chosen one is the big chart."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1, 0)", "Up", show=False, id="gauges.up", tooltip="To the gauge above"),
        Binding("down", "move(1, 0)", "Down", show=False, id="gauges.down", tooltip="To the gauge below"),
        Binding("left", "move(0, -1)", "Left", show=False, id="gauges.left", tooltip="To the gauge on the left"),
        Binding("right", "move(0, 1)", "Right", show=False, id="gauges.right", tooltip="To the gauge on the right"),
        Binding("enter", "open", "Open", show=False, id="gauges.open", tooltip="The gauge's metrics over time"),
    ]

    class Picked(Message):
        """Another gauge was chosen; `opened` if it is to be looked into."""

        def __init__(self, gauge: str, *, opened: bool = False) -> None:
            self.gauge = gauge
            self.opened = opened
            super().__init__()

    def __init__(self) -> None:
        super().__init__("gauges")
        self.border_title = "5 Gauges"
        self.chosen = GAUGES[0].id

    def choose(self, gauge: str) -> None:
        """Mark another gauge."""
        self.chosen = gauge
        self.refresh()

    def paint(self, picture: Picture, width: int, height: int) -> Content:
        """A grid that is filled by columns."""
        columns = self._columns()
        rows = -(-len(GAUGES) // columns)
        cells = [line for _, line in state.gauges(picture, width, columns, self.chosen)]
        lines = [Content(" ").join(cells[row::rows]) for row in range(min(rows, height))]
        return Content("\n").join(lines)

    def _columns(self) -> int:
        """As many as are needed, if there is room for them."""
        needed = -(-len(GAUGES) // max(1, self.size.height))
        return max(1, min(needed, self.size.width // 22))

    def action_move(self, down: int, right: int) -> None:
        """Choose a neighbour."""
        rows = -(-len(GAUGES) // self._columns())
        index = [gauge.id for gauge in GAUGES].index(self.chosen) + down + right * rows
        if 0 <= index < len(GAUGES):
            self._pick(index)

    def action_open(self) -> None:
        """Look into the gauge."""
        self.post_message(self.Picked(self.chosen, opened=True))

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        columns = self._columns()
        rows = -(-len(GAUGES) // columns)
        each = max(20, (self.size.width - columns + 1) // columns) + 1
        index = offset.x // each * rows + offset.y
        if offset.y < rows and index < len(GAUGES):
            self._pick(index)

    def _pick(self, index: int) -> None:
        self.post_message(self.Picked(GAUGES[index].id))
