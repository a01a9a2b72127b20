"""The terminal UI as a person has it: a real terminal, a real host, the real simulation."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tmux_kit import Tmux

from drillbox.sandbox.api.client import RemoteSession
from drillbox.sandbox.api.folders import sessions
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.errors import DrillboxError
from drillbox.sandbox.model.events import Accepted, Ended

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux on the PATH")

SHORT = ("play", "monday-rush", "--profile", "short")


@pytest.fixture
def tmux(drillbox_home: Path) -> Iterator[Callable[..., Tmux]]:
    """`tmux("play", "monday-rush")` runs in a terminal; neither it nor a host outlives the test."""
    opened: list[Tmux] = []
    with tempfile.TemporaryDirectory(prefix="drillbox-") as place:  # sockets have short paths

        def call(*args: str, **options: object) -> Tmux:
            folder = Path(place) / str(len(opened))
            folder.mkdir()
            opened.append(Tmux(folder, drillbox_home, *args, **options))  # type: ignore[arg-type]  # options vary
            return opened[-1]

        yield call
        for one in opened:
            one.kill()
    for info in sessions():
        with suppress(DrillboxError), closing(RemoteSession(info)) as session:  # its drill may be over
            session.abort("interrupted")


@pytest.mark.slow
def test_from_play_to_a_debrief_by_keys_only(tmux: Callable[..., Tmux], drillbox_home: Path) -> None:
    terminal = tmux(*SHORT, "--speed", "5x")  # time enough to declare, also on a slow machine
    terminal.until("Monday noon", "RUNNING", "Objectives")
    terminal.press("d")
    terminal.until("you: declare")
    terminal.press("?")
    terminal.until("what the keys do")
    terminal.press("Escape")
    terminal.until("Objectives")
    for _ in range(12):
        terminal.press("+")
    terminal.until("The drill is over")
    terminal.press("Enter")
    terminal.until("FAILED", "impact", "objectives", "what it cost")
    terminal.press("3")
    terminal.until("declare")
    terminal.press("4")
    terminal.until("What it was", "traffic.spike")
    terminal.press("e")
    terminal.until("Written")
    terminal.press("r")
    terminal.until("Replay", "what had happened")
    terminal.press("End")
    terminal.until("the drill is over: finished")
    terminal.press("q")
    terminal.until("What it was")
    terminal.press("C-q")
    assert terminal.end() == 1
    journal = drillbox_home / "drills" / "monday-rush-you-1.jsonl"
    bodies = [event.body for event in read_journal(journal).events]
    assert [body.action for body in bodies if isinstance(body, Accepted)] == ["declare"]
    assert bodies[-1] == Ended("finished")
    assert "<html" in journal.with_suffix(".html").read_text(encoding="utf-8")


def test_a_dead_terminal_loses_nothing(tmux: Callable[..., Tmux], drillbox_home: Path) -> None:
    lost = tmux(*SHORT, "--speed", "1x")
    lost.until("Monday noon", "RUNNING")
    assert lost.running()
    lost.kill()
    lost.wait_gone()
    assert [info.name for info in sessions()] == ["monday-rush-you-1"]
    back = tmux(size=(80, 24))
    back.until("running", "Monday noon", "at 1x")
    back.press("Enter")
    back.until("RUNNING", "Monday noon")
    back.press("C-q")
    back.until("Keep")
    back.press("C-q")
    assert back.end() == 0
    told = "".join(back.screen().split())  # it wraps anywhere
    assert "comebackwith:drillboxattachmonday-rush-you-1" in told
    assert [info.name for info in sessions()] == ["monday-rush-you-1"]
    again = tmux("attach")
    again.until("RUNNING", "Objectives", "Gauges")
    again.resize(59, 19)
    assert "Objectives" not in again.until("The cockpit needs 60 by 20 cells.")
    again.resize(80, 24)
    again.until("RUNNING", "Objectives", "Overview")
    again.press("s")
    again.until("model-server: scale")
    again.press("C-q")
    again.until("Leave the cockpit?")
    again.press("k")
    again.until("Library")
    again.press("C-q")
    assert again.end() == 0
    assert (drillbox_home / "drills" / "monday-rush-you-1.jsonl").exists()


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_a_terminal_of_any_size_and_kind_will_do(tmux: Callable[..., Tmux], size: tuple[int, int]) -> None:
    terminal = tmux(size=size, environment={"NO_COLOR": "1"})
    terminal.until("Library", "Monday noon", "PAGE flight-delays")
    terminal.press("q")
    assert terminal.end() == 0


def test_the_size_of_the_terminal_counts_not_that_of_a_parent(tmux: Callable[..., Tmux]) -> None:
    terminal = tmux(size=(120, 36), environment={"COLUMNS": "50", "LINES": "15"})
    terminal.until("Library", "Monday noon", "PAGE flight-delays")
    terminal.press("q")
    assert terminal.end() == 0


def test_a_terminal_that_is_too_small_is_told_how_large_it_must_be(tmux: Callable[..., Tmux]) -> None:
    terminal = tmux(size=(59, 19))
    terminal.until("This terminal is too small.", "60 columns by 20 rows")
    terminal.press("q")
    assert terminal.end() == 0


def test_a_window_that_shrinks_and_grows_is_drawn_anew(tmux: Callable[..., Tmux]) -> None:
    terminal = tmux(size=(100, 30))
    terminal.until("Library", "Monday noon")
    terminal.resize(50, 30)
    assert "Monday noon" not in terminal.until("This terminal is too small.")
    terminal.resize(80, 24)
    assert "too small" not in terminal.until("Library", "Monday noon")
    terminal.press("q")
    assert terminal.end() == 0


def test_settings_that_are_wrong_are_told_and_nothing_is_opened(tmux: Callable[..., Tmux], drillbox_home: Path) -> None:
    (drillbox_home / "settings.toml").write_text('theme = "drak"\n')
    terminal = tmux()
    assert terminal.end() == 2
    assert "theme:unknowntheme'drak';didyoumean'dark'?" in "".join(terminal.screen().split())  # it wraps anywhere


def test_a_terminal_that_can_show_only_lines_gets_lines(tmux: Callable[..., Tmux]) -> None:
    terminal = tmux(*SHORT, "--speed", "600x", environment={"TERM": "dumb"})
    terminal.until("the drill is over: finished", "FAILED")
    assert terminal.end() == 1
    bare = tmux(environment={"TERM": "dumb"})
    bare.until("Commands:", "completion")
    bare.end()
