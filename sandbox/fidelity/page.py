"""The page of fidelity in the documents: what was measured, between two marks, with commit and machine."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..model.errors import UsageError
from .bands import BANDS, Comparison, Line
from .matrix import Row
from .text import distance_text, why

BEGIN, END = "<!-- measured: begin ({stack}) -->", "<!-- measured: end ({stack}) -->"


def with_measured(page: str, stack: str, text: str) -> str:
    """The page with the measured part of a stack replaced.

    Raises:
        UsageError: the page has not both marks, in their order.
    """
    begin, end = BEGIN.format(stack=stack), END.format(stack=stack)
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise UsageError(f"the page has no part for this stack, between {begin} and {end}")
    return f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}"


def measured(rows: Sequence[Row], how: str) -> str:
    """The measured part: when and where, a table, and below it what is not met.

    Args:
        rows: of the matrix.
        how: profile, seed, number of runs.
    """
    figures = [band.figure for band in BANDS.figures]
    heading = ["scenario", "operator", "runs", "verdicts", "expected", "pages", *figures, "bands"]
    lines = [
        f"{_source(rows, how)}.",
        "",
        "For each figure: the worst difference of the runs, as its band counts it.",
        "",
        f"| {' | '.join(heading)} |",
        f"|{'---|' * len(heading)}",
        *(f"| {' | '.join(_cells(row, figures))} |" for row in rows),
    ]
    problems = [problem for row in rows for problem in _problems(row)]
    kept = sum(row.met for row in rows)
    passed = sum(row.as_expected for row in rows)
    lines += ["", f"{passed} of {len(rows)} rows came to the expected verdict each time; {kept} kept every band each time."]
    if problems:
        lines += ["", "Not met:", "", *(f"- {problem}" for problem in problems)]
    return "\n".join(lines)


def _source(rows: Sequence[Row], how: str) -> str:
    """Commits, days, machines: each that is known, once."""
    commits = list(dict.fromkeys(commit for row in rows for commit in row.commits))
    source = f"Commit {commits[0]}" if len(commits) == 1 else f"Commits {', '.join(commits)}" if commits else "No run yet"
    days = sorted({day for row in rows for day in row.days if day})
    when = days[:1] if len(days) < 2 else [f"{days[0]} to {days[-1]}"]
    machines = dict.fromkeys(one for row in rows for one in row.machines if one)
    return "; ".join([source, *when, how, *machines])


def _cells(row: Row, figures: Sequence[str]) -> list[str]:
    verdicts = [one.other.verdict for one in row.comparisons]
    counted = ", ".join(f"{verdicts.count(name)} {name}" for name in dict.fromkeys(verdicts)) or "-"
    names = sorted({line.what for one in row.comparisons for line in one.missed})
    bands = "met" if row.met else "**not met**: " + ", ".join(names) if names else "**not played**"
    same = _share(row, ("pages", "order of pages"))
    expected = "yes" if row.as_expected else f"**no**: {row.expected}"
    runs = f"{len(row.comparisons)} of {row.wanted}"
    return [row.scenario, row.operator, runs, counted, expected, same, *(_worst(row, name) for name in figures), bands]


def _share(row: Row, what: Sequence[str]) -> str:
    """In how many of the runs lines of those names are met."""
    if not row.comparisons:
        return "-"
    same = sum(all(line.met for line in one.lines if line.what in what) for one in row.comparisons)
    return "same" if same == len(row.comparisons) else f"**{same} of {len(row.comparisons)} same**"


def _worst(row: Row, figure: str) -> str:
    lines = [line for one in row.comparisons for line in one.lines if line.what == figure]
    if not lines:
        return "-"
    if any(line.distance is None for line in lines):
        return "**no data**"
    worst = max(lines, key=_size)
    return distance_text(worst) if worst.met else f"**{distance_text(worst)}**"


def _size(line: Line) -> float:
    return abs(line.distance) if line.distance is not None else math.inf


def _problems(row: Row) -> list[str]:
    name = f"`{row.scenario}`, {row.operator}"
    missing = row.wanted - len(row.comparisons) - len(row.errors)
    found = [f"{name}: could not be played: {error}" for error in dict.fromkeys(row.errors)]
    found += [f"{name}: {missing} of {row.wanted} runs are still to be played"] if missing else []
    found += [
        f"{name}, run {number}: {'; '.join(_reasons(one, row.expected))}"
        for number, one in enumerate(row.comparisons, start=1)
        if not one.met or one.other.verdict != row.expected
    ]
    return found


def _reasons(comparison: Comparison, expected: str) -> list[str]:
    other = comparison.other
    reasons = why(comparison)
    if other.verdict != expected and other.verdict == comparison.sim.verdict:
        reasons.append(f"{other.verdict} where {expected} is expected ({'; '.join(other.reasons)})")
    return reasons
