"""Typed parameters of faults and actions: declared once, used by YAML, command line, form, HTTP and docs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from . import units
from .errors import nearest

LONGEST_TEXT = 1000
"""Characters of a text."""

Value = bool | int | float | str
Params = Mapping[str, Value]


class ParamError(ValueError):
    """A parameter that is unknown, missing, of the wrong type or unit, or out of bounds."""

    def __init__(self, param: str, message: str) -> None:
        self.param = param
        super().__init__(message)


class Kind(StrEnum):
    """What a parameter measures, and so its unit."""

    DURATION = "duration"  # seconds
    RATE = "rate"  # events per second
    SHARE = "share"  # fraction of 1
    COUNT = "count"  # whole number
    FACTOR = "factor"  # times
    SWITCH = "switch"  # on or off
    CHOICE = "choice"  # one of a few words
    NAME = "name"  # the name of something in the service
    TEXT = "text"  # whatever a person writes


_PARSERS: Mapping[Kind, Callable[[object], Value]] = {
    Kind.DURATION: units.parse_duration,
    Kind.RATE: units.parse_rate,
    Kind.SHARE: units.parse_share,
    Kind.COUNT: units.parse_count,
    Kind.FACTOR: units.parse_number,
}
_SWITCH: Mapping[object, bool] = {True: True, False: False, "on": True, "off": False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter. Bounds are inclusive, in base units; a parameter without a default is required."""

    name: str
    kind: Kind
    help: str
    default: Value | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is None and not self.optional

    def parse(self, raw: object, *, base_units: bool = False) -> Value:
        """The value in base units.

        Args:
            raw: as written by a person (`10s`), or a plain value.
            base_units: whether a bare number is taken as one in base units, as programs write it; files need the unit.

        Raises:
            ParamError: wrong type or unit, unknown choice, out of bounds.
        """
        if self.kind is Kind.SWITCH:
            key = raw.lower() if isinstance(raw, str) else raw
            if not isinstance(key, (str, bool)) or key not in _SWITCH:
                raise ParamError(self.name, f"{raw!r} is not a switch: write on or off")
            return _SWITCH[key]
        if self.kind in (Kind.CHOICE, Kind.NAME):
            return self._word(raw)
        if self.kind is Kind.TEXT:
            return self._text(raw)
        bare = base_units and isinstance(raw, (int, float)) and not isinstance(raw, bool)
        try:
            value = units.parse_number(raw) if bare and self.kind in (Kind.DURATION, Kind.RATE) else _PARSERS[self.kind](raw)
        except units.UnitError as error:
            raise ParamError(self.name, str(error)) from None
        number = float(value)
        low, high = self.minimum, self.maximum
        if (low is not None and number < low) or (high is not None and number > high):
            raise ParamError(self.name, f"{self.format(value)} is out of bounds: {self.bounds()}")
        return value

    def _word(self, raw: object) -> str:
        if raw is False and "off" in self.choices:  # YAML 1.1 reads a bare off as false
            raw = "off"
        if not isinstance(raw, str) or not raw:
            raise ParamError(self.name, f"{raw!r} is not a name")
        if self.choices and raw not in self.choices:
            raise ParamError(self.name, f"unknown value {raw!r}; {nearest(raw, self.choices)}")
        return raw

    def _text(self, raw: object) -> str:
        if not isinstance(raw, str) or not raw.strip():
            raise ParamError(self.name, "nothing is written there")
        if len(raw) > LONGEST_TEXT:
            raise ParamError(self.name, f"{len(raw):,} characters are too many: at most {LONGEST_TEXT:,}")
        return raw.strip()

    def format(self, value: Value) -> str:
        """The value as a person would write it."""
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, str):
            return value
        if self.kind is Kind.DURATION:
            return units.format_duration(value)
        if self.kind is Kind.SHARE:
            return units.format_share(value)
        if self.kind is Kind.RATE:
            return f"{value:g}/s"
        return f"{value:g}"

    def bounds(self) -> str:
        """The bounds in words: `between 1 and 20`, `at least 50ms`, or nothing."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.minimum is not None and self.maximum is not None:
            return f"between {self.format(self.minimum)} and {self.format(self.maximum)}"
        if self.minimum is not None:
            return f"at least {self.format(self.minimum)}"
        if self.maximum is not None:
            return f"at most {self.format(self.maximum)}"
        return ""


def parse_params(declared: tuple[Param, ...], raw: Mapping[str, object], *, base_units: bool = False) -> dict[str, Value]:
    """All parameters in base units, defaults filled in; optional ones without a value are left out.

    `base_units` as in `Param.parse`.

    Raises:
        ParamError: for the first one that is unknown, missing or wrong.
    """
    names = [param.name for param in declared]
    for name in raw:
        if name not in names:
            raise ParamError(str(name), f"unknown parameter {name!r}; {nearest(str(name), names)}")
    values: dict[str, Value] = {}
    for param in declared:
        if param.name in raw:
            values[param.name] = param.parse(raw[param.name], base_units=base_units)
        elif param.default is not None:
            values[param.name] = param.default
        elif param.required:
            raise ParamError(param.name, f"parameter {param.name!r} is missing: {param.help}")
    return values
