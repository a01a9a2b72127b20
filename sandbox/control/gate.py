"""The gates of a retraining run, as pure decisions: may these data be trained on, and is the new version better?

Both say why. A candidate is compared with the champion on the same flights, none of which either was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FEWEST = 200
"""Flights below which a comparison says nothing."""
FEWEST_IN_SLICE = 200
SLICE_TOLERANCE = 0.05
"""By how much the Brier score of a slice may be higher than the champion's: about two standard errors on 200 flights."""
LEAST_ROWS = 0.7
"""Share of the usual number of rows below which a snapshot is not whole."""
NULL_EXCESS = 0.2
"""By how much the share of a feature's missing values may exceed that of the champion's training data."""
OUT_OF_RANGE = 0.05
"""Largest share of a feature's values outside its declared range."""


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """A snapshot of training data against that of the champion."""

    rows: int
    usual_rows: float  # in as many days
    columns: tuple[str, ...]
    expected_columns: tuple[str, ...]
    null_excess: Mapping[str, float]  # share of missing values beyond the champion's, by feature
    out_of_range: Mapping[str, float]  # share of values outside the declared range, by feature


@dataclass(frozen=True, slots=True)
class Comparison:
    """Brier scores on the same flights."""

    flights: int
    candidate: float
    champion: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a run may go on, and why."""

    passed: bool
    reason: str


def validate(facts: SnapshotFacts) -> Verdict:
    """Whether a snapshot may be trained on: schema, row count, missing values, ranges."""
    missing = [name for name in facts.expected_columns if name not in facts.columns]
    if missing or len(facts.columns) != len(facts.expected_columns):
        return Verdict(False, f"schema: expected {', '.join(facts.expected_columns)}, found {', '.join(facts.columns)}")
    if not facts.rows:
        return Verdict(False, "there are no rows")
    if facts.rows < LEAST_ROWS * facts.usual_rows:
        return Verdict(False, f"{facts.rows:,} rows are {facts.rows / facts.usual_rows:.0%} of the usual {facts.usual_rows:,.0f}")
    for what, found, most in (("missing", facts.null_excess, NULL_EXCESS), ("out of range", facts.out_of_range, OUT_OF_RANGE)):
        worst = max(found, key=lambda name: found[name], default="")
        if worst and found[worst] > most:
            return Verdict(False, f"{found[worst]:.0%} of {worst} is {what}, more than usual by over {most:.0%}")
    return Verdict(
        True, f"{facts.rows:,} rows, {facts.rows / facts.usual_rows:.0%} of the usual number; schema, nulls and ranges are fine"
    )


def judge(overall: Comparison, slices: Mapping[str, Comparison], margin: float) -> Verdict:
    """Whether a candidate may replace the champion.

    Args:
        overall: on all flights of the evaluation.
        slices: on those of each slice, by name.
        margin: by how much the candidate's Brier score must be lower.
    """
    if overall.flights < FEWEST:
        return Verdict(False, f"{overall.flights} flights to compare on, {FEWEST} are needed")
    told = f"Brier score {overall.candidate:.4f} against the champion's {overall.champion:.4f} on {overall.flights:,} flights"
    if overall.candidate > overall.champion - margin:
        return Verdict(False, f"{told}: not lower by {margin:g}")
    for name, one in sorted(slices.items()):
        if one.flights >= FEWEST_IN_SLICE and one.candidate > one.champion + SLICE_TOLERANCE:
            return Verdict(False, f"{told}, but {one.candidate:.3f} against {one.champion:.3f} for {name}")
    return Verdict(True, told)
