"""How long the process lives with its settings: some end it a while after it is ready."""

from __future__ import annotations

import asyncio
import os

from ..common.logs import Log
from .settings import Live

EXIT = 1
"""Exit code of a process that its settings have ended."""


class Lifetime:
    """Ends the process when its settings say so, as an error would that nothing catches: what it has in service breaks.

    Args:
        loop: whose time counts.
        log: of the server.
        live: the settings with which it has become ready, just now.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, log: Log, live: Live) -> None:
        self._loop, self._log, self._live = loop, log, live
        self._since = loop.time()
        self._end: asyncio.TimerHandle | None = None
        self._arm()

    def change(self, live: Live) -> None:
        """Other settings are in force; their time begins now."""
        if (live.exit_after, live.revision) != (self._live.exit_after, self._live.revision):
            self._since = self._loop.time()
        self._live = live
        self._arm()

    def _arm(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
        if self._live.exit_after > 0.0:
            self._end = self._loop.call_at(self._since + self._live.exit_after, self._exit)

    def _exit(self) -> None:
        self._log("error", f"settings {self._live.revision}: thread pool is exhausted")
        os._exit(EXIT)
