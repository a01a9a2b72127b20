"""Whatever stops a drill, at whatever event: the journal can be read, says why it ended, and replays as far as it goes."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drillbox.sandbox.cli.playing import Request, play_headless
from drillbox.sandbox.journal import Journal, JournalWriter, read_journal
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.events import Accepted, Alerted, Began, Ended, Event, Injected
from drillbox.wiring import Wiring

Write = Callable[[JournalWriter, Event], None]

RUNBOOK = """\
id: slow-hand
why: Somebody who waits.
steps:
  - at: 2m
    do: shed
    with: {share: 50%}
"""


def play(out: Path, operator: str = "reference") -> None:
    """A short drill."""
    play_headless(Wiring(), Request("monday-rush", operator, 1, "short", out=out))


def only(folder: Path) -> Journal:
    """The one journal there; nothing else was left."""
    [path] = folder.iterdir()
    return read_journal(path)


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`stop(kind, error, after)` raises an error at the first event of a kind, before or after it was written."""
    whole: Write = JournalWriter.append

    def call(kind: type, error: BaseException, *, after: bool) -> None:
        raised: list[Event] = []

        def append(self: JournalWriter, event: Event) -> None:
            first = isinstance(event.body, kind) and not raised
            if first:
                raised.append(event)
            if first and not after:
                raise error
            whole(self, event)
            if first:
                raise error

        monkeypatch.setattr(JournalWriter, "append", append)

    return call


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", [Began, Injected, Alerted, Accepted])
def test_an_interruption_between_the_events_of_a_step(
    stop: Callable[..., None], drillbox_home: Path, tmp_path: Path, kind: type, after: bool, command: Callable[..., Any]
) -> None:
    stop(kind, KeyboardInterrupt(), after=after)
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path)
    journal = only(tmp_path)
    assert journal.events[-1].body == Ended("interrupted")
    assert [event.number for event in journal.events] == list(range(len(journal.events)))
    assert any(isinstance(event.body, kind) for event in journal.events) is after
    [path] = tmp_path.iterdir()
    replayed = command("replay", str(path))
    assert (replayed.code, replayed.out.split(":")[0]) == (0, "identical")
    report = command("report", str(path))
    assert report.code == 0
    assert "the drill did not reach its end (interrupted)" in report.out


def test_a_disk_that_is_full_for_a_moment(stop: Callable[..., None], tmp_path: Path) -> None:
    stop(Accepted, UsageError(f"cannot write: {errno.ENOSPC}"), after=False)
    with pytest.raises(UsageError, match="cannot write"):
        play(tmp_path)
    journal = only(tmp_path)
    assert len(journal.events) > 10
    assert not any(isinstance(event.body, Accepted) for event in journal.events)


def test_a_runbook_file_plays_under_its_own_name(drillbox_home: Path, tmp_path: Path) -> None:
    """Not under its path: where the file lies changes no byte of the journal."""
    journals = []
    for folder in (tmp_path / "here", tmp_path / "there"):
        folder.mkdir()
        book = folder / "book.yaml"
        book.write_text(RUNBOOK, encoding="utf-8")
        play(folder / "out", str(book))
        [path] = (folder / "out").iterdir()
        assert path.name == "monday-rush-slow-hand-1.jsonl"
        journals.append(path.read_bytes())
    assert journals[0] == journals[1]
    assert b"book.yaml" not in journals[0]


def test_a_debrief_never_takes_the_place_of_another_file(drillbox_home: Path, tmp_path: Path) -> None:
    """The debrief of a played drill lies beside its journal, so both names must be free."""
    mine = tmp_path / "monday-rush-idle-1.md"
    mine.write_text("mine", encoding="utf-8")
    play(tmp_path, "idle")
    assert mine.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["monday-rush-idle-1-2.jsonl"]


def test_nobody_at_the_controls_is_refused_before_anything_is_written(drillbox_home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name an operator"):
        play(tmp_path, "")
    assert list(tmp_path.iterdir()) == []
