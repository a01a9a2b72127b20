"""The journal: one header line and one line of JSON per event, appended and flushed. A kill at any byte loses at most the last event."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

from .model.errors import UsageError
from .model.events import BODIES, Audience, Body, Event

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Header:
    """What a drill is a function of. `text` is the scenario file as it was; no wall-clock time, so that equal drills are equal bytes."""

    scenario: str
    digest: str
    profile: str
    seed: int
    stack: str
    operator: str
    data: str  # hash of the world's data
    versions: Mapping[str, str]
    machine: str  # CPU model: journals are byte-identical on the same one
    text: str
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal as read. `truncated`: the last line was incomplete and was left out."""

    header: Header
    events: tuple[Event, ...]
    truncated: bool = False

    @property
    def complete(self) -> bool:
        """Whether the drill came to an end."""
        return bool(self.events) and type(self.events[-1].body).__name__ == "Ended"


class JournalWriter:
    """Appends events to a file; each is flushed before the next."""

    def __init__(self, path: Path, header: Header) -> None:
        """Create the file.

        Raises:
            UsageError: it cannot be written.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("x", encoding="utf-8", newline="\n")
        except OSError as error:
            raise UsageError(f"cannot write the journal {path}: {error.strerror}") from None
        self._line({"header": dataclasses.asdict(header)})

    def append(self, event: Event) -> None:
        """Write one event.

        Raises:
            UsageError: the disk is full or the file is gone.
        """
        self._line(encode(event))

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        self._file.close()

    def _line(self, value: object) -> None:
        try:
            self._file.write(json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_plain) + "\n")
            self._file.flush()
        except OSError as error:
            raise UsageError(f"cannot write the journal {self.path}: {error.strerror}") from None


def encode(event: Event) -> dict[str, object]:
    """An event as JSON data."""
    body = event.body
    fields = {field.name: getattr(body, field.name) for field in dataclasses.fields(body)}
    return {"n": event.number, "t": event.at, "to": event.audience.value, "is": type(body).__name__, **fields}


def decode(data: Mapping[str, object]) -> Event:
    """The event of `encode`.

    Raises:
        ValueError: the data are not those of an event.
    """
    try:
        kind = BODIES[str(data["is"])]
        hints = typing.get_type_hints(kind)
        values = {field.name: _restore(data[field.name], hints[field.name]) for field in dataclasses.fields(kind)}
        body = typing.cast("Body", kind(**values))  # type: ignore[arg-type]  # checked field by field
        return Event(_integer(data["n"]), _number(data["t"]), Audience(str(data["to"])), body)
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} is missing or unknown") from None


def read_journal(path: Path) -> Journal:
    """Read a journal, also one that was cut off.

    Raises:
        UsageError: no such file, not a journal, or damaged before its last line.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the journal {path}: {error.strerror}") from None
    return parse_journal(raw, str(path))


def parse_journal(raw: bytes, name: str) -> Journal:
    """Parse a journal's bytes; `name` is for messages.

    Raises:
        UsageError: not a journal, or damaged before its last line.
    """
    *whole, rest = raw.split(b"\n")
    if not whole:
        raise UsageError(f"{name} is not a drillbox journal: it holds no complete line")
    header = _header(whole[0], name)
    events = tuple(_events(whole[1:], name))
    return Journal(header, events, truncated=bool(rest))


def _events(lines: list[bytes], name: str) -> Iterator[Event]:
    for index, line in enumerate(lines):
        try:
            data = json.loads(line)
            if not isinstance(data, dict):
                raise ValueError("not an event")
            event = decode(data)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{name}:{index + 2}: the journal is damaged here: {error}") from None
        if event.number != index:
            raise UsageError(f"{name}:{index + 2}: the journal is damaged here: event {event.number} where {index} should be")
        yield event


def _header(line: bytes, name: str) -> Header:
    try:
        data = json.loads(line)["header"]
        if data.get("schema") != SCHEMA:
            raise UsageError(f"{name} has journal schema {data.get('schema')}; this drillbox reads schema {SCHEMA}")
        return Header(**data)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{name} is not a drillbox journal: its first line is no header") from None


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"cannot write {type(value).__name__} to the journal")


def _restore(value: object, hint: object) -> object:
    """JSON data in the types of an event's field: lists become tuples, floats stay floats."""
    origin = typing.get_origin(hint)
    if hint is float:
        return _number(value)
    if hint is int:
        return _integer(value)
    if hint is str:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not text")
        return value
    if origin in (typing.Union, types.UnionType):
        if not isinstance(value, (bool, int, float, str)):
            raise ValueError(f"{value!r} is not a plain value")
        return value
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a mapping")
    return {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value
