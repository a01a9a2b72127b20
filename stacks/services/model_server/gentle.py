"""A start that leaves the processors to those that serve.

A new replica imports hundreds of modules: seconds of a processor's time. Where replicas share a machine, several that start at
once take them away from those that are to get through a rush. A scenario says how long a start takes, and that is more than it
needs: so the thread that imports rests between two modules.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from ..common.times import age

SHARE = 0.2
"""Of a processor that the thread takes."""
LEAST = 0.05
"""Seconds of the shortest rest: to go to sleep and to wake up takes time, too."""
HURRY = 1.5
"""Of the time to load, after which it rests no more: to be a little late costs less than to take the processors in a rush."""


@contextmanager
def gently(load_time: float) -> Iterator[None]:
    """Let the calling thread rest between imports.

    Args:
        load_time: seconds from the process's start to ready, as the scenario says; with 0 it does not rest.
    """
    finder = _Resting(time.monotonic() + HURRY * load_time - age())
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Resting(MetaPathFinder):
    """Finds nothing, but is asked for each module first.

    Args:
        until: of the monotonic clock, in seconds; it imports nothing itself to know it.
    """

    def __init__(self, until: float) -> None:
        self._until = until
        self._thread = threading.get_ident()
        self._used = time.thread_time()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /) -> ModuleSpec | None:
        """Rest for what the thread has used since the last time."""
        del fullname, path, target
        if threading.get_ident() == self._thread:
            owed = (time.thread_time() - self._used) * (1.0 / SHARE - 1.0)
            if owed < LEAST:
                return None
            if (rest := min(owed, self._until - time.monotonic())) > 0.0:
                time.sleep(rest)
            self._used = time.thread_time()
        return None
