"""What a server's process takes beside the answers themselves: memory that it keeps, and CPU that counts against a quota.

Answers hold their slots as if an accelerator did the work (`slots`), so a process has little memory and uses little CPU. For the
kernel to kill it at a memory limit or to throttle it, it has to take both for real: memory that is written to, and a part of each
answer's time as computing. What it does anyway counts: only the rest is added.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MIB = 2**20
_BLOCK = 4 * MIB
_STATM = Path("/proc/self/statm")
_FIRST = 0.0025
"""Seconds of CPU that an answer takes anyway, until that was measured."""
_ANSWERS = 20
"""Between two measurements; more weigh as the ones before."""
_WEIGHT = 0.3


def private_memory() -> float:
    """MiB that are this process's own, and that the kernel cannot take back. Source: proc_pid_statm(5); 0 where there is none."""
    with suppress(OSError):
        _size, resident, shared, *_ = map(int, _STATM.read_text(encoding="ascii").split())
        return (resident - shared) * os.sysconf("SC_PAGE_SIZE") / MIB
    return 0.0


class Memory:
    """Memory that is kept until the process ends.

    Args:
        private: MiB that the process has.
    """

    def __init__(self, private: Callable[[], float] = private_memory) -> None:
        self._private = private
        self._kept: list[mmap.mmap] = []
        self._owed = 0.0

    def fill(self, mebibytes: float) -> None:
        """Let the process have so much of its own, at least, as one with a larger model has."""
        self.leave(mebibytes - self._private())

    def leave(self, mebibytes: float) -> None:
        """Keep so much more; what is less than a page waits for the next time. Every page is written to, else there is none."""
        self._owed += max(0.0, mebibytes) * MIB
        while self._owed >= 4096.0:
            size = min(_BLOCK, int(self._owed))
            block = mmap.mmap(
                -1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            )  # the heap would give what others have given back to it
            block.write(b"\x5a" * size)
            self._kept.append(block)
            self._owed -= size


class Effort:
    """How much CPU an answer has still to use, so that all that it costs is its share.

    Args:
        used: seconds of CPU that the process has used.
    """

    def __init__(self, used: Callable[[], float] = time.process_time) -> None:
        self._used = used
        self._seen = used()
        self._added = 0.0
        self._answers = 0
        self.anyway = _FIRST
        """Seconds of CPU that an answer takes anyway: HTTP, scoring, refusals in between."""

    def owed(self, seconds: float) -> float:
        """Seconds of CPU that an answer is to use beyond what it takes anyway, of `seconds` in all."""
        self._answers += 1
        if self._answers >= _ANSWERS:
            self._measure()
        return max(0.0, seconds - self.anyway)

    def spent(self, seconds: float) -> None:
        """So much of what was owed has been used."""
        self._added += seconds

    def forget(self) -> None:
        """Nothing counts that was used until now: nobody asked for a share of it."""
        self._seen, self._added, self._answers = self._used(), 0.0, 0

    def _measure(self) -> None:
        anyway = max(0.0, self._used() - self._seen - self._added) / self._answers
        self.anyway += _WEIGHT * (anyway - self.anyway)
        self.forget()
