"""The bands within which a real stack must agree with the simulation, and the comparison of two drills."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations

from ..scoring.expectations import APART
from .figures import WHOLE, Figures, Outcome

Pages = Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Band:
    """How far a figure may lie from the simulation's: a share of it (`relative`), or an amount in the figure's unit."""

    figure: str
    width: float
    relative: bool = False

    def distance(self, sim: float, other: float) -> float:
        """From the simulation's value, as the band counts it, with its sign."""
        if not self.relative:
            return other - sim
        return (other - sim) / sim if sim else math.copysign(math.inf, other) if other else 0.0

    def holds(self, distance: float) -> bool:
        """Whether the distance is within the band; rounding in the last digit of a float breaks none."""
        return abs(distance) <= self.width * (1.0 + 1e-9)


@dataclass(frozen=True, slots=True)
class Bands:
    """All bands of a stack. `apart`: seconds between first firings of pages from which on their order is claimed."""

    figures: tuple[Band, ...]
    apart: float = APART


BANDS = Bands(
    (
        Band("throughput", 0.03, relative=True),
        Band("p95", 0.25, relative=True),
        Band("errors", 0.02),
        Band("auc", 0.02),
    )
)
"""Those of DESIGN.md, "The three stacks"."""
OF_STACK: Mapping[str, Bands] = {"kind": Bands(BANDS.figures, apart=30.0)}
"""Stacks with tolerances of their own: pods start and stop less exactly than processes."""


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison. `met` None: there is no data to compare, which `note` explains; it is no pass."""

    what: str
    sim: float | str | None
    other: float | str | None
    distance: float | None = None
    band: Band | None = None
    met: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two drills side by side. `lines` have bands; `parts` are the figures of each other stretch, to explain a difference."""

    sim: Outcome
    other: Outcome
    lines: tuple[Line, ...]
    parts: Mapping[str, tuple[Line, ...]]

    @property
    def met(self) -> bool:
        """Whether all could be compared, and every band is met."""
        return all(line.met is True for line in self.lines)

    @property
    def missed(self) -> tuple[Line, ...]:
        """What is not met, or could not be compared."""
        return tuple(line for line in self.lines if line.met is not True)


def bands_of(stack: str) -> Bands:
    """The bands of a stack."""
    return OF_STACK.get(stack, BANDS)


def compare(sim: Outcome, other: Outcome, bands: Bands = BANDS) -> Comparison:
    """Compare a drill with the simulation's of the same scenario, profile, operator and seed."""
    lines = (
        Line("verdict", sim.verdict, other.verdict, met=sim.verdict == other.verdict, note="; ".join(other.reasons)),
        _same_pages(sim.pages, other.pages),
        _same_order(sim.pages, other.pages, bands.apart),
        *_figures(sim.figures.get(WHOLE, Figures()), other.figures.get(WHOLE, Figures()), bands, (sim.stack, other.stack)),
    )
    parts = {
        name: tuple(_figures(sim.figures[name], other.figures.get(name, Figures()), bands, (sim.stack, other.stack)))
        for name in sim.figures
        if name != WHOLE
    }
    return Comparison(sim, other, lines, parts)


def contradictions(sim: Pages, other: Pages, apart: float) -> tuple[tuple[str, str], ...]:
    """Pairs of pages whose order differs, where at least one of the drills has them that many seconds apart.

    Each pair is in the simulation's order; pages that fired in only one of the drills are another matter.
    """
    first, second = dict(sim), dict(other)
    found = []
    for one, two in combinations([name for name, _ in sim if name in second], 2):
        here, there = first[two] - first[one], second[two] - second[one]
        if here * there < 0.0 and max(abs(here), abs(there)) >= apart:
            found.append((one, two) if here > 0.0 else (two, one))
    return tuple(found)


def _same_pages(sim: Pages, other: Pages) -> Line:
    here, there = dict(sim), dict(other)
    missing = [name for name in here if name not in there]
    surplus = [name for name in there if name not in here]
    notes = [f"{', '.join(missing)} did not fire"] if missing else []
    notes += [f"{', '.join(surplus)} fired in addition"] if surplus else []
    return Line("pages", _told(sim), _told(other), met=not notes, note="; ".join(notes))


def _same_order(sim: Pages, other: Pages, apart: float) -> Line:
    wrong = contradictions(sim, other, apart)
    note = "; ".join(f"{one} does not come before {two}" for one, two in wrong)
    here, there = (", ".join(name for name, _ in pages) or "none" for pages in (sim, other))
    return Line("order of pages", here, there, met=not wrong, note=note)


def _told(pages: Pages) -> str:
    return ", ".join(f"{name} {at:.0f} s" for name, at in pages) or "none"


def _figures(sim: Figures, other: Figures, bands: Bands, stacks: tuple[str, str]) -> Sequence[Line]:
    return [_figure(band, getattr(sim, band.figure), getattr(other, band.figure), stacks) for band in bands.figures]


def _figure(band: Band, sim: float | None, other: float | None, stacks: tuple[str, str]) -> Line:
    if sim is None or other is None:
        without = [name for name, value in zip(stacks, (sim, other), strict=True) if value is None]
        return Line(band.figure, sim, other, band=band, note=f"no data on {' and '.join(without)}")
    distance = band.distance(sim, other)
    return Line(band.figure, sim, other, distance, band, band.holds(distance))


FIGURES = tuple(field.name for field in fields(Figures))
"""Names of the figures."""
