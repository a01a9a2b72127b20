"""The world's configuration as text, to hand it to another process, and back."""

from __future__ import annotations

import dataclasses
import json

from pydantic import TypeAdapter, ValidationError

from ....sandbox.model.errors import UsageError
from ....sandbox.model.scenario import WorldConfig
from ..common.flows import flows_of

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
        raw["traffic"]["flows"] = flows_of(raw["traffic"].get("flows", ()))
        return _WORLD.validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"it is no configuration of a world: {error!r}") from None
