"""Playing: actions and what becomes of them, pause and speed, and how one leaves the drill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from textual import on
from textual.message import Message

from ...sandbox.model.actions import Action
from ...sandbox.model.events import Command
from ...sandbox.model.params import Value
from ...sandbox.session import Phase, Session
from ..feed import Feed
from ..widgets.dialogs import Choice, Question
from .acting import ActionForm, ActionMenu
from .asking import Asking
from .picture import Picture
from .records import Order

SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0)
"""Drill seconds per wall second that the keys step through."""

LEAVE = "Leave the cockpit?"


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


class Playing(Asking[Leave]):
    """What the cockpit does to a session.

    Args:
        session: in this process or in another; it is never called on the thread of the user interface.
    """

    class Fresh(Message):
        """There is a new picture; one that was not looked at yet is replaced."""

        def __init__(self, picture: Picture) -> None:
            self.picture = picture
            super().__init__()

        def can_replace(self, message: Message) -> bool:
            """A newer picture holds all of an older one."""
            return isinstance(message, Playing.Fresh)

    class Lost(Message):
        """The session cannot be reached any more."""

        def __init__(self, message: str) -> None:
            self.message = message
            super().__init__()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.picture = Picture()
        self.feed = Feed(session, self._deliver, self._lose)
        self.actions: Mapping[str, Action] = {}
        self._awaited: set[tuple[str, int]] = set()
        self._over = False
        self._pause_asked: bool | None = None
        self._speed_asked: float | None = None

    def _deliver(self, picture: Picture) -> None:
        self.post_message(self.Fresh(picture))

    def _lose(self, message: str) -> None:
        self.post_message(self.Lost(message))

    def played_on(self, picture: Picture) -> None:
        """Take a new picture: tell what became of what was asked for, and of new pages."""
        before, self.picture = self.picture, picture
        if picture.snapshot is not None:
            if self._pause_asked is (picture.snapshot.phase is Phase.PAUSED):
                self._pause_asked = None
            if self._speed_asked == picture.snapshot.speed:
                self._speed_asked = None
        self._report()
        if before.snapshot is not None:
            self._call(before.feed[-1].number if before.feed else -1)

    def _call(self, last: int) -> None:
        """A page that is new calls; a hint is shown for as long as it takes to read."""
        for line in self.picture.feed:
            if line.number > last and line.kind == "page":
                self.app.bell()
                self.notify(line.text.partition(":")[0], title="▲ PAGE", severity="error", timeout=4)
            elif line.number > last and line.kind == "hint":
                number, _, text = line.text.partition(": ")
                self.notify(text, title=f"? hint {number}", timeout=15)

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
        self.ask(lambda: self.session.submit(name, dict(values)), self._submitted, in_order=True)

    def _submitted(self, command: Command) -> None:
        self._awaited.add((command.actor, command.number))
        if self.paused:
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
        """The events tell it, too; but a refusal must not be missed, and who does not see the events sees nothing."""
        if order.state != "completed":
            self.notify(order.reason, title=f"✗ {order.action} {order.state}", severity="error", timeout=10)
        elif not self.query_one("#events").display:
            self.notify(f"✓ {order.action}: done", timeout=3)

    def action_pause(self) -> None:
        """Pause, or go on. Pressed again before the drill has obeyed, it takes that back."""
        snapshot = self.picture.snapshot
        if snapshot is not None:
            paused = snapshot.phase is Phase.PAUSED if self._pause_asked is None else self._pause_asked
            self._pause_asked = not paused
            self._control(pause=not paused)

    def action_speed(self, step: int) -> None:
        """The next speed up or down, from the one that was asked for last."""
        snapshot = self.picture.snapshot
        if snapshot is None:
            return
        now = self._speed_asked or snapshot.speed or SPEEDS[-1]
        nearest = min(range(len(SPEEDS)), key=lambda index: abs(SPEEDS[index] - now))
        self._speed_asked = SPEEDS[max(0, min(len(SPEEDS) - 1, nearest + step))]
        self._control(speed=self._speed_asked)

    def _control(self, *, pause: bool | None = None, speed: float | None = None) -> None:
        def done(_: object) -> None:
            self.feed.poke()

        def refused(message: str) -> None:
            self._pause_asked = self._speed_asked = None
            self.complain(message)

        self.ask(lambda: self.session.control(pause=pause, speed=speed), done, refused, in_order=True)

    # --------------------------------------------------------------------------------------------------------- how one leaves

    def action_leave(self) -> None:
        """Ask whether the drill is to go on."""
        if self._over:
            self._go()
            return
        if self.asks_whether_to_leave:
            return
        if self.paused:
            kept = "The drill is paused, and stays paused if you keep it: nothing happens until somebody comes back."
        else:
            kept = "The drill goes on by itself if you keep it running, whether somebody looks or not."
        text = f"{kept} drillbox attach brings you back. Aborting ends it as given up, and leads to the debrief."
        choices = [Choice("c", "Cancel"), Choice("k", "Keep the drill", "primary"), Choice("a", "Abort the drill", "error")]
        self.app.push_screen(Question(LEAVE, text, choices), self._leave)

    @property
    def paused(self) -> bool:
        """Whether the drill stands still."""
        return self.picture.snapshot is not None and self.picture.snapshot.phase is Phase.PAUSED

    @property
    def asks_whether_to_leave(self) -> bool:
        """Whether that question is open."""
        return any(isinstance(screen, Question) and screen.named == LEAVE for screen in self.app.screen_stack)

    def _leave(self, answer: str | None) -> None:
        if answer == "k":
            self._close(Leave(How.DETACHED))
        elif answer == "a":
            self.ask(self.session.abort, lambda _: self.feed.poke())

    def notice_the_end(self) -> None:
        """Ask what next once the drill has come to its end; leave one that was given up or broke."""
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
