"""A journal is read again as it was written, whatever byte it breaks off at; damage is told with its place."""

from __future__ import annotations

import errno
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from core_kit import HEADER, Facts, Play, bodies, fires, resolves, spike, toy
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox import journal as journal_module
from drillbox.sandbox.journal import JournalWriter, decode, encode, parse_journal, read_journal
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.events import (
    BODIES,
    Accepted,
    Alerted,
    Audience,
    Began,
    Body,
    Changed,
    Cleared,
    Completed,
    Ended,
    Event,
    Failed,
    Hinted,
    Injected,
    Logged,
    Observed,
    Registered,
    Rejected,
    Settled,
)
from drillbox.sandbox.model.service import Change, Fallback
from drillbox.sandbox.model.telemetry import LogLine

# Half a surrogate pair, as Python makes it of bytes that are no UTF-8, is a character of its own in Python only.
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\r\u2028\x00\ud800"), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(0, 2**62)
VALUE = st.booleans() | st.integers() | NUMBER | TEXT
PARAMS = st.dictionaries(TEXT, VALUE, max_size=3)
AMOUNTS = st.dictionaries(TEXT, NUMBER | st.integers(), max_size=3)
COUNTS = st.dictionaries(TEXT, st.tuples(NUMBER, NUMBER), max_size=3)

STRATEGIES: dict[str, st.SearchStrategy[Body]] = {
    "Began": st.builds(Began, TEXT, TEXT, TEXT),
    "Injected": st.builds(Injected, TEXT, TEXT, PARAMS),
    "Cleared": st.builds(Cleared, TEXT),
    "Accepted": st.builds(Accepted, TEXT, WHOLE, TEXT, PARAMS),
    "Rejected": st.builds(Rejected, TEXT, WHOLE, TEXT, PARAMS, TEXT),
    "Completed": st.builds(Completed, TEXT, WHOLE, TEXT),
    "Failed": st.builds(Failed, TEXT, WHOLE, TEXT, TEXT),
    "Changed": st.builds(Changed, TEXT, VALUE, VALUE, TEXT, TEXT),
    "Registered": st.builds(Registered, TEXT, TEXT, TEXT, TEXT, WHOLE, TEXT, NUMBER, NUMBER, TEXT),
    "Logged": st.builds(Logged, NUMBER, TEXT, TEXT, TEXT),
    "Alerted": st.builds(Alerted, TEXT, st.dictionaries(TEXT, TEXT, max_size=3), TEXT, TEXT, NUMBER, TEXT, st.booleans()),
    "Hinted": st.builds(Hinted, TEXT, WHOLE, TEXT),
    "Observed": st.builds(Observed, AMOUNTS, COUNTS, AMOUNTS),
    "Settled": st.builds(Settled, AMOUNTS),
    "Ended": st.builds(Ended, TEXT),
}


TRAINED = Registered("v2", "flights-1", "2013-01-01T00:00:00", "2013-02-01T00:00:00", 20_000, "c0ffee", 0.8, 0.1, "by hand")


def drill() -> list[Event]:
    """The events of a small drill, of nearly every type."""
    play = Play(toy(spike(at=2.0, lasts=3.0)))
    play.ask("scale", {"replicas": 5})
    play.ask("scal", {"replicas": 5}, number=2)
    play.ask("acknowledge", number=3)
    play.second(Facts({"saturation": 0.5}, (fires(1.0),), (LogLine(0.5, "gateway", "warning", "voll bis übers Dach\n"),)))
    play.ask("fallback", {"mode": "always"}, number=4)
    play.ask("hint", number=5)
    play.second(Facts(changes=(Change("champion.replicas", 5, 6, "autoscaler", "busy"),), versions=(TRAINED,)))
    play.until(8.0)
    play.second(Facts({"saturation": 0.25}, (resolves(9.0),)))
    return [*play.events, *play.engine.end("finished")]


EVENTS = drill()


