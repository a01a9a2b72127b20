"""The types of YAML values: quantities with units, names, dates, expressions. Each has one clear message when it is wrong.

A duration is drill time (`5m`). Where a field is a moment or a span of the drill (`DrillTime`), it may also be given in calendar
time as `{cal: 6h}`; it is then divided by the world's pace. Durations of the service's own behaviour (`Duration`) are always
drill time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from ..model import units
from ..model.expr import Expression, ExpressionError
from ..model.params import LONGEST_TEXT, Kind

Finding = tuple[tuple[str | int, ...], str]
"""A problem within a part of the file: the keys below that part, and the message."""
MAX_QUANTITY = 60
"""Longest text of a quantity or name, in characters."""


class Part(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Context:
    """What the meaning of a value depends on: calendar seconds per second of drill time."""

    pace: float


class LocatedError(ValueError):
    """Problems within a part of the file, each with the keys below that part."""

    def __init__(self, *problems: Finding) -> None:
        self.problems = problems
        super().__init__("; ".join(message for _, message in problems))


def short(raw: object) -> object:
    """The value, for parsing.

    Raises:
        ValueError: it is a text that is too long to be a quantity or a name.
    """
    if isinstance(raw, str) and len(raw) > MAX_QUANTITY:
        raise ValueError(f"{raw[:20] + '…'!r} is too long for a quantity or a name")
    return raw


def drill_seconds(raw: object, pace: float) -> float:
    """Seconds of drill time of `5m` or `{cal: 6h}`.

    Raises:
        UnitError: it is neither.
    """
    if isinstance(raw, dict):
        if list(raw) != ["cal"]:
            raise units.UnitError("a duration is 5m (drill time) or {cal: 6h} (calendar time)")
        return units.parse_duration(short(raw["cal"])) / pace
    return units.parse_duration(short(raw))


def _quantity(parse: Callable[[object], float]) -> Callable[[object], float]:
    return lambda raw: parse(short(raw))


def pace_of(info: ValidationInfo[Context | None]) -> float:
    """The pace of the world that is being validated."""
    return info.context.pace if isinstance(info.context, Context) else 1.0


def _drill_time(raw: object, info: ValidationInfo[Context | None]) -> float:
    return drill_seconds(raw, pace_of(info))


def _date(raw: object) -> dt.datetime:
    if isinstance(raw, str):
        try:
            value = dt.datetime.fromisoformat(str(short(raw)))
        except ValueError:
            pass
        else:
            if value.tzinfo is None:
                return value
    raise ValueError(f"{raw!r} is not a date: write 2013-07-08 or 2013-07-08T06:00, in the data's local time")


def _condition(raw: str) -> str:
    try:
        expression = Expression(raw)
    except ExpressionError as error:
        raise ValueError(f"column {error.column} of the expression: {error}") from error
    if not expression.is_condition:
        raise ValueError("a condition is needed here, such as saturation > 0.9; this is a number")
    return raw


_TIME = {"type": "string", "pattern": r"^\s*([0-9]+(\.[0-9]+)? *(ms|s|m|h|d) *)+$", "examples": ["90s", "5m", "1h30m"]}
_DURATION = {"oneOf": [_TIME, {"const": 0}]}
_RATE = {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*/\s*[smh]\s*$", "examples": ["120/s"]}
_SHARE = {
    "oneOf": [
        {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*%\s*$", "examples": ["95%"]},
        {"type": "number", "minimum": 0, "maximum": 1},
    ]
}
_CALENDAR = {"type": "object", "properties": {"cal": _DURATION}, "required": ["cal"], "additionalProperties": False}

SCHEMAS = {
    Kind.DURATION: {"oneOf": [_TIME, {"const": 0}, _CALENDAR]},
    Kind.RATE: _RATE,
    Kind.SHARE: _SHARE,
    Kind.COUNT: {"type": "integer"},
    Kind.FACTOR: {"type": "number"},
    Kind.SWITCH: {"enum": [True, False, "on", "off"]},
    Kind.CHOICE: {"type": "string"},
    Kind.NAME: {"type": "string", "minLength": 1},
    Kind.TEXT: {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
}
"""JSON schemas of the parameters of faults and actions."""

Duration = Annotated[float, BeforeValidator(_quantity(units.parse_duration)), WithJsonSchema(_DURATION)]
Rate = Annotated[float, BeforeValidator(_quantity(units.parse_rate)), WithJsonSchema(_RATE)]
Share = Annotated[float, BeforeValidator(_quantity(units.parse_share)), WithJsonSchema(_SHARE)]
Number = Annotated[float, BeforeValidator(_quantity(units.parse_number)), WithJsonSchema({"type": "number"})]
DrillTime = Annotated[float, BeforeValidator(_drill_time), WithJsonSchema({"oneOf": [*_DURATION["oneOf"], _CALENDAR]})]
Date = Annotated[dt.datetime, BeforeValidator(_date), WithJsonSchema({"type": "string", "examples": ["2013-07-08T06:00"]})]
Condition = Annotated[str, StringConstraints(min_length=1), AfterValidator(_condition)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=MAX_QUANTITY)]
Identifier = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9]+(-[a-z0-9]+)*/)?[a-z0-9]+(-[a-z0-9]+)*$", max_length=2 * MAX_QUANTITY)
]
"""A name, with that of a pack before it where drillbox has put it there."""
Line = Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$", max_length=200, strip_whitespace=True)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)]
Difficulty = Annotated[int, Field(ge=1, le=5)]
StackName = Literal["sim", "local", "kind"]
