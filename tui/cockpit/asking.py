"""Calls of the session: they may take long, so they are made in threads, and what they answer comes back as a message."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from textual import on
from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from ...sandbox.model.errors import DrillboxError

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger("drillbox.tui")

_PATIENCE = 30.0
"""Wall seconds that a call waits for the one before it."""


class Asking(Screen[R]):
    """A screen that can ask without waiting."""

    _last_turn: threading.Event | None = None

    class Answered(Message):
        """A call has come back; `then` shows what it brought."""

        def __init__(self, then: Callable[[], object]) -> None:
            self.then = then
            super().__init__()

    def ask(
        self,
        call: Callable[[], T],
        then: Callable[[T], object] = lambda _: None,
        refused: Callable[[str], object] | None = None,
        *,
        in_order: bool = False,
    ) -> None:
        """Make a call in a thread.

        Args:
            call: of the session.
            then: gets its answer, on the thread of the user interface.
            refused: gets the message if there is none; by default it is shown.
            in_order: whether it must reach the session after those that were asked for in order before.
        """
        turn = self._last_turn
        mine = threading.Event()
        if in_order:
            self._last_turn = mine

        def work() -> None:
            try:
                if in_order and turn is not None:
                    turn.wait(_PATIENCE)
                answer = call()
            except DrillboxError as error:
                message = str(error)
                self.post_message(self.Answered(lambda: (refused or self.complain)(message)))
            else:
                self.post_message(self.Answered(lambda: then(answer)))
            finally:
                mine.set()

        self.run_worker(work, thread=True, exit_on_error=False, group="asking")

    def complain(self, message: str) -> None:
        """Show what was refused."""
        self.notify(message, title="✗ not done", severity="error", timeout=10)

    @on(Answered)
    def _answered(self, answered: Answered) -> None:
        answered.then()

    @on(Worker.StateChanged)
    def _worker_changed(self, changed: Worker.StateChanged) -> None:
        """A mistake of ours in a thread is shown and logged; it ends nothing."""
        if changed.state is WorkerState.ERROR:
            error = changed.worker.error
            log.error("a call of the cockpit failed", exc_info=error)
            self.complain(f"{type(error).__name__}: {error}")
