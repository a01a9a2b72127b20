"""The application: from the library through a drill to its debrief. It only ever talks to a `Session` and to the `Backend`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.screen import Screen

from ..sandbox.model.errors import DrillboxError
from .library.screen import LibraryScreen
from .ports import Backend, Debrief, Drill, Incident, Wanted
from .settings.settings import Settings
from .settings.themes import themes
from .shell.terminal import lasting

if TYPE_CHECKING:
    from .cockpit.screen import CockpitScreen


log = logging.getLogger("drillbox.tui")


class DrillboxApp(App[int]):
    """The terminal UI; its return value is the exit code.

    Args:
        backend: all that is behind it.
        settings: as read.
        asked: a drill to begin with; without one it begins with the library.
        attach: the name of a running drill to begin with.
    """

    TITLE = "drillbox"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (100, "-normal"), (140, "-wide")]  # noqa: RUF012  # as textual has it
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (20, "-short"), (32, "-tall")]  # noqa: RUF012  # as textual has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "show_help", "Help", id="app.help", tooltip="What the keys do here"),
        Binding("ctrl+t", "next_theme", "Theme", id="app.theme", show=False, tooltip="The next theme, and keep it"),
        Binding("f10", "coach('skip')", "Skip", id="app.coach_skip", show=False, tooltip="Tutorial: on to the next step"),
        Binding("f9", "coach('end')", "End", id="app.coach_end", show=False, tooltip="Tutorial: end it; the drill goes on"),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", show=False, priority=True, tooltip="Leave; running drills go on"),
    ]

    def __init__(self, backend: Backend, settings: Settings, asked: Wanted | None = None, attach: str = "") -> None:
        super().__init__()
        self.backend = backend
        self.settings = settings
        self.asked = asked
        self._back_to = attach
        self.code = 0
        self.farewell = ""
        """What to say in the terminal after the end."""
        self._cockpit: CockpitScreen | None = None
        self.way_back = ""
        """How to come back to the drill that is being played; what to say if the application breaks, which ends no drill."""
        for theme in themes():
            self.register_theme(theme)
        self.theme = settings.theme
        self.animation_level = "full" if settings.animation else "none"
        self.set_keymap(dict(settings.keys))

    def get_driver_class(self) -> type[Driver]:
        """The system's, made to outlast the terminal."""
        return lasting(super().get_driver_class())

    def get_default_screen(self) -> Screen[None]:
        """The library."""
        return LibraryScreen()

    def on_mount(self) -> None:
        """Begin with what was asked for; a terminal that goes ends the application and no drill."""
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.exit, 0)
        if self.asked is not None:
            self.play(self.asked)
        elif self._back_to:
            self.attach(self._back_to)

    @work(group="drill", exclusive=True)
    async def play(self, wanted: Wanted, coached: bool = False) -> None:
        """Bring a drill up, play it, with the tutorial's coach if wanted, show what it came to."""
        from .shell.bring_up import BringUpScreen

        incident = await asyncio.to_thread(self._find, Path(wanted.scenario).stem)
        screen = BringUpScreen(
            f"{incident.title if incident else wanted.scenario} on {wanted.stack}"
            + (": the tutorial, which shows its solution" if coached else ""),
            lambda progress: self.backend.start(wanted, progress),
            self.backend.needs(wanted.stack),
            incident.pager if incident else "",
        )
        drill = await self.push_screen_wait(screen)
        await self._stay(drill, coached)

    def _find(self, name: str) -> Incident | None:
        """An incident of the library; a file outside of it is none."""
        try:
            return next((one for one in self.backend.incidents() if one.id == name), None)
        except DrillboxError:
            return None  # the library screen tells

    @work(group="drill", exclusive=True)
    async def attach(self, name: str) -> None:
        """Come back to a running drill."""
        from .shell.bring_up import BringUpScreen

        drill = await self.push_screen_wait(BringUpScreen(name, lambda _: self.backend.attach(name)))
        await self._stay(drill)

    async def _stay(self, drill: Drill | None, coached: bool = False) -> None:
        if drill is None:
            return
        from .cockpit.screen import CockpitScreen, How

        self._cockpit = cockpit = CockpitScreen(drill.session, drill.beside)
        self.way_back = _way_back(drill.name)
        try:
            leaving = self.push_screen(cockpit, wait_for_dismiss=True)
            if coached:
                from .help.coach import Coach

                cockpit.call_after_refresh(Coach.over, cockpit)
            left = await leaving
        finally:
            self._cockpit = None
            drill.close()
        self.way_back = ""
        if left.how is How.DETACHED:
            self.farewell = _way_back(drill.name, cockpit.paused)
            what = "is paused until you come back" if cockpit.paused else "goes on without you"
            self.notify(f"{drill.name} {what}", title="Left the drill")
            return
        if left.how is How.GONE:
            self.notify(left.message, title="The drill broke", severity="error", timeout=20)
        self.show_debrief(drill.journal, drill.wanted)

    def show_debrief(self, journal: Path, wanted: Wanted | None = None) -> None:
        """What a drill came to."""
        from .debrief.screen import DebriefScreen

        self.push_screen(DebriefScreen(journal, wanted))

    def judged(self, debrief: Debrief) -> None:
        """The exit code is that of the drill that was asked for, or 0."""
        if self.asked is not None or self._back_to:
            self.code = debrief.exit_code
        worth = f"  impact {debrief.impact:.0f}" if debrief.impact is not None else ""
        self.farewell = f"{debrief.verdict.upper()}  {debrief.title}{worth}\n  journal  {debrief.journal}"

    def _handle_exception(self, error: Exception) -> None:
        """What breaks the application is told in the log, too: the terminal forgets."""
        log.error("the terminal UI broke", exc_info=error)
        super()._handle_exception(error)

    async def action_quit(self) -> None:
        """Leave. It is asked first what is to become of a drill that is being played; if asked again, that goes on."""
        cockpit = self._cockpit
        if cockpit is not None and not cockpit.picture.ended:
            if not cockpit.asks_whether_to_leave:
                cockpit.action_leave()
                return
            self.farewell = self.way_back if not cockpit.paused else self.way_back.replace("goes on", "is paused", 1)
        self.exit(self.code)

    def begin_tutorial(self) -> None:
        """Two minutes that show how a drill goes."""
        from .help.lessons import DRILL

        self.play(DRILL, coached=True)

    def action_coach(self, what: str) -> None:
        """The tutorial's next step, or its end."""
        from .help.coach import Coach

        for coach in self.screen.query(Coach):
            coach.skip() if what == "skip" else coach.end()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a tutorial its keys do nothing."""
        if action == "coach":
            return bool(self.screen.query("Coach"))
        return super().check_action(action, parameters)

    def action_show_help(self) -> None:
        """What the keys do here."""
        from .help.screen import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen.of(self.screen))

    def action_next_theme(self) -> None:
        """The next theme."""
        names = [theme.name for theme in themes()]
        self.choose_theme(names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0])

    def choose_theme(self, name: str) -> None:
        """Take a theme, and keep it for the next time."""
        from .settings.settings import save_setting

        self.theme = name
        try:
            save_setting(self.backend.settings, "theme", name)
        except DrillboxError as error:
            self.notify(str(error), severity="warning")
        else:
            self.notify(f"theme: {name}", timeout=2)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:  # noqa: ARG002  # textual's interface
        """What the palette offers everywhere."""
        yield SystemCommand("Help", "what the keys do here", self.action_show_help)
        for theme in themes():
            yield SystemCommand(
                f"Theme: {theme.name}", "how the application looks", lambda name=theme.name: self.choose_theme(name)
            )
        yield SystemCommand("Save a picture", "of this screen, as SVG", lambda: self.set_timer(0.1, self.deliver_screenshot))


def _way_back(name: str, paused: bool = False) -> str:
    return f"the drill {'is paused' if paused else 'goes on'}; come back with: drillbox attach {name}"
