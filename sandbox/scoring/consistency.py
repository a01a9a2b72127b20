"""Whether the events of a drill can be those of a drill: a journal that somebody changed is refused before it is judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise

from ..model.scenario import Scenario
from ..model.telemetry import Ledger
from .record import Record

LEDGER = frozenset(part.name for part in fields(Ledger))
_DUST = 1e-6


class ContradictionError(ValueError):
    """Facts that cannot be true together; the message names them."""


def contradiction(record: Record, scenario: Scenario) -> None:
    """Check what scoring and reports rely on.

    Raises:
        ContradictionError: the first thing that cannot be.
    """
    if record.until > scenario.duration + _DUST:
        raise ContradictionError(f"{record.until:g} s, when the drill has {scenario.duration:g} s")
    for before, after in pairwise(record.points):
        if after.at <= before.at:
            raise ContradictionError(f"{after.at:g} s, where there are two observations")
    for point in record.points:
        _ledger(point.ledger, point.at)
        for name, (good, total) in point.counts.items():
            if not 0 <= good <= total + _DUST:
                raise ContradictionError(f"{point.at:g} s: {good:g} of {total:g} events of {name[:60]!r} are good")
    if record.ledger:
        _ledger(record.ledger, record.until)


def _ledger(ledger: Mapping[str, float], at: float) -> None:
    if ledger.keys() != LEDGER:
        raise ContradictionError(f"{at:g} s: the ledger has not the entries {', '.join(sorted(LEDGER))}")
    if not all(math.isfinite(value) for value in ledger.values()):
        raise ContradictionError(f"{at:g} s: the ledger is not finite")
