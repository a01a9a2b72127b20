"""The journal: a header line and a line of JSON per event, each flushed. A kill at any byte loses at most the last event."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import sys
import types
import typing
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from .model.errors import UsageError
from .model.events import BODIES, Audience, Body, Event
from .paths import folder, unwritable

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Header:
    """What a drill is a function of. `text` is the scenario file as it was; no wall-clock time: equal drills are equal bytes."""

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
    """Appends events to a file; each is with the operating system before the next."""

    def __init__(self, path: Path, header: Header) -> None:
        """Create the file, header included; it never exists with half a header.

        Raises:
            UsageError: it cannot be written, or is there already.
        """
        self.path = path
        folder(path.parent)
        first = _line({"header": dataclasses.asdict(header)})
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
        file: BinaryIO | None = None
        try:
            file = temporary.open("xb", buffering=0)  # unbuffered: nothing is left to flush, and to fail, at the end
            _write(file, first)
            _claim(path, temporary)
        except BaseException as error:
            if file is not None:
                file.close()
            if isinstance(error, FileExistsError):
                raise UsageError(f"cannot write the journal {path}: there is a file already; choose another name") from None
            if isinstance(error, OSError):
                raise unwritable(path, error) from None
            raise
        finally:
            temporary.unlink(missing_ok=True)
        self._file = file
        self._size = len(first)

    def append(self, event: Event) -> None:
        """Write one event. If that fails, the events before it stay readable.

        Raises:
            UsageError: the disk is full or the file is gone.
        """
        line = _line(encode(event))
        try:
            _write(self._file, line)
        except OSError as error:
            self._take_back()
            raise unwritable(self.path, error) from None
        self._size += len(line)

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        self._file.close()

    def _take_back(self) -> None:
        """Remove what was written of a line that did not fit."""
        try:
            self._file.truncate(self._size)
            self._file.seek(self._size)
        except OSError:
            pass  # a reader leaves half a last line out


def _claim(path: Path, temporary: Path) -> None:
    """Give the temporary file its name, unless there is one of that name; a rename would replace it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        temporary.rename(path)


def _write(file: BinaryIO, data: bytes) -> None:
    """Write all of it: a raw file may take less at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _line(value: object) -> bytes:
    """One line of JSON. Half a surrogate pair, which UTF-8 cannot hold, is escaped."""
    dump = functools.partial(json.dumps, separators=(",", ":"), allow_nan=False, default=_plain)
    try:
        return (dump(value, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        return (dump(value) + "\n").encode()


def encode(event: Event) -> dict[str, object]:
    """An event as JSON data."""
    body = event.body
    fields = {field.name: getattr(body, field.name) for field in dataclasses.fields(body)}
    return {"n": event.number, "t": event.at, "to": event.audience.value, "is": type(body).__name__, **fields}


def decode(data: object) -> Event:
    """The event of `encode`.

    Raises:
        ValueError: the data are not those of an event.
    """
    if not isinstance(data, Mapping):
        raise ValueError("not an event")
    try:
        kind = BODIES[str(data["is"])]
        values = {name: _restore(data[name], hint) for name, hint in _hints(kind).items()}
        body = kind(**values)  # type: ignore[arg-type]  # checked field by field
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
    now = -math.inf
    for index, line in enumerate(lines):
        try:
            event = decode(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{name}:{index + 2}: the journal is damaged here: {error}") from None
        if event.number != index:
            raise UsageError(f"{name}:{index + 2}: the journal is damaged here: event {event.number} where {index} should be")
        if event.at < now:
            raise UsageError(f"{name}:{index + 2}: the journal is damaged here: time falls from {now:g} to {event.at:g}")
        now = event.at
        yield event


def _header(line: bytes, name: str) -> Header:
    try:
        data = json.loads(line)["header"]
        if data.get("schema") != SCHEMA:
            raise UsageError(f"{name} has journal schema {data.get('schema')}; this drillbox reads schema {SCHEMA}")
        return Header(**{field: _restore(data[field], hint) for field, hint in _hints(Header).items()})  # type: ignore[arg-type]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(f"{name} is not a drillbox journal: its first line is no header") from None


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"cannot write {type(value).__name__} to the journal")


_HINTS: dict[str, Mapping[str, object]] = {}


def _hints(kind: type[Body | Header]) -> Mapping[str, object]:
    """Types of a dataclass's fields by name, in order; they take a while to find out."""
    if kind.__name__ not in _HINTS:
        hints = typing.get_type_hints(kind)
        _HINTS[kind.__name__] = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return _HINTS[kind.__name__]


def _restore(value: object, hint: object) -> object:
    """JSON data in the type of an event's field: pairs become tuples, floats stay floats.

    The numbers of a mapping stay as they were written, so that an event is written again as the same bytes.
    """
    if hint is float:
        return _number(value)
    if hint is int:
        return _integer(value)
    if hint is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is neither true nor false")
        return value
    if hint is str:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not text")
        return value
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        if not isinstance(value, (bool, int, float, str)):
            raise ValueError(f"{value!r} is not a plain value")
        return value
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a mapping")
    inner = typing.get_args(hint)[1]
    return {key: _restore_item(item, inner) for key, item in value.items()}


def _restore_item(item: object, hint: object) -> object:
    if hint is object:
        return item
    if hint is float:
        _number(item)
        return item
    if typing.get_origin(hint) is tuple:
        if not isinstance(item, list) or len(item) != len(typing.get_args(hint)):
            raise ValueError(f"{item!r} is not a pair")
        return tuple(_restore_item(part, part_hint) for part, part_hint in zip(item, typing.get_args(hint), strict=True))
    return _restore(item, hint)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is not a number")
    if not abs(value) <= sys.float_info.max:  # JSON has no such numbers, but Python reads them
        raise ValueError("a number is not finite")
    return float(value)


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value
