"""The feed: fetches what is new in a session, a few times a second, and hands on a picture of it. Runs in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..sandbox.model.errors import DrillboxError
from ..sandbox.session import Phase, Session, Snapshot
from .cockpit.picture import Picture, fold

FASTEST = 0.1
"""Wall seconds between two looks at most often."""
STEADY = 0.25
"""While a second of the drill takes about one of the wall."""
PAUSED = 0.5
"""While nothing goes on but what others do."""
_SLOW = 4.0
"""Drill seconds per wall second up to which a steady look misses nothing for long."""
_PATIENCE = 3
"""Looks in a row that may fail before the session counts as gone."""


class Feed:
    """Looks at a session again and again until it has ended, is gone, or nobody wants to know any more.

    Args:
        session: it is only ever called in the thread of `run`.
        deliver: gets every picture that differs from the one before, in the thread of `run`.
        lost: gets the message when the session cannot be reached any more.
    """

    def __init__(self, session: Session, deliver: Callable[[Picture], object], lost: Callable[[str], object]) -> None:
        self._session = session
        self._deliver = deliver
        self._lost = lost
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._failures = 0
        self.picture = Picture()
        """The latest."""

    def poke(self) -> None:
        """Look again at once: something was asked for."""
        self._wake.set()

    def stop(self) -> None:
        """End `run` soon."""
        self._stopped.set()
        self._wake.set()

    def run(self, over: Callable[[], bool] = lambda: False) -> None:
        """Look, hand on, wait; until `stop`, or until it is `over` otherwise."""
        while not self._stopped.is_set() and not over():
            try:
                if not self.look():
                    return
            except Exception:
                if self._stopped.is_set():  # whoever stopped it may have closed the session already
                    return
                raise
            self._wake.wait(pause_after(self.picture.snapshot))
            self._wake.clear()

    def look(self) -> bool:
        """Take what is new in; whether there is anything more to come."""
        try:
            snapshot = self._session.snapshot()
            fresh = self._session.events(self.picture.last) if self._may_be_new(snapshot) else ()
        except DrillboxError as error:
            self._failures += 1
            if self._failures < _PATIENCE:
                return True
            self._lost(str(error))
            return False
        self._failures = 0
        if fresh or snapshot != self.picture.snapshot:
            self.picture = fold(self.picture, snapshot, fresh)
            self._deliver(self.picture)
        return not self.picture.ended and not (snapshot.phase is Phase.ENDED and snapshot.error)

    def _may_be_new(self, snapshot: Snapshot) -> bool:
        """Whether there are events that were not there at the last look; also those that this role may not see count."""
        before = self.picture.snapshot
        return before is None or snapshot.events != before.events or snapshot.phase is Phase.ENDED


def pause_after(snapshot: Snapshot | None) -> float:
    """Wall seconds to wait after a snapshot."""
    if snapshot is None or snapshot.phase is Phase.NEW:
        return STEADY
    if snapshot.phase is Phase.PAUSED:
        return PAUSED
    return STEADY if 0.0 < snapshot.speed <= _SLOW else FASTEST
