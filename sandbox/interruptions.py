"""Interruptions (Ctrl-C, SIGTERM, SIGHUP) that must not fall between two facts of one step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Interruptions:
    """While `watched`, a signal that comes while they are `held` takes effect when that ends; any other one at once."""

    def __init__(self) -> None:
        self._depth = 0
        self._kept: Callable[[], object] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep a signal until the end of the block. Blocks may be nested."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth and self._kept is not None:
                kept, self._kept = self._kept, None
                kept()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Stand in for the handlers of the signals. Only the main thread is ever interrupted; elsewhere this does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {}
        for name in _NAMES:
            number = getattr(signal, name, None)
            handler = signal.getsignal(number) if number is not None else None
            if callable(handler) and number is not None:
                before[number] = handler
                signal.signal(number, self._instead_of(handler))
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _instead_of(self, handler: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], None]:
        def handle(number: int, frame: FrameType | None) -> None:
            if self._depth:
                self._kept = lambda: handler(number, None)
            else:
                handler(number, frame)

        return handle