def write(path: Path, events: list[Event]) -> bytes:
    writer = JournalWriter(path, HEADER)
    for event in events:
        writer.append(event)
    writer.close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("journal") / "toy.jsonl", EVENTS)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where a journal goes; nothing but it may be left in its folder."""
    path = tmp_path / "drill.jsonl"
    yield path
    assert {found.name for found in tmp_path.iterdir()} <= {path.name}


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: the operating system takes a part of a line, then nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_every_type_of_event_has_a_strategy() -> None:
    assert STRATEGIES.keys() == BODIES.keys()


@pytest.mark.parametrize("name", BODIES)
@given(data=st.data())
def test_events_come_back_as_they_were(name: str, data: st.DataObject) -> None:
    event = Event(data.draw(WHOLE), data.draw(NUMBER), data.draw(st.sampled_from(Audience)), data.draw(STRATEGIES[name]))
    line = journal_module._line(encode(event))
    assert line.count(b"\n") == 1
    again = decode(json.loads(line))
    assert again == event
    assert journal_module._line(encode(again)) == line


def test_a_member_of_an_enum_comes_back_as_its_equal_text() -> None:
    event = Event(0, 0.0, Audience.ALL, Changed("fallback", Fallback.OFF, Fallback.ALWAYS, "you"))
    assert decode(json.loads(journal_module._line(encode(event)))) == event


@pytest.mark.parametrize(
    "change",
    [
        {"n": 1.5},
        {"n": True},
        {"t": "0"},
        {"to": "nobody"},
        {"is": "Nonsense"},
        {"is": None},
        {"actor": 3},
        {"number": "1"},
        {"params": ["a"]},
        {"params": {"a": ["b"]}},
        {"params": {"a": None}},
    ],
)
def test_what_is_no_event_is_refused(change: dict[str, object]) -> None:
    data = encode(Event(0, 0.0, Audience.ALL, Accepted("you", 1, "scale", {"replicas": 2})))
    assert decode(data).number == 0
    with pytest.raises(ValueError, match=r".+"):
        decode({**data, **change})


@pytest.mark.parametrize("missing", ["n", "t", "to", "is", "actor", "params"])
def test_an_event_without_one_of_its_fields_is_refused(missing: str) -> None:
    data = encode(Event(0, 0.0, Audience.ALL, Accepted("you", 1, "scale", {})))
    del data[missing]
    with pytest.raises(ValueError, match=missing):
        decode(data)


@pytest.mark.parametrize("counts", [{"a": [1.0]}, {"a": [1.0, 2.0, 3.0]}, {"a": 1.0}, {"a": ["1", "2"]}])
def test_counts_are_pairs_of_numbers(counts: object) -> None:
    data = encode(Event(0, 0.0, Audience.ALL, Observed({}, {}, {})))
    with pytest.raises(ValueError, match="not a"):
        decode({**data, "counts": counts})


def test_a_drill_is_read_as_it_was_written(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "copy.jsonl"
    path.write_bytes(raw)
    journal = read_journal(path)
    assert journal.header == HEADER
    assert list(journal.events) == EVENTS
    assert journal.complete
    assert not journal.truncated
    assert len(bodies(EVENTS, Rejected)) == 1
    assert {type(event.body).__name__ for event in EVENTS} >= BODIES.keys() - {"Settled"}


def check_cut(raw: bytes, cut: int) -> None:
    whole = raw[:cut].count(b"\n") - 1
    journal = parse_journal(raw[:cut], "cut")
    assert list(journal.events) == EVENTS[:whole]
    assert journal.truncated == (raw[cut - 1 : cut] != b"\n")
    begun = whole + journal.truncated
    assert begun - len(journal.events) <= 1
    assert journal.complete == (whole == len(EVENTS))


@given(data=st.data())
def test_a_kill_at_any_byte_loses_at_most_the_last_event(raw: bytes, data: st.DataObject) -> None:
    check_cut(raw, data.draw(st.integers(raw.index(b"\n") + 1, len(raw))))


def test_a_kill_around_the_end_of_any_line_loses_at_most_the_last_event(raw: bytes) -> None:
    ends = [place + 1 for place, byte in enumerate(raw) if byte == ord("\n")]
    assert len(ends) == len(EVENTS) + 1
    for end in ends:
        for cut in (end - 1, end, end + 1):
            if ends[0] <= cut <= len(raw):
                check_cut(raw, cut)


def test_a_kill_within_a_character_of_several_bytes_does_no_harm(raw: bytes) -> None:
    check_cut(raw, raw.index("ü".encode()) + 1)


@pytest.mark.parametrize("cut", [0, 1, 20])
def test_without_a_whole_header_it_is_no_journal(raw: bytes, cut: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(raw[:cut])
    with pytest.raises(UsageError, match=r"cut.jsonl is not a drillbox journal"):
        read_journal(path)


@given(data=st.data())
def test_a_damaged_line_is_told_with_file_and_line(raw: bytes, data: st.DataObject) -> None:
    lines = raw.split(b"\n")[:-1]
    number = data.draw(st.integers(1, len(lines) - 1))
    line = lines[number]
    keep = data.draw(st.integers(0, len(line) - 1))
    lines[number] = data.draw(
        st.sampled_from([line[:keep], line[:keep] + b"\xff" + line[keep:], b"\x00" * len(line), b"[]", b"7"])
    )
    with pytest.raises(UsageError, match=rf"^toy.jsonl:{number + 1}: the journal is damaged here: "):
        parse_journal(b"\n".join(lines) + b"\n", "toy.jsonl")


@pytest.mark.parametrize("change", ["missing", "twice", "swapped"])
def test_event_numbers_with_a_gap_are_damage(raw: bytes, change: str) -> None:
    lines = raw.split(b"\n")
    changed = {
        "missing": [*lines[:3], *lines[4:]],
        "twice": [*lines[:4], lines[3], *lines[4:]],
        "swapped": [*lines[:3], lines[4], lines[3], *lines[5:]],
    }[change]
    line = {"missing": 4, "twice": 5, "swapped": 4}[change]
    with pytest.raises(UsageError, match=rf"^toy:{line}: .*event \d+ where \d+ should be"):
        parse_journal(b"\n".join(changed), "toy")


def test_another_schema_is_named(raw: bytes) -> None:
    header, rest = raw.split(b"\n", 1)
    data = json.loads(header)
    data["header"]["schema"] = 99
    with pytest.raises(UsageError, match=r"toy has journal schema 99; this drillbox reads schema 1"):
        parse_journal(json.dumps(data).encode() + b"\n" + rest, "toy")


@pytest.mark.parametrize(
    "first", [b"id: toy", b"", b"{}", b"[]", b"null", b'{"header": 3}', b'{"header": {"schema": 1}}', b"\xff\xfe", b"[" * 100_000]
)
def test_another_file_is_no_journal(first: bytes) -> None:
    with pytest.raises(UsageError, match="toy is not a drillbox journal: its first line is no header"):
        parse_journal(first + b"\n", "toy")


def test_a_journal_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the journal .*nothing.jsonl: No such file"):
        read_journal(tmp_path / "nothing.jsonl")
    with pytest.raises(UsageError, match=r"cannot read the journal .*: Is a directory"):
        read_journal(tmp_path)


def test_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "drill.jsonl"
    write(path, EVENTS)
    assert list(path.parent.iterdir()) == [path]


def test_each_event_is_in_the_file_before_the_next(place: Path) -> None:
    writer = JournalWriter(place, HEADER)
    for number, event in enumerate(EVENTS):
        writer.append(event)
        assert len(read_journal(place).events) == number + 1
    writer.close()
    writer.close()


def test_nothing_is_overwritten(place: Path) -> None:
    place.write_bytes(b"dear old drill")
    with pytest.raises(UsageError, match="there is a file already; choose another name"):
        JournalWriter(place, HEADER)
    assert place.read_bytes() == b"dear old drill"


def test_nothing_is_overwritten_where_there_are_no_hard_links(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    write(place, EVENTS)
    assert list(read_journal(place).events) == EVENTS
    with pytest.raises(UsageError, match="there is a file already"):
        JournalWriter(place, HEADER)
    assert list(read_journal(place).events) == EVENTS


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write .*: a file is in the way of the folder"):
        JournalWriter(tmp_path / "file" / "drill.jsonl", HEADER)


def test_a_folder_that_may_not_be_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:  # the mode of a folder does not stop root
        patch.setattr(Path, "open", refuse)
        with pytest.raises(UsageError, match=r"cannot write .*drill.jsonl: it is not writable"):
            JournalWriter(place, HEADER)
    assert not place.exists()


def test_no_room_for_the_header_leaves_nothing(place: Path) -> None:
    with room(10), pytest.raises(UsageError, match=r"cannot write .*drill.jsonl"):
        JournalWriter(place, HEADER)
    assert not place.exists()


def test_an_interruption_while_the_header_is_written_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(journal_module, "_write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        JournalWriter(place, HEADER)
    assert not place.exists()


@pytest.mark.parametrize("fits", [1, 30])
def test_a_full_disk_leaves_the_events_before_readable(place: Path, raw: bytes, fits: int) -> None:
    writer = JournalWriter(place, HEADER)
    for event in EVENTS[:3]:
        writer.append(event)
    with room(place.stat().st_size + fits):
        with pytest.raises(UsageError, match=r"cannot write .*drill.jsonl"):
            writer.append(EVENTS[3])
        journal = read_journal(place)
        assert list(journal.events) == EVENTS[:3]
        assert not journal.truncated
    for event in EVENTS[3:]:  # once there is room again, it goes on where it was
        writer.append(event)
    writer.close()
    assert place.read_bytes() == raw


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_called_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter(place, HEADER)
    with Path("/dev/full").open("wb", buffering=0) as full, monkeypatch.context() as patch:
        patch.setattr(writer, "_file", full)
        with pytest.raises(UsageError, match="the disk is full"):
            writer.append(EVENTS[0])
    writer.close()
    assert read_journal(place).events == ()


def test_a_number_that_json_lacks_leaves_the_journal_readable(place: Path) -> None:
    writer = JournalWriter(place, HEADER)
    writer.append(EVENTS[0])
    with pytest.raises(ValueError, match="not JSON compliant"):
        writer.append(Event(1, 0.0, Audience.ALL, Settled({"failed": float("nan")})))
    writer.close()
    assert list(read_journal(place).events) == EVENTS[:1]
