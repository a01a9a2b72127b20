"""The world's configuration as text, to hand it to another process, and back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ....sandbox.model.errors import UsageError, nearest
from ....sandbox.model.scenario import WorldConfig
from ....sandbox.model.traffic import Burst, Constant, Diurnal, Flow, Ramp, Replay, Shape, Spike, Step

_SHAPES: dict[str, TypeAdapter[Any]] = {
    next(str(each.default) for each in dataclasses.fields(kind) if each.name == "kind"): TypeAdapter(kind)
    for kind in (Constant, Ramp, Spike, Step, Replay, Diurnal, Burst)
}
_WORLD = TypeAdapter(WorldConfig)


def dump_world(config: WorldConfig) -> str:
    """As one line of JSON."""
    return json.dumps(dataclasses.asdict(config), default=str, separators=(",", ":"))


def load_world(text: str) -> WorldConfig:
    """What `dump_world` wrote.

    Raises:
        UsageError: it is not that; the message says what is wrong first.
    """
    try:
        raw = json.loads(text)
        flows = raw["traffic"].get("flows", ())
        raw["traffic"]["flows"] = tuple(Flow(float(flow["rate"]), tuple(map(_shape, flow["shapes"]))) for flow in flows)
        return _WORLD.validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"it is no configuration of a world: {error!r}") from None


def _shape(raw: dict[str, Any]) -> Shape:
    kind = raw.get("kind", "")
    if kind not in _SHAPES:
        raise UsageError(f"unknown shape {kind!r}; {nearest(str(kind), _SHAPES)}")
    shape: Shape = _SHAPES[kind].validate_python({name: value for name, value in raw.items() if name != "kind"})
    return shape
