"""Lines of prediction logs that model servers post, until the control plane takes them."""

from __future__ import annotations

import threading
from collections import deque

MOST = 32 * 1024 * 1024
"""Bytes that may wait; more are refused, and wait with those who sent them."""


class FullError(Exception):
    """Too much waits."""


class Inbox:
    """Takes lines from several threads, in order.

    Args:
        most: bytes that may wait.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._batches: deque[bytes] = deque()
        self._size = 0
        self.taken = 0
        """Bytes that have come so far."""

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def put(self, batch: bytes) -> None:
        """Take whole lines, all or none.

        Raises:
            FullError: too much waits.
        """
        with self._lock:
            if self._size + len(batch) > self._most:
                raise FullError
            self._batches.append(batch)
            self._size += len(batch)
            self.taken += len(batch)

    def read(self) -> list[bytes]:
        """The lines that have come since the last call, without their ends."""
        with self._lock:
            batches, self._batches, self._size = self._batches, deque(), 0
        return [line for batch in batches for line in batch.split(b"\n") if line]
