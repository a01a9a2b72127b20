"""Reading files: what cannot be read is refused with place and reason, fast, and never with a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.loading.document import MAX_BYTES, parse_document, read_document
from drillbox.sandbox.model.errors import InvalidScenarioError, Problem

Write = Callable[[str], Path]


def refused(path: Path) -> Problem:
    """The single problem of a file."""
    with pytest.raises(InvalidScenarioError) as raised:
        read_document(path)
    (problem,) = raised.value.problems
    return problem


def where(problem: Problem) -> tuple[int | None, int | None]:
    """Line and column."""
    return problem.place.line, problem.place.column


def test_data_and_positions() -> None:
    """Plain data by the core schema; every value and key has its place."""
    document = parse_document("a: 1\nb:\n  - {c: off, d: 3:00}\n  - 0.5\n  - '7'\ne: ~\nf: true\n", "x.yaml")
    assert document.data == {"a": 1, "b": [{"c": "off", "d": "3:00"}, 0.5, "7"], "e": None, "f": True}
    assert document.values["b", 0, "d"] == (3, 17)
    assert document.keys["b", 0, "d"] == (3, 14)
    assert document.values["b", 2] == (5, 5)


def test_no_such_file_names_the_nearest(write: Write) -> None:
    """A typo in the name gets a hint."""
    path = write("schema: 1")
    assert "no such file; did you mean 'drill.yaml'?" in str(refused(path.with_name("dril.yaml")))
    assert "no such file" in str(refused(path.parent / "nowhere" / "dril.yaml"))


def test_folder_in_place_of_a_file(write: Write) -> None:
    """The message names a file to take."""
    path = write("schema: 1")
    assert f"is a folder; give one scenario file, such as {path}" in str(refused(path.parent))


def test_file_of_100_mb_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is looked at before the file is opened."""
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    monkeypatch.setattr(Path, "open", lambda *_args: pytest.fail("opened"))
    assert "is 100.0 MB; a scenario has at most 1 MiB" in str(refused(path))


def test_file_that_grows_while_it_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is limited as well, whatever the size was before."""
    path = write("x" * (MAX_BYTES + 1))
    small = Path(__file__).stat()
    monkeypatch.setattr(Path, "stat", lambda *_args, **_keywords: small)
    assert "more than 1 MiB" in str(refused(path))


def test_special_file() -> None:
    """A device would never end."""
    assert "is not a regular file" in str(refused(Path("/dev/zero")))


def test_unreadable_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the operating system says is passed on."""

    def denied(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write("schema: 1")
    monkeypatch.setattr(Path, "open", denied)
    assert "cannot be read: Permission denied" in str(refused(path))


def test_null_character_in_the_name() -> None:
    """Python refuses such a name with a ValueError."""
    assert "cannot be read" in str(refused(Path("a\0b")))


def test_not_utf8(tmp_path: Path) -> None:
    """Line and column of the first bad byte."""
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"schema: 1\ntitle: Z\xfcrich\n")
    problem = refused(path)
    assert "is not UTF-8 text: byte 0xfc" in str(problem)
    assert where(problem) == (2, 9)


def test_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfschema: 1\n")
    assert read_document(path).data == {"schema": 1}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", (None, None), "is empty"),
        ("# only a comment\n", (None, None), "is empty"),
        ("---\n", (None, None), "is empty"),
        ("a: 1\n---\nb: 2\n", (2, 1), "a second document begins here"),
        ("a: [1, 2\nb: 3\n", (2, 2), "not valid YAML"),
        ("a: 'open\n", (2, 1), "not valid YAML"),
        ("a:\n\t- 1\n", (2, 1), "not valid YAML"),
        ("a: \x07\n", (1, 4), "is not allowed"),
        ("- 1\n- 2\n", (1, 1), "not a mapping of keys"),
        ("text\n", (1, 1), "not a mapping of keys"),
        ("a: 1\nb: 2\na: 3\n", (3, 1), "the key 'a' stands here for a second time (first in line 1)"),
        ("a: {b: 1, b: 2}\n", (1, 11), "'b' stands here for a second time"),
        ("a: &x 1\nb: 2\n", (1, 4), "anchors (&name) are not supported"),
        ("a: *x\n", (1, 4), "aliases (*name) are not supported"),
        ("a: !!python/object:os.system {}\n", (1, 4), "tags (!name) are not supported"),
        ("a:\n  <<: {b: 1}\n", (2, 3), "merge keys (<<) are not supported"),
        ("? [1, 2]\n: 3\n", (1, 3), "a key must be plain text"),
        ("a: " + "[" * 30 + "]" * 30, (1, 24), "is nested deeper than 20 levels"),
    ],
)
def test_refused_text(write: Write, text: str, place: tuple[int, int], message: str) -> None:
    """Syntax errors and everything that hides what a file says."""
    problem = refused(write(text))
    assert message in problem.message
    assert where(problem) == place


def test_too_many_values(write: Write) -> None:
    """A megabyte of commas is no scenario."""
    problem = refused(write("a: [" + "1," * 20_100 + "]"))
    assert "holds more than 20000 values" in problem.message
    assert problem.place.line == 1


def test_several_duplicate_keys_are_reported_together() -> None:
    """In the file's order."""
    with pytest.raises(InvalidScenarioError) as raised:
        parse_document("a: 1\na: 2\nb: {c: 1, c: 2}\n", "x.yaml")
    assert [problem.place.key for problem in raised.value.problems] == ["a", "b.c"]


def test_yaml_bomb_stops_at_the_first_anchor(write: Write) -> None:
    """Nine levels of nine aliases each would be 387 million values."""
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "anchors" in str(refused(write("\n".join(levels))))


def test_deep_nesting_does_not_overflow_the_stack(write: Write) -> None:
    """A million brackets fit in the size limit."""
    assert "not valid YAML" in (message := refused(write("a: " + "[" * 1_000_000)).message) or "deeper" in message


def test_numbers_beyond_reason_are_kept_harmless() -> None:
    """Python refuses to convert integers of more than 4,300 digits."""
    document = parse_document(f"a: {'9' * 10_000}\nb: {'9' * 30}\nc: 1e999\n", "x.yaml")
    assert document.data["a"] == "9" * 10_000
    assert document.data["b"] == 1e30
    assert document.data["c"] == float("inf")
