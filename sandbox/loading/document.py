"""YAML text to plain data and a map of positions, guarded against hostile input. Nothing here knows scenarios.

Scalars follow the core schema of YAML 1.2: `true`, `false`, `null`, `~`, decimal numbers, text. So `off` stays text and `3:00` is
not a number. Tags, aliases, anchors and merge keys are refused: a scenario is read by people, and aliases make YAML bombs.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ..model.errors import InvalidScenarioError, Place, Problem, nearest

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_NODES = 20_000

Data = None | bool | int | float | str | list["Data"] | dict[str, "Data"]
Keys = tuple[str | int, ...]
"""Where a value stands within a document: keys of mappings and indices of lists."""

SafeLoader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data with positions (line, column), counted from 1, of every value and of every key."""

    file: str
    data: dict[str, Data]
    values: dict[Keys, tuple[int, int]]
    keys: dict[Keys, tuple[int, int]]
    lines: tuple[str, ...]


def read_document(path: Path) -> Document:
    """Read one scenario or runbook file.

    Raises:
        InvalidScenarioError: it cannot be read, or is not one YAML mapping.
    """
    return parse_document(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a file of at most `MAX_BYTES`. A larger one is refused without reading it.

    Raises:
        InvalidScenarioError: not there, a folder, not readable, too large, not UTF-8.
    """
    file = str(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise invalid(file, f"is a folder; give one scenario file{_example(path)}")
        if not stat.S_ISREG(status.st_mode):
            raise invalid(file, "is not a regular file")
        if status.st_size > MAX_BYTES:
            raise invalid(file, f"is {status.st_size / 1e6:.1f} MB; a scenario has at most {MAX_BYTES >> 20} MiB")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise invalid(file, f"no such file{_neighbour(path)}") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise invalid(file, f"cannot be read: {reason}") from None
    if len(raw) > MAX_BYTES:
        raise invalid(file, f"has more than {MAX_BYTES >> 20} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise invalid(file, f"is not UTF-8 text: byte {raw[error.start]:#04x}", line, column) from None


def parse_document(text: str, file: str) -> Document:
    """Plain data and positions of one YAML document whose root is a mapping.

    Raises:
        InvalidScenarioError: a syntax error, several documents, a duplicate key, an alias, tag or anchor, nothing at all.
    """
    try:
        return _Builder(file, text).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"not valid YAML: {error.problem or error.context or 'cannot be read'}"
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise invalid(file, message, line, column) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        where = before.count("\n") + 1, error.position - before.rfind("\n")
        raise invalid(file, f"not valid YAML: the character {error.character!r} is not allowed", *where) from None
    except UnicodeEncodeError as error:  # half a surrogate pair, which a journal's JSON can spell
        before = text[: error.start]
        where = before.count("\n") + 1, error.start - before.rfind("\n")
        raise invalid(file, f"not valid YAML: the character {text[error.start]!a} is not allowed", *where) from None
    except yaml.YAMLError as error:
        raise invalid(file, f"not valid YAML: {error}") from None


def invalid(file: str, message: str, line: int | None = None, column: int | None = None, key: str = "") -> InvalidScenarioError:
    """An error with a single problem."""
    return InvalidScenarioError([Problem(Place(file, line, column, key), message)])


@dataclass(slots=True)
class _Builder:
    """Builds data from parser events: one pass, with limits, before anything is expanded."""

    file: str
    text: str
    values: dict[Keys, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Keys, tuple[int, int]] = field(default_factory=dict)
    duplicates: list[Problem] = field(default_factory=list)

    def build(self) -> Document:
        events = yaml.parse(self.text, Loader=SafeLoader)
        next(events)
        first = next(events)
        if isinstance(first, yaml.StreamEndEvent):
            raise invalid(self.file, "is empty; a scenario begins with `schema: 1`")
        data = self._value(next(events), events, ())
        next(events)
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._error(after, "a second document begins here; a file holds one scenario")
        if self.duplicates:
            raise InvalidScenarioError(self.duplicates)
        if data is None:
            raise invalid(self.file, "is empty; a scenario begins with `schema: 1`")
        if not isinstance(data, dict):
            raise invalid(self.file, "is not a scenario: its top level is not a mapping of keys to values", 1, 1)
        return Document(self.file, data, self.values, self.keys, tuple(self.text.splitlines()))

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], path: Keys) -> Data:
        self._guard(event, path)
        self.values[path] = _position(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Data] = []
            while not isinstance(inner := next(events), yaml.SequenceEndEvent):
                items.append(self._value(inner, events, (*path, len(items))))
            return items
        mapping: dict[str, Data] = {}
        while not isinstance(inner := next(events), yaml.MappingEndEvent):
            key = self._key(inner, mapping, path)
            mapping[key] = self._value(next(events), events, (*path, key))
        return mapping

    def _key(self, event: yaml.Event, mapping: dict[str, Data], path: Keys) -> str:
        self._guard(event, path)
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error(event, "a key must be plain text", path)
        key: str = event.value
        if key == "<<" and event.implicit[0]:
            raise self._error(event, "merge keys (<<) are not supported: write the values out", path)
        if key in mapping:
            line = self.keys[(*path, key)][0]
            place = Place(self.file, *_position(event), dotted((*path, key)))
            self.duplicates.append(Problem(place, f"the key {key[:60]!r} stands here for a second time (first in line {line})"))
        else:
            self.keys[(*path, key)] = _position(event)
        return key

    def _guard(self, event: yaml.Event, path: Keys) -> None:
        if isinstance(event, yaml.AliasEvent):
            raise self._error(event, "aliases (*name) are not supported: write the value out", path)
        if getattr(event, "anchor", None) is not None:
            raise self._error(event, "anchors (&name) are not supported: write each value where it belongs", path)
        if getattr(event, "tag", None) not in (None, "!"):
            raise self._error(event, "tags (!name) are not supported", path)
        if len(path) > MAX_DEPTH:
            raise self._error(event, f"is nested deeper than {MAX_DEPTH} levels", path)
        if len(self.values) > MAX_NODES:
            raise self._error(event, f"holds more than {MAX_NODES} values", path)

    @staticmethod
    def _scalar(event: yaml.ScalarEvent) -> Data:
        text: str = event.value
        if event.style or event.tag == "!":
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            return int(text)
        return float(text) if len(text) < 400 and _FLOAT.fullmatch(text) else text

    def _error(self, event: yaml.Event, message: str, path: Keys = ()) -> InvalidScenarioError:
        return invalid(self.file, message, *_position(event), key=dotted(path))


def dotted(path: Keys) -> str:
    """A path as people write it: `timeline[0].with.factor`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part[:60]}" if text else part[:60]
    return text


def _position(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _neighbour(path: Path) -> str:
    """A hint with the nearest name in the same folder."""
    try:
        names = [one.name for one in path.parent.iterdir() if one.suffix in {".yaml", ".yml"}]
    except (OSError, ValueError):
        return ""
    return f"; {nearest(path.name, names)}" if names else ""


def _example(path: Path) -> str:
    try:
        found = next((item for item in sorted([*path.glob("*.yaml"), *path.glob("*/*.yaml")]) if item.is_file()), None)
    except OSError:
        return ""
    return f", such as {found}" if found else ""
