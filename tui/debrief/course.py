"""The course of a drill: you against idle and reference, on one axis of time with alerts, actions and fault."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from ...sandbox.model.units import format_clock
from ..ports import Chart, Debrief
from ..widgets.chart import Axis, Curve, Plot, render_plot
from . import words

NAMES = (16, 24)
"""Cells to the left of lanes and charts, so that their times are below each other: on narrow screens, and on others."""
WIDE = 100
"""Cells from which on a screen is not narrow."""
ROWS = 9
"""Rows of a chart with its times."""
SHAPES = {"you": 1.0, "reference": 0.62, "idle": 0.25, "wanted": 0.12}
"""The share of each period that a line is drawn: whole, dashed, dotted."""
ORDER = ("you", "reference", "idle", "wanted")


def names_of(width: int) -> int:
    """Cells to the left, on a screen of that width."""
    return NAMES[width >= WIDE]


class ChartView(Widget):
    """One chart with its legend."""

    DEFAULT_CSS = """
    ChartView { height: 11; margin-top: 1; }
    """

    def __init__(self, chart: Chart, debrief: Debrief) -> None:
        super().__init__()
        self._chart, self._duration = chart, debrief.duration
        self._marks = tuple((deed.at, "●", "$text-primary") for deed in debrief.deeds)

    def render(self) -> Content:
        """Title, legend, plot."""
        chart, width = self._chart, max(20, self.size.width)
        lines = sorted(chart.lines, key=lambda line: ORDER.index(line.who))
        period = self._duration * 14.0 / max(1, width * 2)
        curves = tuple(Curve(one.who, words.dashed(one.points, period, SHAPES[one.who])) for one in lines)

        def write(value: float) -> str:
            return f"{chart.write(value):>{names_of(width)}}"

        axis = Axis(chart.top, chart.bottom)
        plot = Plot(axis, 0.0, self._duration, curves, write, format_clock, chart.limit, chart.limit_note, self._marks)
        return Content.assemble(
            (chart.title, "bold"),
            (f"  {chart.note}\n", "$foreground-muted"),
            *_legend(chart),
            "\n",
            render_plot(plot, width, ROWS),
        )


def _legend(chart: Chart) -> list[words.Part]:
    parts: list[words.Part] = []
    for place, one in enumerate(sorted(chart.lines, key=lambda line: ORDER.index(line.who))):
        style = ("$text-primary", "$foreground", "$foreground-muted")[place % 3]
        mark = {"you": "━━━", "idle": "· ·", "reference": "╍╍╍", "wanted": "···"}[one.who]
        parts += [(f"{mark} {one.who} ", style), (f"{one.summary}   ", "bold" if one.who == "you" else "$foreground-muted")]
    return parts


class CourseView(VerticalScroll):
    """The lanes and the charts below each other."""

    DEFAULT_CSS = """
    CourseView { padding: 0 1; }
    CourseView #lanes { height: auto; }
    """

    def __init__(self, debrief: Debrief) -> None:
        super().__init__()
        self._debrief = debrief
        self._reveal = False

    def compose(self) -> ComposeResult:
        """Lanes first."""
        yield Static(id="lanes")
        yield from (ChartView(chart, self._debrief) for chart in self._debrief.charts)

    def on_resize(self) -> None:
        """Lanes as wide as there is room."""
        self._paint()

    def reveal(self) -> None:
        """Show, or hide, when the fault was in force."""
        self._reveal = not self._reveal
        self._paint()

    def _paint(self) -> None:
        width = self.scrollable_content_region.width
        if width:
            names = names_of(width)
            fault = "" if self._reveal else "  f shows the fault"
            hint = "\n" + " " * names + f" {words.LEGEND if width >= WIDE else words.LEGEND.partition('  1')[0]}{fault}"
            lanes = words.lanes_of(self._debrief, width, names, reveal=self._reveal)
            self.query_one("#lanes", Static).update(Content.assemble(lanes, (hint, "$foreground-muted")))
