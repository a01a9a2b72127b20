"""The desired state as flat fields: what may be in it, and what is in force when two sides change it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from ....sandbox.model.errors import UsageError, nearest
from ....sandbox.model.params import Value
from ....sandbox.model.service import ServiceSpec, fields_of

LARGEST = 1_000_000
"""No number of the desired state is larger."""
_REQUEST = re.compile(r"[1-9]\d{0,2}d#\d{1,9}")


def checked(spec: ServiceSpec, given: Mapping[str, object], versions: Iterable[str]) -> dict[str, Value]:
    """Values for fields, in their types.

    Args:
        spec: that has the fields.
        given: values by path, as they come from JSON.
        versions: that there are.

    Raises:
        UsageError: an unknown field, or a value that it cannot have.
    """
    known = dict(fields_of(spec))
    found = {}
    for path, raw in given.items():
        if path not in known:
            raise UsageError(f"unknown field {path!r}; {nearest(path, known)}")
        found[path] = _typed(path, known[path], raw)
    names = tuple(versions)
    for path in ("champion.version", "candidate.version", "shadow.version"):
        name = found.get(path, known[path])
        if name not in names and (name or path == "champion.version"):
            raise UsageError(f"{path}: unknown version {name!r}; {nearest(str(name), names)}")
    return found


def _typed(path: str, now: Value, raw: object) -> Value:
    if isinstance(now, bool):
        if not isinstance(raw, bool):
            raise UsageError(f"{path}: {raw!r} is neither true nor false")
        return raw
    if isinstance(now, StrEnum):
        choices = [str(one) for one in type(now)]
        if raw not in choices:
            raise UsageError(f"{path}: unknown value {raw!r}; {nearest(str(raw), choices)}")
        return type(now)(str(raw))
    if isinstance(now, str):
        if not isinstance(raw, str) or (path == "retraining.requested" and raw and not _REQUEST.fullmatch(raw)):
            raise UsageError(f"{path}: {raw!r} is not {'of the form 42d#1' if path == 'retraining.requested' else 'a text'}")
        return raw
    return _number(path, now, raw)


def _number(path: str, now: float, raw: object) -> Value:
    low = 0.01 if path == "autoscaler.target" else 0
    wanted = "a whole number" if isinstance(now, int) else "a number"
    fits = type(raw) is int or (type(raw) is float and math.isfinite(raw) and not isinstance(now, int))
    if not fits or not low <= raw <= LARGEST:  # type: ignore[operator]  # it is a number
        raise UsageError(f"{path}: {raw!r} is not {wanted} between {low:g} and {LARGEST:,}")
    return raw if isinstance(now, int) else float(raw)  # type: ignore[return-value, arg-type]  # as above


def merged(
    told: Mapping[str, Value], ours: Mapping[str, Value], given: Mapping[str, Value], pending: Iterable[Mapping[str, Value]]
) -> tuple[dict[str, Value], set[str]]:
    """What is in force when the stack tells a state in which some of our desires may be missing.

    A field of which a desire is on its way stays as we want it, unless somebody else has changed it in the meantime: then it
    neither is what the stack told before, nor something that we wanted.

    Args:
        told: what the stack told before.
        ours: what is in force here.
        given: what it tells now.
        pending: fields of desires that may be on their way, the oldest first.

    Returns:
        The fields to put into force, and those in which somebody else has overruled us.
    """
    wanted: dict[str, list[Value]] = {}
    for fields in pending:
        for path, value in fields.items():
            wanted.setdefault(path, []).append(value)
    found, overruled = {}, set()
    for path, value in given.items():
        if path not in wanted or (value != told[path] and value not in wanted[path]):
            found[path] = value
            if path in wanted:
                overruled.add(path)
        else:
            found[path] = ours[path]
    return found, overruled
