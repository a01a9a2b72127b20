"""Small modules, clear rooms: half of them have at most 170 lines, and none has more than 500."""

from __future__ import annotations

from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[3]
ROOMS = ("sandbox", "stacks", "tui")
MEDIAN, MOST = 170, 500


def lengths() -> dict[str, int]:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")] + list((ROOT / "drillbox").glob("*.py"))
    return {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}


def test_none_is_long() -> None:
    assert {path: lines for path, lines in lengths().items() if lines > MOST} == {}


def test_most_are_short() -> None:
    assert median(lengths().values()) <= MEDIAN
