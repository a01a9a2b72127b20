"""The thread that plays a hosted session at its pace, until the drill is over."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..clock import Clock, Pacer, WallClock
from ..engine import STEP
from ..model.errors import AbortedError, DrillboxError
from ..model.stack import Progress
from ..session import DrillSession

UNPACED = 0.0
"""The speed of a pacer that never waits: a stack on the wall clock keeps time by itself."""


class Driver(threading.Thread):
    """Brings the stack up and plays. Pause, speed and the end come from other threads.

    Args:
        session: not yet started.
        speed: drill seconds per wall second; without effect on a stack that runs on the wall clock.
        finished: called at the end, from this thread, however it came.
        progress: of the bring-up.
        clock: of the wall.
        paced: told the speed, and whether the drill is paused, at the beginning and whenever one of them changes.
    """

    def __init__(
        self,
        session: DrillSession,
        speed: float,
        finished: Callable[[], object] = lambda: None,
        progress: Progress = lambda _step, _done: None,
        clock: Clock | None = None,
        paced: Callable[[float, bool], object] = lambda _speed, _paused: None,
    ) -> None:
        super().__init__(name="driver", daemon=True)
        self._session = session
        self._finished = finished
        self._progress = progress
        self._pacer = Pacer(clock or WallClock(), UNPACED if session.paced else speed)
        self._paced = paced
        self._held = False
        self._wake = threading.Event()
        self._ending = ""
        self.dismissed = False
        """Whether nobody wants anything more of the drill once it is over."""
        self.failure: BaseException | None = None
        """What ended the drill, if neither its time nor anybody's wish did."""
        session.control(speed=1.0 if session.paced else speed)

    def control(self, *, pause: bool | None = None, speed: float | None = None) -> None:
        """Pause or go on, or change the speed.

        Raises:
            UsageError: the stack runs on the wall clock.
        """
        self._session.control(pause=pause, speed=speed)
        self._wake.set()

    def end(self, reason: str) -> None:
        """End the drill before its time: as soon as the step under way is over. The first reason counts."""
        self._ending = self._ending or reason
        self.dismissed |= reason == "interrupted"
        self._wake.set()

    def dismiss(self) -> None:
        """End the drill as aborted if it is not over; the process behind it may go at once."""
        self.dismissed = True
        self.end("aborted")

    def run(self) -> None:
        """Until the drill is over."""
        session = self._session
        try:
            session.start(self._bring_up)
            self._pacer.restart()
            self._paced(session.speed, self._held)
            while not session.over:
                self._go_on()
        except BaseException as error:  # noqa: BLE001  # whatever it is: the clients are told, and the process ends with it
            self.failure = error
            self._give_up(error)
        finally:
            self._finished()

    def _bring_up(self, step: str, done: float) -> None:
        if self._ending == "interrupted":
            raise KeyboardInterrupt("the drill was interrupted while it was brought up")
        if self._ending:
            raise AbortedError(f"the drill was {self._ending} while it was brought up")
        self._progress(step, done)

    def _go_on(self) -> None:
        """Play the next step, or wait for it, or do what was asked for."""
        session = self._session
        self._wake.clear()
        if self._ending:
            session.end(self._ending)
            return
        self._keep_pace()
        if self._held:
            self._wake.wait()
            return
        delay = self._pacer.delay(min(session.now + STEP, session.scenario.duration))
        if not self._wake.wait(delay):
            session.advance()

    def _keep_pace(self) -> None:
        """Take up what was asked for since the last look."""
        session = self._session
        if session.paused != self._held:
            self._held = session.paused
            self._pacer.restart()
            self._paced(session.speed, self._held)
        if session.speed != self._pacer.speed and not session.paced:
            self._pacer.set_speed(session.speed)
            self._paced(session.speed, self._held)

    def _give_up(self, error: BaseException) -> None:
        """Tell the clients, and end the drill if it has begun; a session that never began has taken its stack down itself."""
        told = str(error) or type(error).__name__
        self._session.fail(told)
        try:
            self._session.end("broken")
        except DrillboxError as again:  # the journal cannot be written; the stack is down all the same
            if str(again) != told:
                self._session.fail(f"{told}; {again}")
