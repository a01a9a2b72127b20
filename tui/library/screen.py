"""The library screen: incidents by difficulty, what is known of the chosen one, pickers, and the drills that go on."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from ...sandbox.model.errors import DrillboxError
from ..ports import Attempts, Incident, Running, Wanted
from ..settings.settings import SPEEDS
from ..shell.base import ShellScreen
from . import words
from .choices import Choice, Picker, SeedPicker

RUN, PLAY = "run:", "play:"
LOOK = 2.0
"""Wall seconds between two looks at which drills go on."""


class Incidents(OptionList):
    """The list; that `enter` plays is to be seen in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "select",
            "Play",
            key_display="enter",
            id="library.play",
            tooltip="Play the chosen incident, or go back to the running drill",
        ),
    ]


class LibraryScreen(ShellScreen[None]):
    """Where one begins."""

    WHERE = "Library"
    DEFAULT_CSS = """
    LibraryScreen {
        #filter { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
        #filter.shown { display: block; }
        #both { height: 1fr; }
        #list { width: 40; height: 1fr; padding: 0 1; }
        #sheet { width: 1fr; height: 1fr; padding: 0 1; }
        #head, #rest { height: auto; }
        #pager { height: auto; margin: 1 0; padding: 0 1; border-left: thick $warning; }
        #pager.running { border-left: thick $success; }
        #pickers { height: 1; padding: 0 1; }
        #hint { width: 1fr; height: 1; padding: 0 1; color: $foreground-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    LibraryScreen.-narrow #list { width: 32; }
    LibraryScreen.-narrow #hint { display: none; }
    LibraryScreen.-wide #list { width: 48; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "play", "Play", id="library.play", tooltip="Play the chosen incident, or go back to the running drill"),
        Binding("slash", "filter", "Filter", id="library.filter", tooltip="Only incidents whose words contain a text"),
        Binding("r", "surprise", "Random", id="library.surprise", tooltip="Choose an incident, of the least played"),
        Binding("s", "pick('stack', 1)", "Stack", show=False, id="library.stack", tooltip="The next stack"),
        Binding(
            "p",
            "pick('profile', 1)",
            "Length",
            show=False,
            id="library.profile",
            tooltip="The full drill, or a shorter profile of it",
        ),
        Binding("plus,equals_sign", "pick('speed', 1)", "Faster", id="library.faster", show=False, tooltip="A faster clock"),
        Binding("minus", "pick('speed', -1)", "Slower", id="library.slower", show=False, tooltip="A slower clock"),
        Binding(
            "n", "pick('seed', 1)", "Seed", show=False, id="library.seed", tooltip="The next seed; the same seed is the same day"
        ),
        Binding("b", "past", "Past", id="library.past", tooltip="Debriefs of past drills"),
        Binding(
            "t",
            "tutorial",
            "Tutorial",
            id="library.tutorial",
            tooltip="Two minutes through the first incident, with its solution",
        ),
        Binding("comma", "settings", "Settings", id="library.settings", tooltip="Theme and keys"),
        Binding("escape", "back", "Back", id="library.back", show=False, tooltip="End the filter"),
        Binding("q", "app.quit", "Quit", id="library.quit", tooltip="Leave; running drills go on"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._incidents: Sequence[Incident] = ()
        self._drills: Sequence[Running] = ()
        self._placed = ""  # what was highlighted without anybody's doing
        self._attempts: Mapping[tuple[str, str], Attempts] = {}

    class Found(Message):
        """Something of the library is known; None is what was not looked at."""

        def __init__(
            self,
            incidents: Sequence[Incident] | None = None,
            attempts: Mapping[tuple[str, str], Attempts] | None = None,
            running: Sequence[Running] | None = None,
            error: str = "",
        ) -> None:
            self.incidents, self.attempts, self.running, self.error = incidents, attempts, running, error
            super().__init__()

    def content(self) -> Iterable[Widget]:
        """List on the left; sheet and pickers on the right."""
        settings = self.drillbox.settings
        speeds = sorted({*SPEEDS, settings.speed})
        yield Input(placeholder="filter by title, skill or page; enter keeps it, esc ends it", id="filter", compact=True)
        with Horizontal(id="both"):
            yield Incidents(id="list", classes="box")
            with VerticalScroll(id="sheet", classes="box"):
                yield Static("reading the library ...", id="head")
                yield Static(id="pager")
                yield Static(id="rest")
        with Horizontal(id="pickers"):
            yield Choice("stack", [("sim", "sim")], settings.stack, id="stack")
            yield Choice("speed", [(f"{one:g}", f"{one:g}x") for one in speeds], f"{settings.speed:g}", id="speed")
            yield Choice("length", [("", "full")], settings.profile, id="profile")
            yield SeedPicker("seed", settings.seed, id="seed")
            yield Static(id="hint")

    def on_mount(self) -> None:
        """Read what there is."""
        self.query_one("#list").border_title = "incidents"
        self.query_one("#sheet").border_title = "what you know"
        self.query_one("#list").focus()
        self.title_line("pick an incident and press enter; t is a tutorial of two minutes")
        self._read_library()
        self.set_interval(LOOK, self._look)

    def on_screen_resume(self) -> None:
        """After a drill its score is known, and others may go on."""
        if self._incidents:
            self._read_scores()
            self._look()

    @work(thread=True, group="library")
    def _read_library(self) -> None:
        backend = self.drillbox.backend
        try:
            self.post_message(self.Found(backend.incidents(), backend.attempts()))
        except DrillboxError as error:
            self.post_message(self.Found(error=str(error)))
        self._look()
        self._read_scores()

    @work(thread=True, group="scores", exclusive=True)
    def _read_scores(self) -> None:
        try:
            self.post_message(self.Found(attempts=self.drillbox.backend.rate(lambda _step, _done: None)))
        except DrillboxError as error:
            self.post_message(self.Found(error=f"past drills: {error}"))

    @work(thread=True, group="running", exclusive=True)
    def _look(self) -> None:
        try:
            self.post_message(self.Found(running=self.drillbox.backend.running()))
        except DrillboxError as error:
            self.post_message(self.Found(error=str(error)))

    @on(Found)
    def _take(self, found: Found) -> None:
        """Show what was found, if it is new."""
        before = (self._incidents, self._attempts, self._drills)
        self._incidents = self._incidents if found.incidents is None else found.incidents
        self._attempts = self._attempts if found.attempts is None else found.attempts
        self._drills = self._drills if found.running is None else found.running
        if found.error:
            self.notify(found.error, title="Library", severity="error", markup=False)
        if before != (self._incidents, self._attempts, self._drills):
            self._fill()

    def _fill(self) -> None:
        """The list anew; what was highlighted stays so."""
        options = self.query_one("#list", OptionList)
        chosen = self._chosen_id()
        options.clear_options()
        if self._drills:
            options.add_option(Option(Content.styled("running", "$foreground-muted"), disabled=True))
            options.add_options([Option(words.running_entry(one), id=RUN + one.name) for one in self._drills])
            options.add_option(Option(Content.styled("incidents", "$foreground-muted"), disabled=True))
        shown, speed = self._shown(), self._speed()
        options.add_options([Option(words.entry(one, self._of(one), speed), id=PLAY + one.id) for one in shown])
        if not shown and self._incidents:
            options.add_option(Option(Content.styled("no incident has these words", "$foreground-muted"), disabled=True))
        ids = [options.get_option_at_index(place).id for place in range(options.option_count)]
        first = next((one for one in ids if one is not None), "")
        stays = chosen in ids and (chosen != self._placed or not first.startswith(RUN))  # a running drill is what one came for
        wanted = chosen if stays else first
        if wanted:
            options.highlighted = ids.index(wanted)
        if wanted != chosen:
            self._placed = wanted
        self._describe()

    def _shown(self) -> list[Incident]:
        text = self.query_one("#filter", Input).value.casefold()
        return [one for one in self._incidents if all(word in _words(one) for word in text.split())]

    def _of(self, incident: Incident) -> Attempts:
        profile = self.query_one("#profile", Choice).value
        return self._attempts.get((incident.id, profile if profile in incident.profiles else ""), words.NEVER)

    def _played(self, incident: Incident) -> int:
        """How often, in full or in any of its profiles."""
        return sum(attempts.count for (name, _), attempts in self._attempts.items() if name == incident.id)

    def _chosen_id(self) -> str:
        options = self.query_one("#list", OptionList)
        if options.highlighted is None:
            return ""
        return options.get_option_at_index(options.highlighted).id or ""

    def _chosen(self) -> Incident | None:
        name = self._chosen_id().removeprefix(PLAY)
        return next((one for one in self._incidents if one.id == name), None)

    def _speed(self) -> float:
        """At which the chosen incident would be played on the chosen stack."""
        incident, stack = self._chosen(), self.query_one("#stack", Choice).value
        if incident is not None and any(one.name == stack and one.paced for one in incident.stacks):
            return 1.0
        return float(self.query_one("#speed", Choice).value)

    @on(Picker.Changed)
    def _picked(self) -> None:
        """Scores are kept by length and speed."""
        self._fill()

    @on(OptionList.OptionHighlighted)
    def _describe(self) -> None:
        """The sheet of what is highlighted, and pickers that fit it."""
        incident = self._chosen()
        if incident is None:
            name = self._chosen_id().removeprefix(RUN)
            drill = next((one for one in self._drills if one.name == name), None)
            if drill is not None:
                self._describe_running(drill)
            return
        stack = self.query_one("#stack", Choice)
        stack.offer([(one.name, one.name if one.able else f"{one.name} ✗") for one in incident.stacks])
        self.query_one("#profile", Choice).offer([("", "full"), *((name, name) for name in incident.profiles)])
        profile = self.query_one("#profile", Choice).value
        self.query_one("#head", Static).update(words.head(incident))
        self.query_one("#pager", Static).update(words.pager(incident))
        self.query_one("#pager").remove_class("running")
        self.query_one("#rest", Static).update(words.rest(incident, self._of(incident), stack.value, profile))
        speed = self._speed()
        length = f"at {speed:g}x about {incident.minutes / speed:.3g} min of yours" if not profile else f"{profile} at {speed:g}x"
        self._hint(f"enter plays it: {length}")

    def _describe_running(self, drill: Running) -> None:
        head = Content.assemble((drill.title, "bold $primary"), (f"   {drill.name}", "$foreground-muted"))
        self.query_one("#head", Static).update(head)
        self.query_one("#pager", Static).update(words.running_entry(drill))
        self.query_one("#pager").add_class("running")
        self.query_one("#rest", Static).update("It goes on in a process of its own, also without this terminal.")
        self._hint("enter takes you back to it")

    def _hint(self, text: str) -> None:
        self.query_one("#hint", Static).update(Content(text))

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self._fill()

    @on(Input.Submitted, "#filter")
    def _keep_filter(self) -> None:
        self.query_one("#list").focus()

    @on(OptionList.OptionSelected)
    def action_play(self) -> None:
        """Play what is highlighted."""
        name = self._chosen_id()
        if name.startswith(RUN):
            self.drillbox.attach(name.removeprefix(RUN))
            return
        incident = self._chosen()
        if incident is None:
            return
        stack = next((one for one in incident.stacks if one.name == self.query_one("#stack", Choice).value), None)
        if stack is None or not stack.able:
            self.notify(stack.why_not if stack else "there is no stack for it", title=incident.title, severity="warning")
            return
        self.drillbox.play(
            Wanted(
                incident.id,
                stack.name,
                self.query_one("#seed", SeedPicker).value,
                self._speed(),
                self.query_one("#profile", Choice).value,
            )
        )

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one("#filter").add_class("shown")
        self.query_one("#filter").focus()

    def action_back(self) -> None:
        """Without a filter again."""
        found = self.query_one("#filter", Input)
        found.value = ""
        found.remove_class("shown")
        self.query_one("#list").focus()

    def action_surprise(self) -> None:
        """Highlight some incident that can be played: one that was played least."""
        able = [one for one in self._shown() if any(choice.able for choice in one.stacks)]
        if not able:
            return
        least = min(self._played(one) for one in able)
        chosen = secrets.choice([one for one in able if self._played(one) == least])
        self.query_one("#seed", SeedPicker).value = secrets.randbelow(1000)
        self.query_one("#seed").refresh(layout=True)
        options = self.query_one("#list", OptionList)
        options.highlighted = options.get_option_index(PLAY + chosen.id)
        options.focus()

    def action_pick(self, which: str, by: int) -> None:
        """Another value of a picker, without going there."""
        self.query_one(f"#{which}", Picker).action_move(by)

    def action_past(self) -> None:
        """Debriefs of past drills."""
        from ..debrief.past import PastScreen

        self.app.push_screen(PastScreen())

    def action_tutorial(self) -> None:
        """Two minutes that show how a drill goes."""
        self.drillbox.begin_tutorial()

    def action_settings(self) -> None:
        """Theme and keys."""
        from ..settings.screen import SettingsScreen

        self.app.push_screen(SettingsScreen())


def _words(incident: Incident) -> str:
    return " ".join((incident.id, incident.title, incident.pager, *incident.skills)).casefold()
