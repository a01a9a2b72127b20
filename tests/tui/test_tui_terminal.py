"""A terminal that goes takes nobody along: what draws on it ends, and does not wait for it."""

from __future__ import annotations

import errno
import io

import pytest
from textual.driver import Driver
from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread
from textual.drivers.headless_driver import HeadlessDriver

from drillbox.tui.shell.terminal import Lasting, lasting


class Gone(io.StringIO):
    """A terminal whose other side was closed."""

    def write(self, text: str) -> int:  # noqa: ARG002  # as a file has it
        raise OSError(errno.EIO, "Input/output error")

    def flush(self) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def fileno(self) -> int:
        return 7


@pytest.mark.parametrize("terminal", [Gone(), io.StringIO()])
def test_whoever_draws_on_a_terminal_that_is_gone_does_not_wait(terminal: io.StringIO) -> None:
    writer = WriterThread(Lasting(terminal))  # type: ignore[arg-type]  # as good as a file
    writer.start()
    for number in range(3 * MAX_QUEUED_WRITES):
        writer.write(f"{number} ")
    writer.stop()
    assert not writer.is_alive()


def test_what_is_there_is_written_and_all_else_is_the_terminals() -> None:
    terminal = io.StringIO()
    one = Lasting(terminal)
    assert one.write("drawn") == 5
    one.flush()
    assert terminal.getvalue() == "drawn"
    assert Lasting(Gone()).fileno() == 7
    terminal.close()
    assert one.write("too late") == 8


def test_a_driver_draws_on_a_terminal_that_may_go() -> None:
    class Drawing(HeadlessDriver):
        def __init__(self, terminal: io.StringIO | None) -> None:
            self._file = terminal

    def drawn_on(terminal: io.StringIO | None) -> object:
        driver: type[Driver] = lasting(Drawing)
        return driver(terminal)._file  # type: ignore[arg-type, attr-defined]

    assert isinstance(drawn_on(io.StringIO()), Lasting)
    assert drawn_on(None) is None
