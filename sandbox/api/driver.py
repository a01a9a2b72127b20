"""The thread that plays a hosted session at its pace, until the drill is over."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..clock import Clock, Pacer, WallClock
from ..engine import STEP
from ..model.errors import DrillboxError
from ..model.stack import Progress
from ..session import DrillSession, Phase

LONGEST_WAIT = 0.2
"""Seconds of the wall clock after which the thread looks around, whatever it waits for."""


class Driver(threading.Thread):
    """Brings the stack up and plays. Pause, speed and the end come from other threads.

    Args:
        session: not yet started.
        speed: drill seconds per wall second.
        finished: called at the end, from this thread, however it came.
        progress: of the bring-up.
        clock: of the wall.
    """

    def __init__(
        self,
        session: DrillSession,
        speed: float,
        finished: Callable[[], object] = lambda: None,
        progress: Progress = lambda _step, _done: None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name="driver", daemon=True)
        self._session = session
        self._finished = finished
        self._progress = progress
        self._pacer = Pacer(clock or WallClock(), speed)
        self._wake = threading.Event()
        self._ending = ""
        self.failure: BaseException | None = None
        """What ended the drill, if it did not end by itself."""
        session.control(speed=speed)

    def control(self, *, pause: bool | None = None, speed: float | None = None) -> None:
        """Pause or go on, or change the speed."""
        self._session.control(pause=pause, speed=speed)
        if speed is not None:
            self._pacer.set_speed(speed)
        elif pause is False:
            self._pacer.restart()
        self._wake.set()

    def end(self, reason: str) -> None:
        """End the drill before its time: as soon as the step under way is over."""
        self._ending = self._ending or reason
        self._wake.set()

    def run(self) -> None:
        """Until the drill is over."""
        session = self._session
        try:
            session.start(self._bring_up)
            self._pacer.restart()
            while not session.over:
                self._go_on()
        except BaseException as error:  # noqa: BLE001  # whatever it is: the clients are told, and the process ends with it
            self.failure = error
            self._give_up(error)
        finally:
            self._finished()

    def _bring_up(self, step: str, done: float) -> None:
        if self._ending:
            raise KeyboardInterrupt
        self._progress(step, done)

    def _go_on(self) -> None:
        session = self._session
        self._wake.clear()
        if self._ending:
            session.end(self._ending)
            return
        paused = session.snapshot().phase is Phase.PAUSED
        delay = LONGEST_WAIT if paused else self._pacer.delay(session.now + STEP)
        if paused or delay > 0:
            self._wake.wait(min(delay, LONGEST_WAIT))
        if not paused and delay <= LONGEST_WAIT and not self._wake.is_set():
            session.advance()

    def _give_up(self, error: BaseException) -> None:
        """Tell the clients, and end the drill if it has begun."""
        self._session.error = self._session.error or str(error) or type(error).__name__
        if self._session.snapshot().phase not in (Phase.NEW, Phase.ENDED):
            try:
                self._session.end("broken")
            except DrillboxError as again:  # the journal cannot be written; the stack is down all the same
                self._session.error += f"; {again}"
