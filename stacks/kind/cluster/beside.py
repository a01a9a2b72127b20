"""Work beside other work: a thread whose progress is shown with that of the thread that goes on, and whose failure ends both.

    with Beside(build, progress, cancel) as image:
        make_cluster(image.progress)
        image.result()

Only the thread that made it reports, so that one line follows another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, TypeVar

from ....sandbox.model.stack import Progress

T = TypeVar("T")
END = 10.0
"""Wall seconds that work has to end once it was cancelled."""
_LOOK = 0.1


def heedless(progress: Progress) -> Progress:
    """A progress for whoever clears up: hosts raise in it from when a drill is not wanted any more, which is known by then."""

    def tell(step: str, done: float) -> None:
        with suppress(KeyboardInterrupt, Exception):
            progress(step, done)

    return tell


class Beside(Generic[T]):
    """The work of the thread.

    While both go on a step is called by both names, and is done as far as the work beside is: `kind: starting control-plane |
    application image`.

    Args:
        work: what is done beside; it reports its progress to what it is given.
        progress: hears of both.
        cancel: makes the work end soon.
    """

    def __init__(self, work: Callable[[Progress], T], progress: Progress, cancel: Callable[[], None]) -> None:
        self._work, self._progress, self._cancel = work, progress, cancel
        self._told: tuple[str, float] = ("", 0.0)
        self._found: list[T] = []
        self._failure: BaseException | None = None
        self._failed = False  # whether that was raised
        self._thread = threading.Thread(target=self._run, name="beside", daemon=True)

    def __enter__(self) -> Beside[T]:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """See `close`."""
        self.close()

    def close(self) -> None:
        """Whoever leaves before its end does not want the result any more."""
        if self._thread.is_alive():
            self._cancel()
            self._thread.join(END)

    def progress(self, step: str, done: float) -> None:
        """Tell of a step of the other work.

        Raises:
            BaseException: the work beside has failed; with what it failed. Only once: what is removed then is told, too.
        """
        if not self._failed:
            self._failed = self._failure is not None
            self._check()
        beside, how_far = self._told
        if beside and how_far < 1.0 and self._thread.is_alive():
            self._progress(f"{step} | {beside}", how_far)
        else:
            self._progress(step, done)

    def result(self) -> T:
        """Wait for it.

        Raises:
            BaseException: it failed; with what it failed.
        """
        while self._thread.is_alive():
            self._thread.join(_LOOK)
            if self._told[0]:
                self._progress(*self._told)
        self._check()
        return self._found[0]

    # ------------------------------------------------------------------------------------------------------------- own work

    def _run(self) -> None:
        try:
            self._found.append(self._work(self._hear))
        except BaseException as error:  # noqa: BLE001  # it is raised where somebody waits for the result
            self._failure = error

    def _hear(self, step: str, done: float) -> None:
        self._told = (step, done)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
