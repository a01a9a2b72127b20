"""Whatever happens to a scenario file, loading it gives a scenario or a list of problems with places; nothing else is raised."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import InvalidScenarioError
from drillbox.sandbox.model.scenario import Scenario

JUNK = [
    "", " ", "\n", "\t", ":", "-", "{}", "[]", "null", "true", "off", "0", "-1", "1e999", "9" * 30, ".nan", ".inf", "5m", "5%", "120/s", "{cal: 6h}",
    "{cal: []}", "&a", "*a", "!!x", "<<: {}", "---", "...", "%", "@", "'", '"', "|", ">", "#", "é", "\u2028", "🛫", "x" * 400, "2013-02-30", "~", "? ",
]  # fmt: skip
MUTATION = st.tuples(
    st.sampled_from(["delete", "repeat", "replace", "swap", "cut"]),
    st.integers(0, 999),
    st.integers(0, 999),
    st.sampled_from(JUNK),
)


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that is written again and again."""
    return tmp_path_factory.mktemp("mutations") / "drill.yaml"


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
@given(mutations=st.lists(MUTATION, min_size=1, max_size=4))
def test_mutated_text(drill: Path, valid: str, mutations: list[tuple[str, int, int, str]]) -> None:
    """Tokens deleted, repeated, replaced by junk, swapped, or everything behind one cut off."""
    tokens = re.findall(r"\w+|\s+|[^\w\s]", valid)
    for kind, first, second, junk in mutations:
        at, other = first % len(tokens), second % len(tokens)
        if kind == "delete":
            tokens[at] = ""
        elif kind == "repeat":
            tokens.insert(at, tokens[other])
        elif kind == "replace":
            tokens[at] = junk
        elif kind == "swap":
            tokens[at], tokens[other] = tokens[other], tokens[at]
        else:
            del tokens[at + 1 :]
    drill.write_text("".join(tokens), encoding="utf-8")
    loads_or_tells(drill)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(at=st.integers(0, 1999), length=st.integers(0, 40), junk=st.binary(max_size=12))
@example(at=0, length=0, junk=b"\xff\xfe")
@example(at=0, length=9999, junk=b"")
@example(at=10, length=0, junk=b"\x00")
@example(at=10, length=0, junk=b"\xc2\x85")
def test_random_bytes(drill: Path, valid: str, at: int, length: int, junk: bytes) -> None:
    """A stretch of the file replaced by any bytes."""
    raw = valid.encode()
    drill.write_bytes(raw[:at] + junk + raw[at + length :])
    loads_or_tells(drill)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    path=st.sampled_from(
        ["world", "service", "timeline", "objectives", "operators", "profiles", "answer", "skills", "duration", "pager"]
    ),
    value=st.recursive(
        st.one_of(st.sampled_from(JUNK), st.integers(), st.floats(), st.booleans(), st.text(max_size=6)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["id", "at", "when", "for", "with", "short", "reference", "steps", "cal", "pace"]),
                inner,
                max_size=3,
            ),
        ),
        max_leaves=6,
    ),
)
def test_any_value_for_a_key(drill: Path, valid: str, path: str, value: object) -> None:
    """A whole part replaced by data of another shape."""
    kept = re.sub(rf"(?m)^{path}:.*\n(?:[ -].*\n)*", "", valid)
    drill.write_text(f"{kept}{path}: {json.dumps(value)}\n", encoding="utf-8")
    loads_or_tells(drill)
