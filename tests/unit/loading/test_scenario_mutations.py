"""Whatever happens to a scenario file, loading it gives a scenario or a list of problems with places; nothing else is raised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import InvalidScenarioError
from drillbox.sandbox.model.scenario import Scenario

TOKENS = re.findall(r"\w+|\s+|[^\w\s]", VALID)
JUNK = [
    "", " ", "\n", "\t", ":", "-", "{}", "[]", "null", "true", "off", "0", "-1", "1e999", "9" * 30, ".nan", ".inf", "5m", "5%", "120/s", "{cal: 6h}",
    "{cal: []}", "&a", "*a", "!!x", "<<: {}", "---", "...", "%", "@", "'", '"', "|", ">", "#", "é", "\u2028", "🛫", "x" * 400, "2013-02-30", "~", "? ",
]  # fmt: skip
MUTATION = st.tuples(
    st.sampled_from(["delete", "repeat", "replace", "swap", "cut"]), st.integers(0, len(TOKENS) - 1), st.integers(0, len(TOKENS) - 1), st.sampled_from(JUNK)
)


def loads_or_tells(path: Path) -> None:
    """The only two outcomes, for the loader and for the listing."""
    try:
        scenario = load_scenario(path)
    except InvalidScenarioError as error:
        assert error.problems
        lines = path.read_bytes().count(b"\n") + path.read_bytes().count(b"\r") + 2
        for problem in error.problems:
            assert problem.message
            assert "\n" not in str(problem)
            assert problem.place.file == str(path)
            assert problem.place.line is None or 1 <= problem.place.line <= lines * 3
    else:
        assert isinstance(scenario, Scenario)
        assert len(scenario.digest) == 64
        assert scenario == load_scenario(path)
    listing = Library([path.parent]).listing()
    assert len(listing.entries) == 1 or listing.problems


@settings(derandomize=True, deadline=None, max_examples=250)
@given(st.lists(MUTATION, min_size=1, max_size=4))
def test_mutated_text(mutations: list[tuple[str, int, int, str]]) -> None:
    """Tokens deleted, repeated, replaced by junk, swapped, or everything behind one cut off."""
    tokens = list(TOKENS)
    for kind, at, other, junk in mutations:
        at, other = min(at, len(tokens) - 1), min(other, len(tokens) - 1)
        if at < 0:
            break
        if kind == "delete":
            del tokens[at]
        elif kind == "repeat":
            tokens.insert(at, tokens[other])
        elif kind == "replace":
            tokens[at] = junk
        elif kind == "swap":
            tokens[at], tokens[other] = tokens[other], tokens[at]
        else:
            del tokens[at:]
    check("".join(tokens).encode())


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, len(VALID)), st.integers(0, 40), st.binary(max_size=12))
@example(0, 0, b"\xff\xfe")
@example(0, len(VALID), b"")
@example(10, 0, b"\x00")
@example(10, 0, b"\x85\xc2")
def test_random_bytes(at: int, length: int, junk: bytes) -> None:
    """A stretch of the file replaced by any bytes."""
    raw = VALID.encode()
    check(raw[:at] + junk + raw[at + length :])
