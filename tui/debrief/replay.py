"""Replay: a drill moment by moment, with a slider over its time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from textual import events, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from ...sandbox.model.errors import DrillboxError
from ...sandbox.model.events import Accepted, Alerted, Changed, Ended, Event, Hinted, Logged, Rejected
from ...sandbox.model.units import format_clock, format_duration
from ..cockpit.words import change_text
from ..cockpit.words import params as given
from ..ports import Recording
from ..shell.base import ShellScreen
from ..widgets.chart import Axis, render_spark
from .moments import Moment, Timeline, named
from .words import Part

STEP, LEAP = 5.0, 60.0
"""Drill seconds of an arrow key, alone and with shift."""
FRAME = 0.1
"""Wall seconds between two steps while it plays by itself."""
PACE = 30.0
"""Drill seconds per wall second while it plays by itself."""
NAMES = 14


class Slider(Widget, can_focus=True):
    """The drill's time, with charts in one line each above it and the moment as a cursor through all of them."""

    DEFAULT_CSS = """
    Slider { height: auto; padding: 0 1; background: $surface; border: round $panel-lighten-2; }
    Slider:focus { border: round $border; }
    """
    WHERE = "The slider"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-5)", "-5 s", id="replay.back", tooltip="5 seconds back"),
        Binding("right", "move(5)", "+5 s", id="replay.on", tooltip="5 seconds on"),
        Binding("shift+left,comma", "move(-60)", "Back 1 min", id="replay.far_back", show=False, tooltip="A minute back"),
        Binding("shift+right,full_stop", "move(60)", "On 1 min", id="replay.far_on", show=False, tooltip="A minute on"),
        Binding("home", "move(-100000)", "Begin", id="replay.begin", show=False, tooltip="To the beginning"),
        Binding("end", "move(100000)", "End", id="replay.end", show=False, tooltip="To the end"),
        Binding("left_square_bracket", "event(-1)", "Before", id="replay.before", tooltip="To the event before"),
        Binding("right_square_bracket", "event(1)", "Next", id="replay.next", tooltip="To the next event"),
        Binding("space", "play", "Play", id="replay.play", tooltip=f"Let it go on by itself, at {PACE:g}x, or stop it"),
    ]
    at: reactive[float] = reactive(0.0)

    class Moved(Message):
        """Another moment was chosen."""

        def __init__(self, at: float) -> None:
            self.at = at
            super().__init__()

        def can_replace(self, message: Message) -> bool:
            """Only the latest counts."""
            return isinstance(message, Slider.Moved)

    def __init__(self, timeline: Timeline) -> None:
        super().__init__(id="slider")
        self._timeline = timeline
        self._rows = list(_rows(timeline.recording))
        self._curves = {sli: timeline.curve(sli) for _, sli, _, _ in self._rows}
        self._playing = False
        self._spark: tuple[int, list[Content]] = (0, [])

    def on_mount(self) -> None:
        """It plays by a timer of its own."""
        self._timer = self.set_interval(FRAME, self._tick, pause=True)

    def render(self) -> Content:
        """Sparks with the cursor, then the time."""
        width = max(10, self.size.width - NAMES)
        if self._spark[0] != width:
            self._spark = width, [self._line(row, width) for row in self._rows]
        column = self._column(width)
        named = [
            Content.assemble((f"{row[0]:>{NAMES - 1}} ", "$foreground-muted"), line.stylize("reverse", column, column + 1))
            for row, line in zip(self._rows, self._spark[1], strict=True)
        ]
        clock = f"{'▶' if self._playing else '‖'} {format_clock(self.at)}"
        total = f"of {format_clock(self._timeline.end)}"
        bar = f"{'━' * column}●{'─' * max(0, width - column - 1)}"
        time = Content.assemble((f"{clock:>{NAMES - 1}} ", "bold"), (bar, "$primary"))
        return Content("\n").join([*named, time, Content.styled(f"{total:>{NAMES - 1}}", "$foreground-muted")])

    def _line(self, row: tuple[str, str, float, str], width: int) -> Content:
        _, sli, top, style = row
        return render_spark(self._curves[sli], Axis(top), 0.0, self._timeline.end, width, style)

    def _column(self, width: int) -> int:
        return min(width - 1, max(0, int(self.at / max(1e-9, self._timeline.end) * width)))

    def watch_at(self) -> None:
        """Tell where it stands."""
        self.post_message(self.Moved(self.at))

    def action_move(self, by: float) -> None:
        """So many seconds further."""
        self.at = min(self._timeline.end, max(0.0, self.at + by))

    def action_event(self, by: int) -> None:
        """To where something happened."""
        self.at = self._timeline.next(self.at, by)

    def action_play(self) -> None:
        """Go on by itself, or stop."""
        self._playing = not self._playing
        if self._playing and self.at >= self._timeline.end:
            self.at = 0.0
        (self._timer.resume if self._playing else self._timer.pause)()
        self.refresh()

    def _tick(self) -> None:
        self.action_move(FRAME * PACE)
        if self.at >= self._timeline.end:
            self.action_play()

    def on_click(self, event: events.Click) -> None:
        """To where one points."""
        place = event.get_content_offset(self)
        if place is not None and place.x >= NAMES:
            self.at = (place.x - NAMES) / max(1, self.size.width - NAMES - 1) * self._timeline.end


