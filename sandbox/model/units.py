"""Quantities as people write them: `5m`, `120/s`, `95%`. Inside the program all are floats in base units."""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|m|h)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


class UnitError(ValueError):
    """A quantity without its unit, with a wrong one, or not a quantity at all."""


def parse_duration(raw: object) -> float:
    """Seconds of `90s`, `5m`, `1h30m`, `250ms`; a bare 0 needs no unit.

    Raises:
        UnitError: for anything else, a bare number included.
    """
    if isinstance(raw, (int, float)) and not isinstance(raw, bool) and raw == 0:
        return 0.0
    if isinstance(raw, str):
        text = raw.strip()
        parts = list(_DURATION.finditer(text))
        if parts and "".join(part[0] for part in parts) == text:
            return _finite(math.fsum(float(part[1]) * _SECONDS[part[2]] for part in parts), raw)
    raise UnitError(f"{raw!r} is not a duration: write a number and its unit, such as 250ms, 90s, 5m or 1h30m")


def parse_rate(raw: object) -> float:
    """Events per second of `120/s`, `7200/m`.

    Raises:
        UnitError: for anything else.
    """
    if isinstance(raw, str) and (match := _RATE.fullmatch(raw.strip())):
        return _finite(float(match[1]) / _SECONDS[match[2]], raw)
    raise UnitError(f"{raw!r} is not a rate: write a number and its unit, such as 120/s or 600/m")


def parse_share(raw: object) -> float:
    """A fraction of 1 from `95%` or `0.95`.

    Raises:
        UnitError: for anything that is not between 0% and 100%.
    """
    value = math.nan
    if isinstance(raw, str) and (match := _SHARE.fullmatch(raw.strip())):
        value = float(match[1]) / 100.0
    elif isinstance(raw, (int, float)) and not isinstance(raw, bool) and 0 <= raw <= 1:
        value = float(raw)
    if not 0.0 <= value <= 1.0:
        raise UnitError(f"{raw!r} is not a share: write 95% or 0.95, between 0% and 100%")
    return value


def parse_number(raw: object) -> float:
    """A plain finite number.

    Raises:
        UnitError: for anything else.
    """
    if isinstance(raw, str):
        try:
            return _finite(float(raw), raw)
        except ValueError:
            raise UnitError(f"{raw!r} is not a number") from None
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        try:
            return _finite(float(raw), raw)
        except OverflowError:  # a whole number beyond the range of floats
            raise UnitError("the number is too large") from None
    raise UnitError(f"{raw!r} is not a number")


def parse_count(raw: object) -> int:
    """A whole number.

    Raises:
        UnitError: for anything else.
    """
    value = parse_number(raw)
    if value != int(value):
        raise UnitError(f"{raw!r} is not a whole number")
    return int(value)


def format_duration(seconds: float) -> str:
    """`1h30m`, `5m`, `90s`, `250ms`: parses back to the same value for whole milliseconds."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    if seconds == 0:
        return "0s"
    text = ""
    rest = seconds
    for unit in ("h", "m"):
        whole = int(rest // _SECONDS[unit])
        if whole:
            text += f"{whole}{unit}"
            rest -= whole * _SECONDS[unit]
    return text + (f"{round(rest, 3):g}s" if round(rest, 3) else "")


def format_clock(seconds: float) -> str:
    """Drill time as `mm:ss` or `h:mm:ss`, with a minus before t = 0."""
    sign = "-" if seconds < 0 else ""
    whole = int(abs(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{sign}{hours}:{minutes:02d}:{rest:02d}" if hours else f"{sign}{minutes:02d}:{rest:02d}"


def format_share(share: float) -> str:
    """`99.5%`."""
    return f"{share * 100:.6g}%"


def _finite(value: float, raw: object) -> float:
    if not math.isfinite(value):
        raise UnitError(f"{raw!r} is not finite")
    return value
