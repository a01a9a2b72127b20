"""The table of bad inputs in docs/errors.md: every row names a test that there is, in a file that holds the words of the row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"\| (?P<what>.+?) \| (?:`(?P<words>.+?)`|-) \| (?P<code>.+?) \| `(?P<file>\w+\.py)::(?P<test>\w+)` \|")


def matrix() -> list[str]:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    _, begin, rest = page.partition("<!-- matrix: begin -->")
    table, end, _ = rest.partition("<!-- matrix: end -->")
    assert begin
    assert end
    return [line for line in table.strip().splitlines()[2:] if not line.startswith("| **")]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("line", matrix(), ids=lambda line: line.split("|")[1].strip()[:60])
def test_each_row_is_tested(line: str) -> None:
    row = ROW.fullmatch(line)
    assert row, "a row has what is wrong, the words, the exit code and the test"
    assert row["code"] in {"-", "0", "1", "2", "3", "4", "130", "0 to 3"}
    (path,) = (ROOT / "tests").rglob(row["file"])
    assert row["test"] in names_in(path)
    assert (row["words"] or "") in path.read_text(encoding="utf-8"), "the words of the row stand in the test"


def test_it_has_everything_that_a_user_can_get_wrong() -> None:
    assert len(matrix()) >= 70
    named = {match["test"] for line in matrix() if (match := ROW.fullmatch(line))}
    assert len(named) >= 50