class ReplayScreen(ShellScreen[None]):
    """Scrubs through the journal of a drill."""

    WHERE = "Replay"
    DEFAULT_CSS = """
    ReplayScreen {
        #below { height: 1fr; }
        #state { width: 36; height: 1fr; }
        .box { border: round $panel-lighten-2; border-title-color: $foreground-muted; background: $surface; padding: 0 1; }
        #happened { width: 1fr; height: 1fr; }
        #error { padding: 1 2; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "logs", "Logs", id="replay.logs", tooltip="Show the log lines among what had happened, or leave them out"),
        Binding("escape,q", "back", "Back", id="replay.leave", tooltip="Back to the debrief"),
    ]

    def __init__(self, journal: Path) -> None:
        super().__init__()
        self._journal = journal
        self._timeline: Timeline | None = None
        self._logs = False  # they would drown all else

    class Read(Message):
        """The journal is read; or cannot be."""

        def __init__(self, recording: Recording | None, error: str = "") -> None:
            self.recording, self.error = recording, error
            super().__init__()

    def content(self) -> Iterable[Widget]:
        """Nothing yet."""
        yield Static("reading the journal ...", id="error", markup=False)

    def on_mount(self) -> None:
        """Read it."""
        self.title_line(self._journal.stem)
        self._read()

    @work(thread=True)
    def _read(self) -> None:
        try:
            self.post_message(self.Read(self.drillbox.backend.recording(self._journal)))
        except DrillboxError as error:
            self.post_message(self.Read(None, str(error)))

    async def on_replay_screen_read(self, read: Read) -> None:
        """Show its first moment."""
        if read.recording is None:
            self.query_one("#error", Static).update(read.error)
            return
        self._timeline = Timeline(read.recording)
        self.title_line(read.recording.title)
        await self.query_one("#error").remove()
        state = VerticalScroll(Static(id="now"), id="state", classes="box", can_focus=False)
        happened = VerticalScroll(Static(id="events"), id="happened", classes="box")
        state.border_title, happened.border_title = "then", "what had happened, the latest first"
        await self.query_one("#body").mount(Slider(self._timeline), Horizontal(state, happened, id="below"))
        self.query_one(Slider).focus()
        self._show(0.0)

    def on_slider_moved(self, moved: Slider.Moved) -> None:
        """Another moment."""
        self._show(moved.at)

    def _show(self, at: float) -> None:
        if self._timeline is not None:
            moment = self._timeline.at(at)
            self.query_one("#now", Static).update(_now(moment))
            self.query_one("#events", Static).update(_happened(moment, self._logs))
            told = "the latest first" if self._logs else "the latest first; l shows logs, too"
            self.query_one("#happened").border_title = f"what had happened, {told}"

    def action_logs(self) -> None:
        """Log lines, too, or not."""
        self._logs = not self._logs
        if self._timeline is not None:
            self._show(self.query_one(Slider).at)

    def action_back(self) -> None:
        """Back."""
        self.dismiss()


def _rows(recording: Recording) -> Iterable[tuple[str, str, float, str]]:
    """Name, indicator, end of the axis, style."""
    yield "requests/s", "request_rate", 6.0 * recording.rate, "$text-primary"
    yield "errors", "error_ratio", 1.0, "$text-error"
    yield "latency p95", "latency_p95", 4.0 * (recording.bound or 1.0), "$text-warning"
    yield "saturation", "saturation", 1.0, "$text-accent"


FORMS: Mapping[str, tuple[str, str]] = {
    "request_rate": ("requests", "{:,.0f}/s"),
    "error_ratio": ("errors", "{:.1%}"),
    "availability": ("answered", "{:.2%}"),
    "latency": ("in time", "{:.2%}"),
    "latency_p50": ("latency p50", "s"),
    "latency_p95": ("latency p95", "s"),
    "latency_p99": ("latency p99", "s"),
    "saturation": ("saturation", "{:.0%}"),
    "queue_length": ("queue", "{:,.0f}"),
    "replicas": ("replicas", "{:.0f}"),
    "replicas_wanted": ("wanted", "{:.0f}"),
    "quality_brier": ("Brier score", "{:.3f}"),
    "quality_auc": ("AUC", "{:.3f}"),
    "drift": ("drift (PSI)", "{:.2f}"),
    "feature_freshness": ("freshness", "s"),
    "null_rate": ("missing values", "{:.1%}"),
}
"""How indicators are named and written."""


def _now(moment: Moment) -> Content:
    parts: list[Part] = []
    for sli, (name, form) in FORMS.items():
        if sli in moment.slis:
            value = moment.slis[sli]
            text = format_duration(round(value, 3)) if form == "s" else form.format(value)
            parts += [(f"{name:15}", "$foreground-muted"), (f"{text:>10}\n", "bold")]
    if not parts:
        parts.append(("no data yet\n", "$foreground-muted"))
    parts.append(("\nfiring\n", "$foreground-muted"))
    for severity, name, _, since in moment.firing:
        mark, style = ("▲", "bold $text-error") if severity == "page" else ("◆", "$text-warning")
        parts += [(f"{mark} {name}\n", style), (f"  {severity} since {format_clock(since)}\n", "$foreground-muted")]
    if not moment.firing:
        parts.append(("✓ nothing\n", "$text-success"))
    return Content.assemble(*parts)


def _happened(moment: Moment, logs: bool) -> Content:
    shown = [event for event in moment.events if logs or not isinstance(event.body, Logged)]
    lines = [line for event in reversed(shown[-200:]) if (line := _line(event)) is not None]
    return Content("\n").join(lines) if lines else Content.styled("nothing yet", "$foreground-muted")


def _line(event: Event) -> Content | None:
    clock = (f"{format_clock(event.at):>6} ", "$foreground-muted")
    match event.body:
        case Accepted(actor, _, action, params):
            told = f"{actor}: {action} {given(action, params)}".rstrip()
            return Content.assemble(clock, ("● ", "$text-primary"), (told, "bold"))
        case Rejected(actor, _, action, _, reason):
            return Content.assemble(clock, ("✗ ", "$text-error"), f"{actor}: {action} was refused: {reason}")
        case Changed(by=by):
            return Content.assemble(clock, ("Δ ", "$text-accent"), f"{change_text(event.body)} ({by})")
        case Alerted(name, labels, _, state, _, summary, _):
            calls = ("▲ ", "$text-error") if labels.get("severity") == "page" else ("◆ ", "$text-warning")
            mark = calls if state == "firing" else ("✓ ", "$text-success")
            told = f": {summary}" if state == "firing" and summary else ""
            return Content.assemble(clock, mark, f"{labels.get('severity', 'alert')} {named(name, labels)} {state}{told}")
        case Logged(_, component, severity, text):
            style = "$text-warning" if severity == "warning" else "$text-error"
            return Content.assemble(clock, ("· ", style), (f"{component}: {text}", "$foreground-muted"))
        case Hinted(_, hint, text):
            return Content.assemble(clock, ("? ", "$text-accent"), f"hint {hint}: {text}")
        case Ended(reason):
            return Content.assemble(clock, ("■ ", ""), f"the drill is over: {reason}")
    return None
