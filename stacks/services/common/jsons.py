"""JSON for requests and answers: with orjson where it is installed (the extra `local`), else just as strictly with json."""

from __future__ import annotations

import json
from typing import NoReturn

try:
    import orjson
except ImportError:  # a light dependency that only saves time
    _FAST = False
else:
    _FAST = True


def loads(text: bytes | bytearray | memoryview) -> object:
    """The value of a JSON document; numbers are finite or too large for a float.

    Raises:
        ValueError: it is no JSON (NaN and Infinity are none), no UTF-8, or nested too deeply.
    """
    if _FAST:
        found: object = orjson.loads(text)
        return found
    try:
        return json.loads(bytes(text).decode("utf-8"), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def dumps(value: object) -> bytes:
    """A JSON document in UTF-8. NaN is written as null."""
    if _FAST:
        return orjson.dumps(value)
    return json.dumps(_without_nan(value), separators=(",", ":"), allow_nan=False).encode("ascii")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _without_nan(value: object) -> object:
    match value:
        case float():
            return value if value - value == 0.0 else None
        case dict():
            return {key: _without_nan(each) for key, each in value.items()}
        case list() | tuple():
            return [_without_nan(each) for each in value]
        case _:
            return value
