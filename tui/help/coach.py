"""The coach: shows the steps of the tutorial over the cockpit, and goes on when what a step asks for has happened."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import work
from textual.content import Content
from textual.widgets import Static

from ...sandbox.model.errors import DrillboxError
from ..cockpit.panels import ChartPanel
from .lessons import LESSONS, SPEEDY, Lesson, Seen
from .sheet import key_text

if TYPE_CHECKING:
    from ..cockpit.screen import CockpitScreen

UNDER_WAY = 1.0
"""Drill seconds that may still be played after a pause was asked for."""
LOOK = 0.2
"""Wall seconds between two looks at whether a step is done."""


class Coach(Static):
    """One step at a time, at the bottom of the cockpit. While a form is open the clock stands: nobody has to hurry.

    Its keys are those of the application: it never has the focus.
    """

    DEFAULT_CSS = """
    Coach {
        layer: coach; dock: bottom; width: 100%; height: auto; margin: 0 0 1 0; padding: 0 1; border: round $accent;
        background: $panel; border-title-color: $accent; border-subtitle-color: $foreground-muted;
    }
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        super().__init__()
        self._cockpit = cockpit
        self.place = 0
        """Which of `LESSONS` is shown."""
        self._held = False
        self._stood: float | None = None  # drill second at which the clock was stopped

    @classmethod
    def over(cls, cockpit: CockpitScreen) -> None:
        """Put a coach over a cockpit that is being shown."""
        cockpit.styles.layers = "default coach"
        cockpit.mount(cls(cockpit))

    def on_mount(self) -> None:
        """Begin."""
        self._show()
        self.set_interval(LOOK, self._look)

    @property
    def lesson(self) -> Lesson:
        """The step that is shown."""
        return LESSONS[self.place]

    def _look(self) -> None:
        """Go on if the step is done; let the clock stand while a form is open, or while there is something to read."""
        chart = next(iter(self._cockpit.query(ChartPanel)), None)
        seen = Seen(self._cockpit.picture, chart.gauge.id if chart is not None else "")
        now = seen.picture.snapshot
        goes_on = now is not None and self._stood is not None and now.now > self._stood + UNDER_WAY
        if self.lesson.done(seen) and (goes_on or not self.lesson.still):
            self.skip()
        if self._cockpit.asks_whether_to_leave:  # it says what becomes of a drill that stands, or of one that goes on
            return
        form = self.app.screen is not self._cockpit
        if form != self._held and now is not None and not self.lesson.still:
            self._held = form
            self._control(pause=form)

    def skip(self) -> None:
        """The next step; after the last one there is no coach any more."""
        if self.place + 1 == len(LESSONS):
            self.end()
            return
        self.place += 1
        if self.place + 1 == len(LESSONS):
            self._control(speed=SPEEDY)
        self._show()

    def end(self) -> None:
        """No more steps."""
        self.remove()

    @work(thread=True, group="coach")
    def _control(self, *, pause: bool | None = None, speed: float | None = None) -> None:
        try:
            self._cockpit.session.control(pause=pause, speed=speed)
            if pause:
                self._stood = self._cockpit.session.snapshot().now
        except DrillboxError:
            return  # the drill is over, or gone: the cockpit tells

    def _show(self) -> None:
        self.border_title = f"tutorial {self.place + 1} of {len(LESSONS)}: {self.lesson.title}"
        self.border_subtitle = "F10 skips, F9 ends the tutorial"
        self.update(Content.assemble(*self.parts(self.lesson)))
        if self.lesson.still:
            self._control(pause=True)

    def parts(self, lesson: Lesson) -> Iterable[str | tuple[str, str]]:
        """The text of a step with the keys in their own style."""
        for place, part in enumerate(re.split(r"\{([a-z.-]+)\}", lesson.text)):
            yield (self._key(part), "bold $accent") if place % 2 else part

    def _key(self, binding: str) -> str:
        """The key that a binding has now."""
        for active in self._cockpit.active_bindings.values():
            if active.binding.id == binding:
                return active.binding.key_display or key_text(active.binding.key)
        return binding
