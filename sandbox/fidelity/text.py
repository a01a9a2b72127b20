"""A comparison in words: a table for the terminal, data for programs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from ..model.units import format_share
from .bands import Band, Comparison, Line

CROWDED = 1.0
"""Processes per core that want to run, from which on they wait for one another."""
_HEADING = ("FIGURE", "DIFFERENCE", "BAND", "MET")


def rows(lines: Sequence[Line], stacks: tuple[str, str]) -> list[list[str]]:
    """Cells of a table, the heading first: figure, both stacks, difference, band, met."""
    return [[_HEADING[0], *(name.upper() for name in stacks), *_HEADING[1:]], *(_row(line) for line in lines)]


def value_text(figure: str, value: float | str | None) -> str:
    """A value with its unit; a dash where there is none."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    match figure:
        case "throughput":
            return f"{value:.1f}/s"
        case "p95":
            return f"{value * 1000.0:.0f} ms"
        case "errors":
            return format_share(round(value, 4))
        case _:
            return f"{value:.3f}"


def distance_text(line: Line) -> str:
    """The difference as its band counts it, with its sign."""
    if line.distance is None or line.band is None:
        return "-"
    if not math.isfinite(line.distance):
        return "from nothing"
    if line.band.relative:
        return f"{line.distance:+.1%}"
    return f"{line.distance * 100.0:+.2f} points" if line.what == "errors" else f"{line.distance:+.3f}"


def band_text(band: Band | None) -> str:
    """How wide a band is."""
    if band is None:
        return "equal"
    if band.relative:
        return f"{band.width:.0%}"
    return f"{band.width * 100.0:g} points" if band.figure == "errors" else f"{band.width:g}"


def met_text(line: Line) -> str:
    """yes, NO, or why nothing can be said."""
    if line.met is None:
        return "NO DATA"
    return "yes" if line.met else "NO"


def why(comparison: Comparison) -> list[str]:
    """Each thing that is not met or could not be compared, in words."""
    found = []
    for line in comparison.missed:
        shown = f"{value_text(line.what, line.sim)} against {value_text(line.what, line.other)}"
        if line.distance is not None:
            shown += f", {distance_text(line)} where {band_text(line.band)} is allowed"
        found.append(f"{line.what}: {line.note or shown}" if line.met is None else f"{line.what}: {shown}{_and(line.note)}")
    if found and comparison.other.crowd is not None and comparison.other.crowd > CROWDED:
        found.append(f"the machine was crowded: {comparison.other.crowd:.1f} processes per core wanted to run at a time")
    return found


def plain(comparison: Comparison) -> dict[str, object]:
    """As JSON data: infinite distances become null."""
    return {
        "met": comparison.met,
        "sim": dataclasses.asdict(comparison.sim),
        "other": dataclasses.asdict(comparison.other),
        "lines": [_plain(line) for line in comparison.lines],
        "parts": {name: [_plain(line) for line in lines] for name, lines in comparison.parts.items()},
    }


def _and(note: str) -> str:
    return f" ({note})" if note else ""


def _row(line: Line) -> list[str]:
    met = met_text(line) + (f" ({line.note})" if line.note and line.met is not True else "")
    band = "set equal" if line.what == "pages" else "same" if line.what == "order of pages" else band_text(line.band)
    return [line.what, value_text(line.what, line.sim), value_text(line.what, line.other), distance_text(line), band, met]


def _plain(line: Line) -> dict[str, object]:
    data = dataclasses.asdict(line)
    if line.distance is not None and not math.isfinite(line.distance):
        data["distance"] = None
    return data
