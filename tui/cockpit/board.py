"""Where each panel is: a layout for terminals from 100 by 30 cells, and a reduced one with pages for smaller ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.containers import Container
from textual.geometry import NULL_OFFSET, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

SMALLEST = Size(60, 20)
"""Cells of a terminal below which nothing can be read."""
FULL = Size(100, 30)
"""Cells of a terminal from which all panels are shown at once."""
WIDE = Size(200, 45)
"""Cells from which also the three lists are shown side by side."""

PANELS = ("objectives", "alerts", "service", "chart", "gauges", "events", "logs", "changes")
"""By their digit, from 1."""
LISTS = ("events", "logs", "changes")
PAGES: Mapping[str, tuple[str, ...]] = {
    "overview": ("objectives", "alerts", "chart"),
    "service": ("service", "gauges"),
    "lists": LISTS,
}
"""Of the reduced layout."""


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at: which list is shown where there is room for one, and which panel the reduced layout must show."""

    panel: str = "objectives"
    listed: str = "events"
    objectives: int = 3  # how many there are

    def turned_to(self, panel: str) -> View:
        """With another panel in front."""
        return View(panel, panel if panel in LISTS else self.listed, self.objectives)

    @property
    def page(self) -> str:
        """The page of the reduced layout."""
        return next(page for page, panels in PAGES.items() if self.panel in panels)


def regions(size: Size, view: View, whole: Size) -> dict[str, Region]:
    """Where the panels are; those that are missing are not shown.

    Args:
        size: cells of the board.
        view: what is looked at.
        whole: cells of the terminal, which decide on the layout.
    """
    if whole.width < FULL.width or whole.height < FULL.height:
        return _reduced(size, view)
    left = min(52, max(44, size.width // 3))
    right = size.width - left
    goals = 2 * view.objectives + 2
    alerts = max(5, (size.height - goals) * 2 // 5)
    found = {
        "objectives": Region(0, 0, left, goals),
        "alerts": Region(0, goals, left, alerts),
        "service": Region(0, goals + alerts, left, size.height - goals - alerts),
    }
    gauges = 9
    lists = max(8, (size.height - gauges) * 2 // 5)
    chart = size.height - gauges - lists
    found["chart"] = Region(left, 0, right, chart)
    found["gauges"] = Region(left, chart, right, gauges)
    return found | _lists(Region(left, chart + gauges, right, lists), view, side_by_side=whole.width >= WIDE.width)


def _lists(region: Region, view: View, *, side_by_side: bool) -> dict[str, Region]:
    if not side_by_side:
        return {view.listed: region}
    first, second = region.width * 2 // 5, region.width * 2 // 5
    return {
        "events": Region(region.x, region.y, first, region.height),
        "logs": Region(region.x + first, region.y, second, region.height),
        "changes": Region(region.x + first + second, region.y, region.width - first - second, region.height),
    }


def _reduced(size: Size, view: View) -> dict[str, Region]:
    width, height = size.width, size.height
    if view.page == "lists":
        return {view.listed: Region(0, 0, width, height)}
    left = width // 2
    if view.page == "service":
        return {"service": Region(0, 0, left, height), "gauges": Region(left, 0, width - left, height)}
    top = min(2 * view.objectives + 2, height // 2)
    return {
        "objectives": Region(0, 0, left, top),
        "alerts": Region(left, 0, width - left, top),
        "chart": Region(0, top, width, height - top),
    }


class _BoardLayout(Layout):
    name = "board"

    def __init__(self, board: Board) -> None:
        super().__init__()
        self._board = board

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:  # noqa: ARG002  # as Textual calls it
        """Place each panel."""
        parent.pre_layout(self)
        found = regions(size, self._board.view, parent.app.size)
        nothing = Spacing()
        return [
            WidgetPlacement(found[child.id], NULL_OFFSET, nothing, child)
            for child in children
            if child.id is not None and child.id in found
        ]


class Board(Container):
    """Holds the panels, by their ids."""

    DEFAULT_CSS = """
    Board { height: 1fr; width: 1fr; overflow: hidden hidden; }
    """

    def __init__(self, *children: Widget, id: str | None = None) -> None:  # noqa: A002  # as Textual names it
        super().__init__(*children, id=id)
        self.view = View()
        self._own_layout = _BoardLayout(self)

    @property
    def layout(self) -> Layout:
        """Of its own."""
        return self._own_layout

    def show(self, view: View) -> None:
        """Look at something else."""
        if view != self.view:
            self.view = view
            self.rearrange()

    def rearrange(self) -> None:
        """Show those panels that have a place, and hide the others."""
        found = regions(self.size, self.view, self.app.size)
        for child in self.children:
            child.display = child.id in found
        self.refresh(layout=True)

    def on_resize(self) -> None:
        """There is more room, or less."""
        self.rearrange()
