"""A scenario as text, to hand it to another process, and back."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ....sandbox.model.errors import UsageError
from ....sandbox.model.scenario import Scenario
from .flows import flows_of


def dump_scenario(scenario: Scenario) -> str:
    """As one line of JSON."""
    return json.dumps(dataclasses.asdict(scenario), default=str, separators=(",", ":"))


def load_scenario(text: str) -> Scenario:
    """What `dump_scenario` wrote.

    Raises:
        UsageError: it is not that; the message says what is wrong first.
    """
    try:
        raw = json.loads(text)
        traffic = raw["world"]["traffic"]
        traffic["flows"] = flows_of(traffic.get("flows", ()))
        scenario = _scenarios().validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"it is no scenario: {error!r}") from None
    return scenario


def read_scenario(path: Path) -> Scenario:
    """The scenario in a file that holds what `dump_scenario` wrote.

    Raises:
        UsageError: it cannot be read, or holds something else; the message names the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    try:
        return load_scenario(text)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


@cache
def _scenarios() -> TypeAdapter[Scenario]:
    """Made when it is first needed: it takes a while."""
    return TypeAdapter(Scenario)
