"""The terminal that is drawn on, which may go at any moment: a window that is closed, a connection that breaks."""

from __future__ import annotations

from contextlib import suppress
from typing import IO, Any

from textual.driver import Driver


class Lasting:
    """A terminal to write to. What is written once it is gone is lost, and stops nobody.

    Textual writes from a thread, which ends at the first error; whoever draws then waits for room in its queue, for ever.

    Args:
        terminal: the one that may go.
    """

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        """Write text, if there is a terminal yet."""
        with suppress(OSError, ValueError):
            self._terminal.write(text)
        return len(text)

    def flush(self) -> None:
        """Show it, likewise."""
        with suppress(OSError, ValueError):
            self._terminal.flush()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the terminal's."""
        return getattr(self._terminal, name)


def lasting(driver: type[Driver]) -> type[Driver]:
    """A driver whose terminal may go; one that draws on none, as in tests, stays as it is."""

    class LastingDriver(driver):  # type: ignore[misc, valid-type]  # which one depends on the system
        """That driver."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            terminal: IO[str] | None = getattr(self, "_file", None)
            if terminal is not None:
                setattr(self, "_file", Lasting(terminal))  # noqa: B010  # no driver need have one

    return LastingDriver
