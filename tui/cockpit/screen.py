"""The cockpit's screen: panels, keys, and how one leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Footer, Static

from ...sandbox.model.actions import Action
from ...sandbox.model.events import Command
from ...sandbox.model.params import Value
from ...sandbox.session import Catalogue, Phase, Session
from ..feed import Feed
from ..widgets.dialogs import Choice, Picker, Prompt, Question
from ..widgets.rows import Row, Rows
from . import lists, service, state
from .acting import ActionForm, ActionMenu
from .asking import Asking
from .board import PANELS, SMALLEST, Board
from .commands import CockpitCommands
from .detail_screen import DetailScreen
from .details import Target, detail_of, targets
from .gauges import GAUGES
from .lists import LogFilter
from .panels import ChartPanel, GaugePanel, ListPanel, Painted
from .picture import Order, Picture

SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0)
"""Drill seconds per wall second that the keys step through."""


class How(StrEnum):
    """How one left the cockpit."""

    FINISHED = "finished"  # the drill is over
    ABORTED = "aborted"  # it was given up
    DETACHED = "detached"  # it goes on without us
    GONE = "gone"  # the session cannot be reached any more, or broke


@dataclass(frozen=True, slots=True)
class Leave:
    """How one left the cockpit, and what there is to say about it."""

    how: How
    message: str = ""


class CockpitScreen(Asking[Leave]):
    """Plays one session; it is dismissed with a `Leave`.

    Args:
        session: in this process or in another; it is never called on the thread of the user interface.
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
        Binding("slash", "filter", "Filter logs", key_display="/", id="cockpit.filter", tooltip="Show only some log lines"),
        Binding("colon", "jump", "Jump", key_display=":", id="cockpit.jump", tooltip="Look into anything, by its name"),
        Binding("m", "metric", "Metric", show=False, id="cockpit.metric", tooltip="Any metric or expression over time"),
        Binding("v", "look('features')", "Features", show=False, id="cockpit.features", tooltip="Drift of all features"),
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
        Binding("q", "leave", "Leave", id="cockpit.leave", tooltip="Leave: keep the drill running, or give up"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    CockpitScreen {
        layout: vertical;
        background: $background;
        & #status { height: 1; background: $panel; }
        & #too-small { display: none; width: 1fr; height: 1fr; content-align: center middle; text-align: center; }
        &.-too-small #too-small { display: block; }
        &.-too-small #status, &.-too-small Board, &.-too-small Footer { display: none; }
    }
    """

    class Fresh(Message):
        """There is a new picture; one that was not looked at yet is replaced."""

        def __init__(self, picture: Picture) -> None:
            self.picture = picture
            super().__init__()

        def can_replace(self, message: Message) -> bool:
            """A newer picture holds all of an older one."""
            return isinstance(message, CockpitScreen.Fresh)

    class Lost(Message):
        """The session cannot be reached any more."""

        def __init__(self, message: str) -> None:
            self.message = message
            super().__init__()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.picture = Picture()
        self.filter = LogFilter()
        self.feed = Feed(session, self._deliver, self._lose)
        self.actions: Mapping[str, Action] = {}
        self.metrics: tuple[str, ...] = ()
        self._awaited: set[tuple[str, int]] = set()
        self._over = False

    def compose(self) -> ComposeResult:
        """Status line, panels, keys."""
        yield Static(id="status")
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
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.run_worker(self.feed.run, thread=True, exit_on_error=False, group="feed")
        self.ask(self.session.catalogue, self._know)
        self.query_one("#alerts").focus()

    def on_unmount(self) -> None:
        """Look no more."""
        self.feed.stop()

    def on_resize(self) -> None:
        """There is enough room, or there is not."""
        self.set_class(self.size.width < SMALLEST.width or self.size.height < SMALLEST.height, "-too-small")
        self._show_status()

    # ---------------------------------------------------------------------------------------------------- what is shown

    def _deliver(self, picture: Picture) -> None:
        self.post_message(self.Fresh(picture))

    def _lose(self, message: str) -> None:
        self.post_message(self.Lost(message))

    def _know(self, catalogue: Catalogue) -> None:
        self.actions = {action.name: action for action in catalogue.actions}
        self.metrics = catalogue.metrics

    @on(Fresh)
    def _show(self, fresh: Fresh) -> None:
        self.picture = fresh.picture
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
        self._report()
        self._notice_the_end()

    def _show_status(self) -> None:
        self.query_one("#status", Static).update(state.status(self.picture, self.size.width))

    # ---------------------------------------------------------------------------------------------------- where one looks

    def action_panel(self, panel: str) -> None:
        """Show a panel and go there."""
        board = self.query_one(Board)
        board.show(board.view.turned_to(panel))
        self.query_one(f"#{panel}").focus()

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
        """Look into what a row stands for; into the line itself if that is all there is."""
        if not (isinstance(row.key, tuple) and len(row.key) == 2 and self.open((row.key[0], row.key[1]))):
            self.open(("text", row.plain))

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

    # ---------------------------------------------------------------------------------------------------------- what one does

    def action_menu(self) -> None:
        """All actions."""
        if self.actions:
            self.app.push_screen(ActionMenu(tuple(self.actions.values())), self._chosen)

    def _chosen(self, name: str | None) -> None:
        if name is not None:
            self.action_act(name)

    def action_act(self, name: str) -> None:
        """Fill in the form of an action; what only makes a record is done at once."""
        action = self.actions.get(name)
        if action is None:
            self.complain(f"this drill cannot do {name!r}" if self.actions else "the actions are not known yet; try again")
        elif action.plan is None and not action.params:
            self.submit(name, {})
        else:
            self.app.push_screen(ActionForm(action, self.picture), lambda values: self._filled(name, values))

    def _filled(self, name: str, values: Mapping[str, Value] | None) -> None:
        if values is not None:
            self.submit(name, values)

    def submit(self, name: str, values: Mapping[str, Value]) -> None:
        """Ask for an action."""
        self.ask(lambda: self.session.submit(name, dict(values)), self._submitted)

    def _submitted(self, command: Command) -> None:
        self._awaited.add((command.actor, command.number))
        paused = self.picture.snapshot is not None and self.picture.snapshot.phase is Phase.PAUSED
        if paused:
            self.notify(f"{command.action}: takes effect when the drill goes on", timeout=4)
        self.feed.poke()

    def _report(self) -> None:
        """Tell what became of what was asked for here."""
        for order in self.picture.orders:
            key = order.actor, order.number
            if key in self._awaited and order.state != "accepted":
                self._awaited.discard(key)
                self._tell(order)

    def _tell(self, order: Order) -> None:
        if order.state == "completed":
            self.notify(f"✓ {order.action} is in force", timeout=4)
        else:
            self.notify(order.reason, title=f"✗ {order.action} {order.state}", severity="error", timeout=10)

    def action_pause(self) -> None:
        """Pause, or go on."""
        snapshot = self.picture.snapshot
        if snapshot is not None:
            pause = snapshot.phase is not Phase.PAUSED
            self.ask(lambda: self.session.control(pause=pause), lambda _: self.feed.poke())

    def action_speed(self, step: int) -> None:
        """The next speed up or down."""
        snapshot = self.picture.snapshot
        if snapshot is None:
            return
        now = snapshot.speed or SPEEDS[-1]
        nearest = min(range(len(SPEEDS)), key=lambda index: abs(SPEEDS[index] - now))
        speed = SPEEDS[max(0, min(len(SPEEDS) - 1, nearest + step))]
        self.ask(lambda: self.session.control(speed=speed), lambda _: self.feed.poke())

    # --------------------------------------------------------------------------------------------------------- how one leaves

    def action_leave(self) -> None:
        """Ask whether the drill is to go on."""
        if self._over:
            self._go()
            return
        text = (
            "The drill goes on by itself if you keep it running; drillbox attach brings you back. Giving up ends it as aborted."
        )
        choices = [Choice("c", "Cancel"), Choice("k", "Keep running", "primary"), Choice("a", "Abort the drill", "error")]
        self.app.push_screen(Question("Leave the cockpit?", text, choices), self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer == "k":
            self.dismiss(Leave(How.DETACHED))
        elif answer == "a":
            self.ask(self.session.abort, lambda _: self.feed.poke())

    def _notice_the_end(self) -> None:
        snapshot = self.picture.snapshot
        broke = snapshot is not None and snapshot.phase is Phase.ENDED and bool(snapshot.error)
        if self._over or not (self.picture.ended or broke):
            return
        self._over = True
        if self.picture.ended != "finished":
            self._go()
            return
        text = "The drill has come to its end. See how you did, or look around first: q leaves."
        choices = [Choice("d", "Debrief", "primary"), Choice("l", "Look around")]
        self.app.push_screen(Question("The drill is over", text, choices), self._ended)

    def _ended(self, answer: str | None) -> None:
        if answer == "d":
            self._go()

    def _go(self) -> None:
        """Leave a drill that is over."""
        snapshot = self.picture.snapshot
        error = snapshot.error if snapshot else ""
        how = {"finished": How.FINISHED, "aborted": How.ABORTED, "interrupted": How.ABORTED}.get(self.picture.ended, How.GONE)
        self._close(Leave(how, error))

    @on(Lost)
    def _gone(self, lost: Lost) -> None:
        self._over = True
        self._close(Leave(How.GONE, lost.message))

    def _close(self, leave: Leave) -> None:
        """Dismiss, with whatever is open above."""
        while self.app.screen is not self and self in self.app.screen_stack:
            self.app.pop_screen()
        self.dismiss(leave)
