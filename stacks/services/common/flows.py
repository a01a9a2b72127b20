"""Flows of traffic as they come out of JSON: which shape each is, its `kind` says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from ....sandbox.model.errors import UsageError, nearest
from ....sandbox.model.traffic import Burst, Constant, Diurnal, Flow, Ramp, Replay, Shape, Spike, Step

_SHAPES: dict[str, type[Shape]] = {
    next(str(each.default) for each in dataclasses.fields(kind) if each.name == "kind"): kind
    for kind in (Constant, Ramp, Spike, Step, Replay, Diurnal, Burst)
}


def flows_of(raw: Iterable[Any]) -> tuple[Flow, ...]:
    """The flows that `dataclasses.asdict` made these of.

    Raises:
        UsageError: a shape is unknown; the message names the nearest.
        ValueError, KeyError, TypeError, AttributeError: it is something else.
    """
    return tuple(Flow(float(flow["rate"]), tuple(map(_shape, flow["shapes"]))) for flow in raw)


def _shape(raw: dict[str, Any]) -> Shape:
    kind = str(raw.get("kind", ""))
    if kind not in _SHAPES:
        raise UsageError(f"unknown shape {kind!r}; {nearest(kind, _SHAPES)}")
    values = {name: value for name, value in raw.items() if name != "kind"}
    shape: Shape = TypeAdapter(_SHAPES[kind]).validate_python(values)
    return shape
