"""Lines as a person types them, from a pipe."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator

import pytest

from drillbox.sandbox.cli.typed import TypedLines


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends; the test closes the one to write to."""
    ends = os.pipe()
    yield ends
    os.close(ends[0])


def test_lines_come_whole_and_in_order(pipe: tuple[int, int]) -> None:
    lines = TypedLines(pipe[0])
    assert lines.next(0.0) is None
    os.write(pipe[1], b"pause\nsca")
    assert lines.next(0.0) == "pause"
    assert lines.next(0.0) is None
    os.write(pipe[1], b"le 6\n\nquit\n")
    assert [lines.next(0.0) for _ in range(4)] == ["scale 6", "", "quit", None]
    assert not lines.closed
    os.close(pipe[1])


def test_what_is_no_text_is_no_crash(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"sc\xffale\n")
    os.close(pipe[1])
    assert TypedLines(pipe[0]).next(0.0) == "sc\ufffdale"


def test_the_last_line_needs_no_end_and_then_it_is_closed(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"resume\nqu")
    os.close(pipe[1])
    lines = TypedLines(pipe[0])
    assert lines.next(0.0) == "resume"
    assert not lines.closed
    assert lines.next(0.0) == "qu"
    assert lines.closed
    assert lines.next(0.0) is None


def test_a_terminal_that_is_gone_is_no_end_of_input() -> None:
    own, other = pty.openpty()
    lines = TypedLines(other)
    os.write(own, b"pause\n")
    assert lines.next(1.0) == "pause"
    os.close(own)
    assert lines.next(1.0) is None
    assert (lines.closed, lines.lost) == (True, True)
    os.close(other)
