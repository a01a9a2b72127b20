from __future__ import annotations

import json
import math
from typing import Any

import pytest

from drillbox.stacks.services.common import jsons


@pytest.fixture(params=["as installed", "standard library"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "standard library":
        monkeypatch.setattr(jsons, "_FAST", False)


@pytest.mark.parametrize("text", [b"NaN", b"[Infinity]", b"-Infinity", b"[" * 100_000, b"\xff", b"", b"{'a': 1}", b"[1,]"])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the two libraries word it differently
        jsons.loads(text)


def test_nan_is_written_as_null() -> None:
    value: dict[str, Any] = {"a": [1.5, math.nan], "b": "é", "c": None}
    assert json.loads(jsons.dumps(value)) == {"a": [1.5, None], "b": "é", "c": None}
    assert jsons.loads(jsons.dumps(value)) == {"a": [1.5, None], "b": "é", "c": None}
