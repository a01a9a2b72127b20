"""The mutations of tests/mutations.py still fit the code; whether they are noticed, `make mutations` tells."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from mutations import MUTATIONS, Mutation, broken  # noqa: E402  # a script beside the tests, not a package


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: str(one.invariant))
def test_it_fits_the_code_and_gives_other_code(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text(encoding="utf-8")
    mutated = broken(mutation, text)
    assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(text))


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match=r"found 0 times"):
        broken(Mutation("nothing", "no such line", ""), "text")
