"""The cockpit's screen: panels, keys, and how one leaves it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static
from textual.worker import get_current_worker

from ...sandbox.session import Catalogue, Session
from ..widgets.dialogs import Picker, Prompt
from ..widgets.keys import KeyLine
from ..widgets.rows import Row, Rows
from . import lists, service, state
from .board import FULL, PANELS, SMALLEST, Board
from .commands import CockpitCommands
from .detail_screen import DetailScreen
from .details import Target, detail_of, targets
from .gauges import GAUGES
from .lists import LogFilter
from .panels import ChartPanel, GaugePanel, ListPanel, Painted
from .playing import How, Leave, Playing

__all__ = ["CockpitScreen", "How", "Leave"]

BESIDE_SHOWN = 20.0
"""Wall seconds for which it is shown how a second terminal reaches the drill."""


class CockpitScreen(Playing):
    """Plays one session; it is dismissed with a `Leave`.

    Args:
        session: in this process or in another; it is never called on the thread of the user interface.
        beside: what to type into a second terminal so that its tools reach the session; empty where there are none to use.
    """

    COMMANDS: ClassVar[set[type[CockpitCommands]]] = {CockpitCommands}  # type: ignore[assignment]  # narrower than Textual's
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "menu", "Act", id="cockpit.act", tooltip="All actions, each with its letter"),
        Binding("d", "act('declare')", "Declare", id="cockpit.declare", tooltip="Declare the incident: you are on it"),
        Binding("i", "act('diagnose')", "Diagnose", id="cockpit.diagnose", tooltip="Name the component at fault and the cause"),
        Binding("k", "act('acknowledge')", "Ack", id="cockpit.acknowledge", tooltip="Take alerts on: they stop calling"),
        Binding("r", "act('resolve')", "Resolve", show=False, id="cockpit.resolve", tooltip="Record that the incident is over"),
        Binding("s", "act('scale')", "Scale", show=False, id="cockpit.scale", tooltip="Set the number of replicas"),
        Binding("x", "act('shed')", "Shed", show=False, id="cockpit.shed", tooltip="Refuse a share of the requests"),
        Binding("f", "act('fallback')", "Fallback", show=False, id="cockpit.fallback", tooltip="Answer from rules"),
        Binding("b", "act('roll-back')", "Roll back", show=False, id="cockpit.roll-back", tooltip="Return to the version before"),
        Binding("h", "act('hint')", "Hint", id="cockpit.hint", tooltip="Ask for the next hint; hints are counted"),
        Binding("n", "act('note')", "Note", id="cockpit.note", tooltip="Write a note for the debrief"),
        Binding("slash", "filter", "Filter", key_display="/", id="cockpit.filter", tooltip="Show only some log lines"),
        Binding("colon", "jump", "Jump", key_display=":", id="cockpit.jump", tooltip="Look into anything, by its name"),
        Binding("m", "metric", "Metric", show=False, id="cockpit.metric", tooltip="Any metric or expression over time"),
        Binding("v", "look('features')", "Features", show=False, id="cockpit.features", tooltip="Drift of all features"),
        Binding("g", "look('pager')", "Pager", show=False, id="cockpit.pager", tooltip="What the pager said"),
        Binding("space,p", "pause", "Pause", key_display="space", id="cockpit.pause", tooltip="Pause, or go on"),
        Binding("plus,equals_sign", "speed(1)", "Faster", show=False, key_display="+", id="cockpit.faster", tooltip="Speed up"),
        Binding("minus", "speed(-1)", "Slower", show=False, key_display="-", id="cockpit.slower", tooltip="Slow down"),
        Binding("left_square_bracket", "chart(-1)", "Chart before", show=False, key_display="[", id="cockpit.chart-before",
                tooltip="Show the gauge before in the big chart"),
        Binding("right_square_bracket", "chart(1)", "Next chart", show=False, key_display="]", id="cockpit.chart-next",
                tooltip="Show the next gauge in the big chart"),
        Binding("z", "zoom", "Zoom", show=False, id="cockpit.zoom", tooltip="The whole drill in the chart, or the last minutes"),
        *(
            Binding(str(index + 1), f"panel('{panel}')", panel.capitalize(), show=False, id=f"cockpit.panel-{panel}",
                    tooltip=f"To the panel {panel}")
            for index, panel in enumerate(PANELS)
        ),
        Binding("e", "beside", "kubectl", id="cockpit.beside", tooltip="How kubectl in a second terminal reaches the drill"),
        Binding("q", "leave", "Leave", id="cockpit.leave", tooltip="Leave: keep the drill running, or give up"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    CockpitScreen {
        layout: vertical;
        background: $background;
        & #status { height: 1; background: $panel; }
        & #pages { height: 1; display: none; }
        &.-reduced #pages { display: block; }
        & #too-small { display: none; width: 1fr; height: 1fr; content-align: center middle; text-align: center; }
        &.-too-small #too-small { display: block; }
        &.-too-small #status, &.-too-small #pages, &.-too-small Board, &.-too-small KeyLine { display: none; }
    }
    """
    AUTO_FOCUS = "#alerts"

    def __init__(self, session: Session, beside: str = "") -> None:
        super().__init__(session)
        self._beside = beside
        self.filter = LogFilter()
        self.metrics: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Status line, panels, keys."""
        yield Static(id="status")
        yield Static(id="pages")
        yield Board(
            ListPanel(1, "Objectives", state.objectives, "this drill has no objectives"),
            ListPanel(2, "Alerts", state.alerts, "✓ nothing is firing"),
            ListPanel(3, "Service", service.service, ""),
            ChartPanel(),
            GaugePanel(),
            ListPanel(6, "Events", lambda picture, _: lists.feed(picture), "nothing happened yet", follow=True),
            ListPanel(7, "Logs", lambda picture, _: lists.logs(picture, self.filter), "no log lines", follow=True),
            ListPanel(8, "Changes", lambda picture, _: lists.changes(picture), "nothing was changed yet", follow=True),
        )
        yield Static(
            f"The cockpit needs {SMALLEST.width} by {SMALLEST.height} cells.\nPlease enlarge the terminal.", id="too-small"
        )
        yield KeyLine()

    def on_mount(self) -> None:
        """Begin to look."""
        self.run_worker(self._look, thread=True, exit_on_error=False, group="feed")
        self.ask(self.session.catalogue, self._know)
        if self._beside:
            self.query_one("#service", ListPanel).border_subtitle = "e kubectl in a second terminal"
            self.action_beside()

    def _look(self) -> None:
        """Runs in a thread: an app that ends while its screen is still coming up cancels it, and unmounts nothing."""
        worker = get_current_worker()
        self.feed.run(lambda: worker.is_cancelled)

    def on_unmount(self) -> None:
        """Look no more."""
        self.feed.stop()

    def on_resize(self) -> None:
        """There is enough room, or there is not."""
        self.set_class(self.size.width < SMALLEST.width or self.size.height < SMALLEST.height, "-too-small")
        self.set_class(self.size.width < FULL.width or self.size.height < FULL.height, "-reduced")
        self._show_status()

    # ---------------------------------------------------------------------------------------------------- what is shown

    def _know(self, catalogue: Catalogue) -> None:
        self.actions = {action.name: action for action in catalogue.actions}
        self.metrics = catalogue.metrics

    @on(Playing.Fresh)
    def _show(self, fresh: Playing.Fresh) -> None:
        self.played_on(fresh.picture)
        self._show_status()
        board = self.query_one(Board)
        goals = len(self.picture.snapshot.objectives) if self.picture.snapshot else 0
        board.show(replace(board.view, objectives=goals or 3))
        for panel in board.query(ListPanel):
            panel.take(self.picture)
        for painted in board.query(Painted):
            painted.take(self.picture)
        for screen in self.app.screen_stack:
            if isinstance(screen, DetailScreen):
                screen.take(self.picture)
        self.notice_the_end()

    def _show_status(self) -> None:
        if not self.is_running:  # it is resized while the app ends
            return
        self.query_one("#status", Static).update(state.status(self.picture, self.size.width), layout=False)
        if self.has_class("-reduced"):
            self.query_one("#pages", Static).update(state.pages(self.query_one(Board).view), layout=False)

    # ---------------------------------------------------------------------------------------------------- where one looks

    def action_beside(self) -> None:
        """Tell how a second terminal reaches the drill, for as long as it takes to type it."""
        text = f"In a second terminal:\n{self._beside}\nkubectl get pods\nWhat you change there is seen under 8 Changes."
        self.notify(text, title="kubectl beside the cockpit", timeout=BESIDE_SHOWN, markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where no tools reach the drill there is nothing to tell."""
        return bool(self._beside) if action == "beside" else super().check_action(action, parameters)

    def action_panel(self, panel: str) -> None:
        """Show a panel and go there."""
        board = self.query_one(Board)
        board.show(board.view.turned_to(panel))
        self.query_one(f"#{panel}").focus()
        self._show_status()

    def action_chart(self, step: int) -> None:
        """Show another gauge in the big chart."""
        names = [gauge.id for gauge in GAUGES]
        self.choose_gauge(names[(names.index(self.query_one(ChartPanel).gauge.id) + step) % len(names)])

    def choose_gauge(self, gauge: str) -> None:
        """Show a gauge in the big chart."""
        self.query_one(ChartPanel).choose(gauge)
        self.query_one(GaugePanel).choose(gauge)

    def action_zoom(self) -> None:
        """The whole drill, or the last minutes."""
        self.query_one(ChartPanel).zoom()

    @on(GaugePanel.Picked)
    def _pick(self, picked: GaugePanel.Picked) -> None:
        self.choose_gauge(picked.gauge)
        if picked.opened:
            self.open(("gauge", picked.gauge))

    @on(Rows.Chosen)
    def _choose(self, chosen: Rows.Chosen) -> None:
        self.open_row(chosen.row)

    def open_row(self, row: Row) -> None:
        """Look into what a row stands for, if there is a drill-down of that."""
        if isinstance(row.key, tuple) and len(row.key) == 2:
            self.open((row.key[0], row.key[1]))

    def open(self, target: Target) -> bool:
        """Look into something; whether there is such a drill-down."""
        detail = detail_of(target, self.picture)
        top = self.app.screen
        if detail is None or (isinstance(top, DetailScreen) and top.target == target):
            return detail is not None
        self.app.push_screen(DetailScreen(self, target, detail))
        return True

    def action_look(self, view: str) -> None:
        """Look at a view."""
        self.open(("view", view))

    def action_jump(self) -> None:
        """Look into anything, by its name."""
        self.app.push_screen(Picker("Jump to", targets(self.picture, self.metrics)), self._jumped)

    def _jumped(self, row: Row | None) -> None:
        if row is not None:
            self.open_row(row)

    def action_metric(self) -> None:
        """Any metric over time."""
        note = "a metric, or an expression over metrics: request_rate * error_ratio. : lists the metrics."
        self.app.push_screen(Prompt("Metric over time", note), self._metric)

    def _metric(self, expr: str | None) -> None:
        if expr and expr.strip():
            self.open(("metric", expr.strip()))

    def action_filter(self) -> None:
        """Show only some log lines."""
        self.action_panel("logs")
        note = "a component, a severity (warning, error), words; empty shows all. Example: gateway warning retry"
        self.app.push_screen(Prompt("Filter logs", note, self._filter_text(), self.show_logs))

    def _filter_text(self) -> str:
        return " ".join((self.filter.component, self.filter.severity, *self.filter.words)).strip()

    def show_logs(self, text: str) -> None:
        """Show the log lines that a filter takes."""
        self.filter = LogFilter.parse(text, self.picture.components)
        panel = self.query_one("#logs", ListPanel)
        panel.border_title = f"7 Logs {self.filter}" if text.strip() else "7 Logs"
        self.action_panel("logs")
        panel.redo()
