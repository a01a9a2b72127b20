"""The debrief screen: first the verdict, then the course with the fault, the actions, and what to learn."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import ProgressBar, Static, TabbedContent, TabPane

from ...sandbox.model.errors import DrillboxError
from ..ports import FORMATS, Debrief, Wanted
from ..shell.base import ShellScreen
from . import words
from .course import CourseView


class DebriefScreen(ShellScreen[None]):
    """Judges a drill by its journal, in a thread, and shows what it came to."""

    WHERE = "Debrief"
    DEFAULT_CSS = """
    DebriefScreen {
        #waiting { height: auto; padding: 1 2; & ProgressBar, & Bar { width: 1fr; } }
        TabbedContent { height: 1fr; }
        TabPane { padding: 0; height: 1fr; background: $background; }
        .card { height: auto; border: round $panel-lighten-2; border-title-color: $primary; padding: 0 1; background: $surface; }
        #verdict { height: auto; padding: 1 1 0 1; }
        .text { height: auto; padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "tab('score')", "Score", id="debrief.score", show=False, tooltip="Verdict, objectives, times, what it cost"),
        Binding("2", "tab('course')", "Course", id="debrief.course", show=False, tooltip="You against idle and reference"),
        Binding("3", "tab('actions')", "Actions", id="debrief.actions", show=False, tooltip="What each action was worth"),
        Binding("4", "tab('lesson')", "Lesson", id="debrief.lesson", show=False, tooltip="What it was and what to learn"),
        Binding("f", "reveal", "Fault", id="debrief.fault", tooltip="Show when the fault was in force, or hide it"),
        Binding("r", "replay", "Replay", id="debrief.replay", tooltip="Go through the drill once more, moment by moment"),
        Binding("p", "again", "Again", id="debrief.again", tooltip="The same drill once more"),
        Binding("e", "export('html')", "HTML", id="debrief.html", tooltip="Write the debrief as a page, beside the journal"),
        Binding("m", "export('md')", "MD", id="debrief.md", tooltip="Write the debrief as Markdown"),
        Binding("j", "export('json')", "JSON", id="debrief.json", tooltip="Write the result as JSON"),
        Binding("escape,q", "back", "Library", id="debrief.back", tooltip="Back to where you came from"),
    ]

    def __init__(self, journal: Path, wanted: Wanted | None = None) -> None:
        super().__init__()
        self._journal = journal
        self._wanted = wanted
        self.debrief: Debrief | None = None

    class Moved(Message):
        """The comparison goes on."""

        def __init__(self, step: str, done: float) -> None:
            self.step, self.done = step, done
            super().__init__()

        def can_replace(self, message: Message) -> bool:
            """Only the latest counts."""
            return isinstance(message, DebriefScreen.Moved)

    class Judged(Message):
        """It is done; or it cannot be, for a reason."""

        def __init__(self, debrief: Debrief | None, error: str = "") -> None:
            self.debrief, self.error = debrief, error
            super().__init__()

    def content(self) -> Iterable[Widget]:
        """Progress, until there is a debrief."""
        with Vertical(id="waiting"):
            yield Static("judging the drill", id="step", markup=False)
            yield ProgressBar(total=1.0, show_eta=False, id="bar")

    def on_mount(self) -> None:
        """Begin."""
        self.title_line(self._journal.stem)
        self._judge()

    @work(thread=True, exclusive=True)
    def _judge(self) -> None:
        def note(step: str, done: float) -> None:
            self.post_message(self.Moved(step, done))

        try:
            self.post_message(self.Judged(self.drillbox.backend.debrief(self._journal, note)))
        except DrillboxError as error:
            self.post_message(self.Judged(None, str(error)))

    def on_debrief_screen_moved(self, moved: Moved) -> None:
        """Show how far it is."""
        if self.debrief is None and self.query("#step"):
            self.query_one("#step", Static).update(f"{moved.step} ...")
            self.query_one("#bar", ProgressBar).update(progress=moved.done)

    async def on_debrief_screen_judged(self, judged: Judged) -> None:
        """Show it."""
        found = judged.debrief
        if found is None:
            self.query_one("#step", Static).update(f"✗ This drill cannot be judged: {judged.error}")
            self.query_one("#bar").remove()
            return
        self.debrief = found
        self.drillbox.judged(found)
        self.title_line(f"{found.title}  seed {found.wanted.seed} on {found.wanted.stack}")
        await self.query_one("#waiting").remove()
        tabs = TabbedContent()
        await self.query_one("#body").mount(Static(words.verdict(found), id="verdict"), tabs)
        for pane in _panes(found):
            await tabs.add_pane(pane)
        self.action_tab("score")

    def action_tab(self, name: str) -> None:
        """Show a part."""
        if self.query(TabbedContent):
            tabs = self.query_one(TabbedContent)
            tabs.active = name
            pane = tabs.get_pane(name)
            next(iter(pane.query("VerticalScroll")), pane).focus()

    def action_reveal(self) -> None:
        """When the fault was in force."""
        if self.debrief is not None:
            self.action_tab("course")
            self.query_one(CourseView).reveal()

    def action_replay(self) -> None:
        """Moment by moment."""
        from .replay import ReplayScreen

        self.app.push_screen(ReplayScreen(self._journal))

    def action_again(self) -> None:
        """The same drill once more; its speed is that of the settings where it is not known."""
        wanted = self._wanted or (self.debrief.wanted if self.debrief is not None else None)
        if wanted is not None:
            self.dismiss()
            self.drillbox.play(wanted)

    @work(thread=True, group="export")
    def action_export(self, form: str) -> None:
        """Write it beside the journal."""
        if self.debrief is None or form not in FORMATS:
            return
        try:
            path = self.drillbox.backend.export(self._journal, form)
        except DrillboxError as error:
            self.app.call_from_thread(self.notify, str(error), title="Not written", severity="error", markup=False)
        else:
            self.app.call_from_thread(self.notify, str(path), title="Written", markup=False)

    def action_back(self) -> None:
        """Back."""
        self.dismiss()


def _panes(debrief: Debrief) -> Iterable[TabPane]:
    score = VerticalScroll(
        _card("objectives", words.goals(debrief)),
        _card("times", words.moments(debrief)),
        _card("what it cost", words.harms(debrief)),
        *([_card(words.about_notes(debrief), words.notes(debrief))] if debrief.notes else []),
    )
    yield TabPane("1 score", score, id="score")
    yield TabPane("2 course", CourseView(debrief), id="course")
    yield TabPane("3 actions", VerticalScroll(Static(words.deeds(debrief), classes="text")), id="actions")
    yield TabPane("4 lesson", VerticalScroll(Static(words.lesson(debrief), classes="text")), id="lesson")


def _card(title: str, content: Content) -> Static:
    card = Static(content, classes="card")
    card.border_title = title
    return card
