"""The screen of a drill-down: a chart where there is one, and rows that lead further."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from ...sandbox.model.views import Table
from ...sandbox.session import Range
from ..widgets.chart import render_plot
from ..widgets.dialogs import Dialog
from ..widgets.rows import Rows
from ..widgets.styles import MUTED
from .details import Detail, Target
from .details.base import Asked
from .details.watch import range_rows
from .panels import Painted, failure_row, legend
from .picture import Picture
from .plots import metric_plot

if TYPE_CHECKING:
    from .screen import CockpitScreen

REFRESH = 5.0
"""Drill seconds after which views and metrics are asked for anew."""


class DetailChart(Painted):
    """The chart of a drill-down."""

    def __init__(self, detail: Detail) -> None:
        super().__init__("detail-chart")
        self.can_focus = False
        self._detail = detail
        self.found: Range | None = None
        self.refused = ""

    def paint(self, picture: Picture, width: int, height: int) -> Content:
        """The detail's own plot, or what was queried."""
        if self.refused:
            return Content.styled(f"✗ {self.refused}", "bold $text-error")
        if self._detail.plot is None and self.found is None:
            return Content.styled("asking …", MUTED)
        plot = self._detail.plot(picture) if self._detail.plot else metric_plot(self.found, picture) if self.found else None
        return Content("\n").join([legend(plot), render_plot(plot, width, height - 1)]) if plot else Content("")


class DetailScreen(Dialog[None]):
    """Shows one target, and stays up to date while it is open.

    Args:
        cockpit: whose session is asked.
        target: what is looked into.
        detail: how.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "close", "Back", show=False, id="detail.back", tooltip="Back to what was open before"),
        Binding("Y", "copy_all", "Copy", show=False, id="detail.copy", tooltip="Copy all of it"),
        Binding("L", "logs", "Logs", show=False, id="detail.logs", tooltip="All log lines of the component"),
    ]
    DEFAULT_CSS = """
    DetailScreen > .box { width: 104; height: 94%; padding: 0 1; background: $background; }
    DetailScreen Rows, DetailScreen Rows:focus { height: 1fr; background: $background; }
    DetailScreen DetailChart { height: 2fr; min-height: 9; max-height: 16; border: none; padding: 0; }
    """

    def __init__(self, cockpit: CockpitScreen, target: Target, detail: Detail) -> None:
        super().__init__()
        self.target = target
        self._cockpit = cockpit
        self._detail = detail
        self._tables: dict[Asked, Table | str] = {}
        self._asked_at = -1e9
        self._waiting = 0

    def compose(self) -> ComposeResult:
        """A chart and rows."""
        with Vertical(classes="box") as box:
            box.border_title = self._detail.title
            logs = " · L all its logs" if self.target[0] == "component" else ""
            box.border_subtitle = f"enter further · y copy · Y copy all{logs} · esc back"
            if self._detail.plot is not None or self._detail.expr:
                yield DetailChart(self._detail)
            yield Rows(empty="nothing is known of it yet", lit=True)

    def on_mount(self) -> None:
        """Show what is known, and ask for the rest."""
        self.query_one(Rows).focus()
        self.call_after_refresh(self.take, self._cockpit.picture)

    def take(self, picture: Picture) -> None:
        """Show a picture."""
        if not self.is_mounted:
            return
        self._ask(picture)
        for chart in self.query(DetailChart):
            chart.take(picture)
        rows = self.query_one(Rows)
        try:
            found = list(self._detail.rows(picture, self._tables, rows.scrollable_content_region.width))
            rows.show(found + [row for chart in self.query(DetailChart) if chart.found for row in range_rows(chart.found)])
        except Exception as error:  # noqa: BLE001  # a drill-down that fails must not end the cockpit
            rows.show([failure_row(self, error)])

    def _ask(self, picture: Picture) -> None:
        """Ask for views and metrics, if what is shown is old and nothing is asked for already."""
        if self._waiting or picture.now - self._asked_at < REFRESH:
            return
        self._asked_at = picture.now
        session = self._cockpit.session
        for asked in self._detail.views:
            self._waiting += 1
            got = partial(self._got, asked)
            self._cockpit.ask(partial(session.look, *asked), got, got)
        if self._detail.expr:
            self._waiting += 1
            self._cockpit.ask(
                lambda: session.query(self._detail.expr, 0.0, max(0.0, picture.now)), self._got_range, self._refused
            )

    def _got(self, asked: Asked, table: Table | str) -> None:
        self._waiting -= 1
        self._tables[asked] = table
        self.take(self._cockpit.picture)

    def _got_range(self, found: Range) -> None:
        self._waiting -= 1
        for chart in self.query(DetailChart):
            chart.found, chart.refused = found, ""
            chart.refresh()
        self.take(self._cockpit.picture)

    def _refused(self, why: str) -> None:
        self._waiting -= 1
        for chart in self.query(DetailChart):
            chart.refused = why
            chart.refresh()

    def action_copy_all(self) -> None:
        """Copy what it says."""
        lines = [self._detail.title, *(row.plain for row in self.query_one(Rows).rows)]
        self.app.copy_to_clipboard("\n".join(lines))
        self.notify("copied", timeout=2)

    def action_logs(self) -> None:
        """Show the component's log lines in the panel."""
        kind, name = self.target
        if kind == "component":
            self.dismiss(None)
            self._cockpit.show_logs(str(name))

    @on(Rows.Chosen)
    def _choose(self, chosen: Rows.Chosen) -> None:
        chosen.stop()
        self._cockpit.open_row(chosen.row)
