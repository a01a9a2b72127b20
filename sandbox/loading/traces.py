"""Traffic traces: CSV with the columns `time` and `rate` or `factor`, in a scenario or in a file beside it.

A scenario that is read gets the trace of its file written into its own text: what is validated, played and kept in the journal is
one self-contained file.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..model.errors import InvalidScenarioError, nearest
from ..model.units import UnitError, parse_duration, parse_number, parse_rate
from .document import Keys, SafeLoader, dotted, invalid, parse_document, read_text

MAX_POINTS = 5000
MAX_TRACE = 200_000
"""Most characters of a trace."""
SUFFIX = ".csv"
_COLUMNS = ("rate", "factor")
_MOST = {"rate": 100_000.0, "factor": 1000.0}


class TraceError(ValueError):
    """A trace that cannot be played; the message names the line."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Values of `column` at rising times in seconds of drill time."""

    column: str
    times: tuple[float, ...]
    values: tuple[float, ...]

    def text(self) -> str:
        """As CSV in base units."""
        rows = "".join(f"{time!r},{value!r}\n" for time, value in zip(self.times, self.values, strict=True))
        return f"time,{self.column}\n{rows}"


def parse_trace(text: str) -> Trace:
    """The trace of a CSV text.

    Raises:
        TraceError: no heading, an unknown quantity, times that do not rise, too few or too many lines; with the line.
    """
    rows = csv.reader(io.StringIO(text.strip()), strict=True)
    try:
        heading = [name.strip().lower() for name in next(rows, [])]
        if "time" not in heading:
            raise TraceError("line 1 of the trace: a heading is needed, such as time,rate")
        columns = [name for name in _COLUMNS if name in heading]
        if len(columns) != 1:
            raise TraceError("line 1 of the trace: beside time, one of the columns rate and factor is needed")
        points = list(_points(rows, heading.index("time"), heading.index(columns[0]), columns[0]))
    except csv.Error as error:
        raise TraceError(f"line {rows.line_num} of the trace: {error}") from None
    if not points:
        raise TraceError("the trace has a heading, but no lines below it")
    times, values = zip(*points, strict=True)
    if not any(values):
        raise TraceError("every value of the trace is 0")
    return Trace(columns[0], times, values)


def _points(rows: Iterator[list[str]], time: int, value: int, column: str) -> Iterator[tuple[float, float]]:
    before = -math.inf
    for number, row in enumerate((row for row in rows), start=2):
        where = f"line {number} of the trace"
        if not row:
            continue
        if len(row) <= max(time, value):
            raise TraceError(f"{where}: has {len(row)} columns; {max(time, value) + 1} are needed")
        if number > MAX_POINTS + 1:
            raise TraceError(f"{where}: at most {MAX_POINTS} lines are allowed")
        try:
            now, level = _quantity(row[time], "time"), _quantity(row[value], column)
        except UnitError as error:
            raise TraceError(f"{where}: {error}") from None
        if now <= before:
            raise TraceError(f"{where}: times must rise, but {now:g} comes after {before:g}")
        if not 0 <= level <= _MOST[column]:
            raise TraceError(f"{where}: {row[value].strip()[:40]!r} is out of bounds: between 0 and {_MOST[column]:g}")
        before = now
        yield now, level


def _quantity(text: str, column: str) -> float:
    """A bare number is in base units."""
    text = text.strip()[:60]
    try:
        return parse_number(text)
    except UnitError:
        if column == "factor":
            raise
    return parse_duration(text) if column == "time" else parse_rate(text)


def self_contained(path: Path) -> str:
    """The text of a scenario file, with the traces that it names.

    Raises:
        InvalidScenarioError: the file or a trace cannot be read.
    """
    return with_traces(read_text(path), path)


def with_traces(text: str, file: Path) -> str:
    """The text of a scenario file with the traces that it names written into it; lines stay where they are.

    Raises:
        InvalidScenarioError: a trace is not there, not beside the scenario, or not valid; or the text is no YAML document.
    """
    if "replay" not in text or "file" not in text:
        return text
    parse_document(text, str(file))  # refuses what would be dear or endless to walk through, such as aliases
    root = yaml.compose(text, Loader=SafeLoader)
    for path, key, value in sorted(_files(root, ()), key=lambda found: -found[1].start_mark.index):
        line, column = value.start_mark.line + 1, value.start_mark.column + 1
        try:
            trace = _read(file, value.value)
        except (InvalidScenarioError, TraceError) as error:
            message = error.problems[0].message if isinstance(error, InvalidScenarioError) else str(error)
            raise invalid(str(file), f"{value.value[:100]}: {message}", line, column, dotted(path)) from None
        text = f"{text[: key.start_mark.index]}csv: {json.dumps(trace.text())}{text[value.end_mark.index :]}"
    return text


def in_pack(text: str, pack: str, file: Path) -> str:
    """The text of a scenario with the name of its pack before its id; lines stay where they are.

    Raises:
        InvalidScenarioError: the text is no YAML document.
    """
    if not isinstance(parse_document(text, str(file)).data.get("id"), str):
        return text  # validation says what is wrong
    root = yaml.compose(text, Loader=SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    node = next(value for key, value in pairs if key.value == "id")
    return f"{text[: node.start_mark.index]}{json.dumps(f'{pack}/{node.value}')}{text[node.end_mark.index :]}"


def _files(node: yaml.Node | None, path: Keys) -> Iterator[tuple[Keys, yaml.ScalarNode, yaml.ScalarNode]]:
    """Place, key and value of every `file` of a `replay` below a node."""
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield from _files(item, (*path, place))
    elif isinstance(node, yaml.MappingNode):
        either = path[-1:] == ("replay",) and any(key.value == "csv" for key, _ in node.value)  # both: refused later
        for key, value in node.value:
            here = (*path, str(key.value))
            if here[-2:] == ("replay", "file") and isinstance(value, yaml.ScalarNode) and not either:
                yield here, key, value
            yield from _files(value, here)


def _read(scenario: Path, name: str) -> Trace:
    folder = scenario.parent.resolve()
    file = (folder / name).resolve() if "\0" not in name else folder
    if Path(name).is_absolute() or not file.is_relative_to(folder):
        raise TraceError("must be in the folder of the scenario, or below it")
    if file.suffix != SUFFIX or not file.exists():
        known = [str(one.relative_to(folder)) for one in sorted(folder.glob(f"*{SUFFIX}"))]
        what = "no such file" if file.suffix == SUFFIX else f"is not a {SUFFIX} file"
        raise TraceError(what + (f"; {nearest(name[:80], known)}" if known else ""))
    return parse_trace(read_text(file))
