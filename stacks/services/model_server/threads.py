"""Threads that do what would block the event loop: one that scores batches, and some that burn the CPU of slower models."""

from __future__ import annotations

import asyncio
import hashlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_BLOCK = bytes(32 * 1024)
"""Hashing it takes some 20 to 100 µs, during which other threads may run."""


class Threads(Generic[T]):
    """Daemon threads that take tasks in order; what they return goes to a callback on the event loop.

    Args:
        loop: on which callbacks run.
        name: of the threads.
        most: of them; they start when they are needed.
        begin: runs first in each thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, most: int, begin: Callable[[], None] | None = None) -> None:
        self._loop = loop
        self._name = name
        self._begin = begin
        self._tasks: queue.SimpleQueue[tuple[Callable[[], T], Callable[[T], None], Callable[[BaseException], None]]]
        self._tasks = queue.SimpleQueue()
        self._busy = 0
        self._threads = 0
        self.most = most

    def submit(self, task: Callable[[], T], done: Callable[[T], None], failed: Callable[[BaseException], None]) -> None:
        """Run `task` in a thread, then `done` with its result, or `failed`, on the loop. Call it from the loop only."""
        self._busy += 1
        if self._busy > self._threads and self._threads < self.most:
            self._threads += 1
            threading.Thread(target=self._run, name=f"{self._name}-{self._threads}", daemon=True).start()
        self._tasks.put((task, done, failed))

    def _run(self) -> None:
        if self._begin is not None:
            self._begin()
        while True:
            task, done, failed = self._tasks.get()
            try:
                result = task()
            except BaseException as error:  # noqa: BLE001 -- whatever went wrong belongs to who asked for it
                self._back(self._finish, failed, error)
            else:
                self._back(self._finish, done, result)

    def _back(self, call: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _finish(self, callback: Callable[[object], None], value: object) -> None:
        self._busy -= 1
        callback(value)


def one_thread_each() -> None:
    """Keep OpenMP and BLAS to one thread for what the calling thread computes: their limits are kept by thread."""
    import sklearn  # type: ignore[import-untyped]  # has no stubs
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no stubs

    threadpool_limits(limits=1)
    sklearn.set_config(assume_finite=True, skip_parameter_validation=True)  # requests are checked before they come here


def burn(seconds: float, stop: Callable[[], bool]) -> float:
    """Use so many seconds of this thread's CPU, however long that takes, unless `stop` says otherwise; how many it used."""
    begin = time.thread_time()
    while (used := time.thread_time() - begin) < seconds and not stop():
        hashlib.sha256(_BLOCK)
    return used
