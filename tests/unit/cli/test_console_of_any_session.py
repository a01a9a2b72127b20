"""The console cannot tell where a session runs: here it follows one in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drillbox.sandbox.cli.console import Console
from drillbox.sandbox.cli.play import printer
from drillbox.sandbox.cli.terminal import ConsoleProgress
from drillbox.sandbox.cli.typed import TypedLines
from drillbox.sandbox.loading import find_scenario, load_scenario
from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.events import Event
from drillbox.sandbox.session import DrillSession, Phase, Snapshot
from drillbox.wiring import Wiring


class Steps:
    """Frames of a session that goes on by a step whenever somebody looks, and is not paused."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session
        self._after = -1
        self.closed = False

    def next(self, wait: float) -> tuple[Snapshot, list[Event]] | None:
        """What has happened since the last look."""
        assert wait >= 0
        if self._session.over:
            self.closed = True
            return None
        if not self._session.paused:
            self._session.advance()
        events = list(self._session.events(self._after))
        self._after = events[-1].number if events else self._after
        return self._session.snapshot(), events


@pytest.fixture
def session(drillbox_home: Path) -> DrillSession:
    """A short drill at t = 0."""
    assert drillbox_home.is_dir()
    wiring = Wiring()
    made = wiring.session(load_scenario(find_scenario("monday-rush", wiring.library()), "short"), 1, "sim")
    made.start(lambda _step, _done: None)
    return made


@pytest.fixture
def follow(session: DrillSession) -> Iterator[Callable[..., bool]]:
    """`follow("pause", "resume")` types these lines, and no more can be typed then."""
    ends: list[int] = []

    def call(*lines: str, **options: object) -> bool:
        own, other = os.pipe()
        ends.append(own)
        os.write(other, "".join(f"{line}\n" for line in lines).encode())
        os.close(other)
        progress = ConsoleProgress(quiet=True)
        return Console(session, Steps(session), printer(print), TypedLines(own), progress, **options).follow()  # type: ignore[arg-type]  # options vary

    yield call
    for one in ends:
        os.close(one)


def test_it_obeys_and_prints_to_the_end(
    session: DrillSession, follow: Callable[..., bool], capsys: pytest.CaptureFixture[str]
) -> None:
    assert follow("declare", "scael", "speed 5000x", "status", "pause")
    out = capsys.readouterr().out
    for text in (
        "You are on call",
        "you: declare",
        "  ? unknown command 'scael'; did you mean 'scale'?",
        "  ? '5000x' is out of bounds: 1x to 600x",
        "  paused\n  nothing more can be typed; the drill goes on\n  resumed\n",
        "the drill is over: finished",
    ):
        assert text in out
    assert session.over


def test_to_leave_is_not_to_end(session: DrillSession, follow: Callable[..., bool], capsys: pytest.CaptureFixture[str]) -> None:
    assert not follow("pause", "detach")
    assert session.paused
    assert not follow("resume", "detach")
    assert not session.over
    assert follow("quit")
    assert "the drill is over: aborted" not in capsys.readouterr().out  # Steps gives no frame after the end
    assert session.over


def test_with_others_there_a_pause_stays(session: DrillSession, follow: Callable[..., bool]) -> None:
    looks = iter([False] * 5 + [True])
    assert not follow("pause", alone=False, gone=lambda: next(looks))
    assert session.snapshot().phase is Phase.PAUSED


def test_what_broke_the_stack_is_raised(session: DrillSession, follow: Callable[..., bool]) -> None:
    session.fail("the stack is in pieces")
    with pytest.raises(StackError, match="the stack is in pieces"):
        follow()
