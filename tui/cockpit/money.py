"""What the drill has cost so far, from the ledger and the price list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...sandbox.model.scenario import Prices
from .budgets import Sample

PARTS = ("failed", "slow", "predictions", "replicas", "training")
"""What harm is made of."""


def parts_of(ledger: Mapping[str, float], prices: Prices) -> dict[str, float]:
    """Dollars by part: requests without an answer, late answers, wrong predictions, replicas, training."""
    values = (
        ledger.get("failed", 0) * prices.failed,
        ledger.get("slow", 0) * prices.slow,
        ledger.get("prediction_cost", 0.0),
        ledger.get("replica_seconds", 0.0) / 3600.0 * prices.replica_hour,
        ledger.get("training_seconds", 0.0) / 3600.0 * prices.training_hour,
    )
    return dict(zip(PARTS, values, strict=True))


def harm_of(ledger: Mapping[str, float], prices: Prices) -> float:
    """Dollars in all."""
    return sum(parts_of(ledger, prices).values())


def rate_history(samples: Sequence[Sample], prices: Prices, window: float = 30.0) -> list[tuple[float, float | None]]:
    """Dollars per minute at each sample, over the last `window` seconds."""
    sums = [(one.at, harm_of(one.body.ledger, prices)) for one in samples]
    found: list[tuple[float, float | None]] = []
    begin = 0
    for at, total in sums:
        while sums[begin][0] < at - window:
            begin += 1
        since, before = sums[begin]
        found.append((at, (total - before) / (at - since) * 60.0 if at > since else None))
    return found
