"""Bringing a drill up: each step with its state, time and share; what went wrong and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import ProgressBar, Static

from ...sandbox.model.errors import DrillboxError
from ..ports import Drill, Told
from .base import ShellScreen

Start = Callable[[Told], Drill]
FEWEST, REST = 4, 22
"""Steps that are always shown; rows of a screen that all else takes."""
A_WHILE = 0.3
"""Wall seconds after which what goes on without a step of its own gets a line."""
FIRST_KEYS = "In the cockpit: d you are on it · a act · h hint · space pause · ? all keys"
LOOK = 0.1
"""Wall seconds between two looks at a drill that is being brought up."""


@dataclass(slots=True)
class StepRow:
    """A step: since when (wall seconds of the event loop), until when, and the share that is done."""

    name: str
    began: float
    done: float = 0.0
    ended: float | None = None
    failed: bool = False


class BringUpScreen(ShellScreen[Drill | None]):
    """Starts a drill, or comes back to one, and waits until it can be played; dismissed with it or, if it is not to be, None."""

    WHERE = "Bring-up"
    DEFAULT_CSS = """
    BringUpScreen {
        #steps { height: auto; padding: 1 2; }
        #bar { margin: 0 2; width: 1fr; & Bar { width: 1fr; } }
        #told { margin: 1 2; height: auto; color: $foreground-muted; }
        #error { display: none; margin: 1 2; padding: 1 2; height: auto; border: round $error; }
        #error.shown { display: block; }
        #keys { margin: 1 2; height: auto; color: $foreground-muted; }
        #page { margin: 0 2; padding: 0 1; height: auto; border: round $warning; border-title-color: $warning; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,ctrl+c",
            "cancel",
            "Cancel",
            key_display="esc",
            id="bringup.cancel",
            tooltip="Stop, and take down what is up already",
        ),
        Binding("r", "retry", "Try again", id="bringup.retry", tooltip="Start once more, after an error"),
    ]

    def __init__(self, what: str, start: Start, needs: str = "", pager: str = "") -> None:
        super().__init__()
        self._what, self._start, self._needs, self._pager = what, start, needs, pager
        self.steps: list[StepRow] = []
        self._drill: Drill | None = None
        self._cancelled = Event()
        self._ready = False  # the thread is done, and the drill goes on
        self._over = False

    class Moved(Message):
        """A step has come to a share; one that was not looked at yet may be replaced by one of the same step."""

        def __init__(self, step: str, done: float) -> None:
            self.step, self.done = step, done
            super().__init__()

        def can_replace(self, message: Message) -> bool:
            """The latest share of a step is all that counts."""
            return isinstance(message, BringUpScreen.Moved) and message.step == self.step

    class Ready(Message):
        """The drill can be played."""

    class Broke(Message):
        """It cannot."""

        def __init__(self, error: str) -> None:
            self.error = error
            super().__init__()

    def content(self) -> Iterable[Widget]:
        """Steps, bar, what it takes, and room for an error."""
        with VerticalScroll(can_focus=False):
            yield Static(id="steps")
            yield ProgressBar(total=1.0, show_eta=False, id="bar")
            yield Static(self._needs and f"It takes {self._needs}.", id="told", markup=False)
            page = Static(self._pager.strip(), id="page", markup=False)
            page.border_title = "the page that is about to reach you"
            page.display = bool(self._pager)
            yield page
            yield Static(FIRST_KEYS, id="keys", markup=False)
            with Vertical(id="error"):
                yield Static(id="what")

    def on_mount(self) -> None:
        """Begin."""
        self.title_line(self._what)
        self.set_interval(0.2, self._paint)
        self._begin()

    def on_unmount(self) -> None:
        """Who leaves the application now does not want the drill."""
        if not self._over:
            self._cancelled.set()

    @work(thread=True, group="bring-up", exclusive=True)
    def _begin(self) -> None:
        """Start the host, then look at the drill until it has begun. In a thread: all of it takes its time."""
        from ...sandbox.session import Phase

        try:
            if self._drill is None:
                self._drill = self._start(self._note)
            while not self._cancelled.wait(LOOK):
                now = self._drill.session.snapshot()
                if now.error or (now.phase is Phase.ENDED and not now.events):
                    raise_error(now.error)
                if now.phase is not Phase.NEW:
                    self._ready = True
                    self.post_message(self.Ready())
                    return
                self._note(now.bringing_up, now.done)
        except DrillboxError as error:
            if not self._cancelled.is_set():
                self.post_message(self.Broke(str(error)))
        if self._cancelled.is_set():
            self._give_up()

    def _note(self, step: str, done: float) -> None:
        if step:
            self.post_message(self.Moved(step, done))

    def _give_up(self) -> None:
        """End the drill that nobody wants any more."""
        if self._drill is None:
            return
        try:
            self._drill.session.abort()
        except DrillboxError:
            pass  # it is gone already
        finally:
            self._drill.close()

    def on_bring_up_screen_moved(self, moved: Moved) -> None:
        """A step goes on, or a new one begins, which ends the one before."""
        now = asyncio.get_running_loop().time()
        found = next((row for row in self.steps if row.name == moved.step), None)
        if found is None:
            for row in self.steps:
                row.ended = row.ended or now
            found = StepRow(moved.step, now)
            self.steps.append(found)
        found.done = moved.done
        if found.done >= 1.0:
            found.ended = found.ended or now
        elif found.ended is not None:
            found.ended = None
        self._paint()

    def on_bring_up_screen_ready(self) -> None:
        """Go on to the drill."""
        if not self._over:
            self._over = True
            self.dismiss(self._drill)

    def on_bring_up_screen_broke(self, broke: Broke) -> None:
        """Tell it, and what to do."""
        for row in self.steps:
            row.failed = row.ended is None
            row.ended = row.ended or asyncio.get_running_loop().time()
        self._drill = None
        self.query_one("#what", Static).update(
            Content.assemble(
                ("✗ The drill could not be brought up\n\n", "bold $text-error"),
                broke.error,
                ("\n\nNothing was left running. r tries again, esc goes back.", "$foreground-muted"),
            )
        )
        self.query_one("#error").add_class("shown")
        self.query_one("#page").display = False
        self.refresh_bindings()
        self._paint()

    def action_retry(self) -> None:
        """Once more."""
        if self.query_one("#error").has_class("shown"):
            self.query_one("#error").remove_class("shown")
            self.query_one("#page").display = bool(self._pager)
            self.refresh_bindings()
            self.steps.clear()
            self._begin()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what failed can be tried again."""
        del parameters
        return action != "retry" or bool(self.query("#error.shown"))

    def action_cancel(self) -> None:
        """Stop it. A drill that has begun at this very moment is not wanted either."""
        self._cancelled.set()
        if not self._over:
            self._over = True
            if self._ready:
                self.app.run_worker(self._give_up, thread=True, group="give-up")
            self.dismiss(None)

    def _paint(self) -> None:
        now = asyncio.get_running_loop().time()
        shown = _folded(self.steps, max(FEWEST, self.size.height - REST))
        rows = [_row(row, now) for row in shown] or [Content.styled("◌ starting", "$foreground-muted")]
        since = max((row.ended for row in self.steps if row.ended is not None), default=now)
        if self.steps and all(row.ended is not None and not row.failed for row in self.steps) and now - since >= A_WHILE:
            rows.append(_row(StepRow("getting ready to play", since), now, share=False))
        self.query_one("#steps", Static).update(Content("\n").join(rows))
        self.query_one("#bar", ProgressBar).update(progress=self.steps[-1].done if self.steps else 0.0)


def raise_error(error: str) -> None:
    """What ended a drill before it began, as an error."""
    from ...sandbox.model.errors import StackError

    raise StackError(error or "the drill ended before it began")


def _folded(steps: Sequence[StepRow], room: int) -> list[StepRow]:
    """What there is room for: the first steps, which are done, become one."""
    if len(steps) <= room:
        return list(steps)
    before, rest = steps[: len(steps) - room + 1], steps[len(steps) - room + 1 :]
    return [StepRow(f"{len(before)} steps", before[0].began, 1.0, before[-1].ended), *rest]


def _row(row: StepRow, now: float, share: bool = True) -> Content:
    seconds = (row.ended if row.ended is not None else now) - row.began
    if row.failed:
        mark, style = "✗", "$text-error"
    elif row.ended is not None:
        mark, style = "✓", "$text-success"
    else:
        mark, style = "▸", "bold $primary"
    done = f"{row.done:4.0%}" if share and row.ended is None else ""
    name = f"{row.name:38} "
    return Content.assemble(
        (f"{mark} ", style), (name, style if not row.ended else ""), (f"{seconds:6.1f} s  ", "$foreground-muted"), done
    )
