"""What all benchmarks give: lines of one table, each a figure with its unit and, where something is promised, its limit."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Line:
    """One line of the table; the limit is a number and whether the value may at least or at most be that."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    least: bool = True

    @property
    def holds(self) -> bool:
        """Whether it is within its limit."""
        return self.limit is None or (self.value >= self.limit if self.least else self.value <= self.limit)

    @property
    def promised(self) -> str:
        """The limit in words."""
        return "" if self.limit is None else f"{'>=' if self.least else '<='} {self.limit:g}"

    def __str__(self) -> str:
        """As a line of text."""
        return f"{self.what:<62}{self.value:>10.4g} {self.unit:<16}{self.promised:<9}{'' if self.holds else 'BROKEN'}".rstrip()


def run(measure: Callable[[], Sequence[Line]], about: str | None) -> None:
    """Measure, print, and exit; with `--check` with 1 if a limit is broken."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is broken")
    parser.add_argument("--json", action="store_true", help="print the lines as JSON")
    asked = parser.parse_args()
    lines = measure()
    if asked.json:
        print(json.dumps([asdict(line) for line in lines]))
    else:
        print(*lines, sep="\n")
    sys.exit(int(asked.check and not all(line.holds for line in lines)))
