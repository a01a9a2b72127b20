"""The thread of a real stack: it looks after what runs several times a second, and scrapes. Drill time is the wall clock's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from ...sandbox.model.errors import DrillboxError, StackError
from ...sandbox.model.telemetry import SCRAPE_INTERVAL, Scrape
from ..services.common.times import DrillClock

PERIOD = 0.2
"""Seconds between two rounds."""
LATE = 60.0
"""Seconds by which a round may be late before the drill is given up: the machine stands still."""


class Rounds(Protocol):
    """What is done in a round."""

    def round(self, now: float) -> None:
        """Look after everything at drill time `now`.

        Raises:
            StackError: the drill cannot go on.
        """


class Scrapes(Protocol):
    """Takes scrapes."""

    def begin(self, at: float) -> Future[Scrape]:
        """Begin one that counts as of drill time `at`."""


@dataclass(slots=True)
class Node:
    """Rounds and scrapes from `start` to `stop`.

    Args:
        clock: of the drill.
        rounds: what is done in each.
        scrapes: takes one at every multiple of the interval.
        scraped: is given each scrape.
        begins: drill time of the first scrape, in seconds.
    """

    clock: DrillClock
    rounds: Rounds
    scrapes: Scrapes
    scraped: Callable[[Scrape], None]
    begins: float
    trouble: StackError | None = None
    _done: float = field(default=float("-inf"), init=False)  # all that was due up to then is done
    _stop: bool = field(default=False, init=False)
    _turn: threading.Condition = field(default_factory=threading.Condition, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="node", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; does nothing if it has ended."""
        with self._turn:
            self._stop = True
            self._turn.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def wait(self, until: float) -> None:
        """Wait until drill time `until` has come and everything that was due by then is done.

        Raises:
            StackError: the drill cannot go on.
        """
        with self._turn:
            while self._done < until and self.trouble is None and not self._stop:
                # Short waits: signals reach the thread that waits only in between.
                self._turn.wait(0.5)
                if self.clock.now() - max(until, self._done) > LATE:
                    raise StackError(f"the stack stands still: nothing was done in {LATE:g} s")
            if self.trouble is not None:
                raise self.trouble

    def _run(self) -> None:
        due, begun = self.begins, list[Future[Scrape]]()
        try:
            while not self._stop:
                now = self.clock.now()
                while due <= now:
                    begun.append(self.scrapes.begin(due))
                    due += SCRAPE_INTERVAL
                self.rounds.round(now)
                while begun and begun[0].done():
                    self.scraped(begun.pop(0).result())
                self._tell(now, pending=bool(begun))
                with self._turn:
                    if not self._stop:
                        self._turn.wait(max(0.01, min(PERIOD, due - self.clock.now())) if not begun else 0.02)
        except StackError as error:
            self._give_up(error)
        except DrillboxError as error:  # as of a disk that is full
            self._give_up(StackError(f"the stack broke: {error}"))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the drill must hear of it
            self._give_up(StackError(f"the stack broke: {type(error).__name__}: {error}"))

    def _tell(self, now: float, *, pending: bool) -> None:
        with self._turn:
            if not pending:
                self._done = now
            self._turn.notify_all()

    def _give_up(self, error: StackError) -> None:
        with self._turn:
            self.trouble = error
            self._turn.notify_all()
