"""A start that leaves the processors to those that serve.

A new replica imports hundreds of modules: seconds of a processor's time. Where replicas share a machine, several that start at
once take them away from those that are to get through a rush. A scenario says how long a start takes, and that is more than it
needs: so the thread that imports rests between two modules, and goes on to rest where others leave it no processor.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from ..common.times import age

SHARE = 0.2
"""Of a processor that the thread takes."""
LEAST = 0.05
"""Seconds of the shortest rest: to go to sleep and to wake up takes time, too."""
HURRY, LATEST = 0.6, 1.5
"""Of the time to load, after which it rests no more: where others leave it a processor, to be done in time; and anyway."""
SPARE = 0.5
"""Processors that others leave: with less it takes them from somebody."""
_WINDOW = 0.4
_STAT = Path("/proc/stat")


@contextmanager
def gently(load_time: float) -> Iterator[None]:
    """Let the calling thread rest between imports.

    Args:
        load_time: seconds from the process's start to ready, as the scenario says; with 0 it does not rest.
    """
    finder = _Resting(load_time)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Resting(MetaPathFinder):
    """Finds nothing, but is asked for each module first.

    Args:
        load_time: as of `gently`.
    """

    def __init__(self, load_time: float) -> None:
        started = time.monotonic() - age()  # it imports nothing itself to know the time
        self._hurry, self._latest = started + HURRY * load_time, started + LATEST * load_time
        self._processors = _Processors()
        self._thread = threading.get_ident()
        self._used = time.thread_time()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /) -> ModuleSpec | None:
        """Rest for what the thread has used since the last time."""
        del fullname, path, target
        if threading.get_ident() == self._thread:
            owed = (time.thread_time() - self._used) * (1.0 / SHARE - 1.0)
            if owed >= LEAST:
                if (rest := min(owed, self._left())) > 0.0:
                    time.sleep(rest)
                self._used = time.thread_time()
        return None

    def _left(self) -> float:
        """Seconds that it may rest."""
        now, spare = time.monotonic(), self._processors.spare()
        return (self._hurry if spare >= SPARE else self._latest) - now


class _Processors:
    """The machine's, as others leave them: those of a container's are not told apart."""

    def __init__(self) -> None:
        self._at, self._idle, self._own = time.monotonic(), _idle(), time.process_time()
        self._spare = float("inf")

    def spare(self) -> float:
        """Processors that were idle or this process's in the last second or so; infinite where the system does not tell."""
        now = time.monotonic()
        if now - self._at >= _WINDOW and self._idle < float("inf"):
            idle, own = _idle(), time.process_time()
            self._spare = (idle - self._idle + own - self._own) / (now - self._at)
            self._at, self._idle, self._own = now, idle, own
        return self._spare


def _idle() -> float:
    """Seconds that processors were idle, all together (proc(5), `/proc/stat`); infinite where the system does not tell."""
    try:
        _, _user, _nice, _system, idle, waiting, *_ = _STAT.read_text(encoding="ascii").split(maxsplit=6)
        return (int(idle) + int(waiting)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return float("inf")
