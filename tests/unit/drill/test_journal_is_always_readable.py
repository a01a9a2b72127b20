"""A kill at any byte of the journal leaves a readable one that has lost at most the last event."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.drill import header_of
from drillbox.sandbox.journal import JournalWriter, encode, parse_journal, read_journal
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.events import Event, Role
from drillbox.sandbox.operators import Scripted
from drillbox.wiring import Wiring


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """A real drill: every kind of event but a failed command."""
    scenario = load_scenario(Library.packaged().find("monday-rush"), "short")
    session = Wiring().session(scenario, 1, "sim")
    session.start(lambda _step, _done: None)
    session.submit("scale", {"replicas": "many"})
    session.run(Scripted(scenario.reference))
    return list(session.events(role=Role.FACILITATOR))


@pytest.fixture(scope="module")
def journal(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("journal") / "one.jsonl"
    scenario = load_scenario(Library.packaged().find("monday-rush"), "short")
    writer = JournalWriter(path, header_of(scenario, "text", 1, "sim", "reference", "data"))
    for event in events:
        writer.append(event)
    writer.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["one.jsonl"]
    return path.read_bytes()


def test_what_is_read_is_what_was_written(events: list[Event], journal: bytes) -> None:
    read = parse_journal(journal, "one")
    assert [encode(event) for event in read.events] == [encode(event) for event in events]
    assert read.complete
    assert not read.truncated
    kinds = {type(event.body).__name__ for event in events}
    assert {
        "Began",
        "Injected",
        "Accepted",
        "Rejected",
        "Completed",
        "Changed",
        "Logged",
        "Alerted",
        "Observed",
        "Ended",
    } <= kinds


@given(data=st.data())
def test_a_cut_at_any_byte_loses_at_most_the_last_event(journal: bytes, events: list[Event], data: st.DataObject) -> None:
    start = journal.index(b"\n") + 1
    cut = data.draw(st.integers(start, len(journal)))
    read = parse_journal(journal[:cut], "one")
    whole = journal[start:cut].count(b"\n")
    assert len(read.events) == whole
    assert read.truncated == (journal[cut - 1 : cut] != b"\n")
    assert [encode(event) for event in read.events] == [encode(event) for event in events[:whole]]


def test_every_cut_near_a_line_end(journal: bytes) -> None:
    place = journal.index(b"\n") + 1
    for _ in range(40):
        place = journal.index(b"\n", place) + 1
        for cut in (place - 2, place - 1, place, place + 1):
            parse_journal(journal[:cut], "one")


def test_damage_in_the_middle_is_named(journal: bytes) -> None:
    lines = journal.split(b"\n")
    lines[7] = lines[7][:-5]
    with pytest.raises(UsageError, match="one:8: the journal is damaged here"):
        parse_journal(b"\n".join(lines), "one")
    del lines[7]
    with pytest.raises(UsageError, match="one:8: the journal is damaged here: event 7 where 6 should be"):
        parse_journal(b"\n".join(lines), "one")


def test_a_journal_never_takes_the_place_of_another(tmp_path: Path) -> None:
    scenario = load_scenario(Library.packaged().find("monday-rush"), "short")
    header = header_of(scenario, "text", 1, "sim", "idle", "data")
    path = tmp_path / "one.jsonl"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="there is a file already"):
        JournalWriter(path, header)
    assert path.read_text(encoding="utf-8") == "mine"
    with pytest.raises(UsageError, match="cannot write"):
        JournalWriter(path / "below" / "two.jsonl", header)
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.jsonl"]


@pytest.mark.parametrize("content", [b"", b"x", b"{}\n", b'{"header":1}\n', b"\xff\xfe\n", b'{"header":{"schema":99}}\n'])
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="no.jsonl"):
        read_journal(path)
