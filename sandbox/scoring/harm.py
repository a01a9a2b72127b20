"""Harm: what the incident and the way it was handled cost, in dollars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from ..model.scenario import Prices


@dataclass(frozen=True, slots=True)
class Harm:
    """Dollars by what they were lost or spent on."""

    failed: float = 0.0
    slow: float = 0.0
    predictions: float = 0.0
    replicas: float = 0.0
    training: float = 0.0

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(self.parts().values())

    def parts(self) -> dict[str, float]:
        """Every part by name."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def since(self, earlier: Harm) -> Harm:
        """What was added after `earlier`."""
        before = earlier.parts()
        return Harm(**{name: value - before[name] for name, value in self.parts().items()})


def harm_of(ledger: Mapping[str, float], prices: Prices) -> Harm:
    """The harm of a ledger.

    Each logical request is exactly one of failed, slow, ok, at its price; an answered one adds the cost of its prediction under
    the true label.
    """
    return Harm(
        failed=ledger["failed"] * prices.failed,
        slow=ledger["slow"] * prices.slow,
        predictions=ledger["prediction_cost"],
        replicas=ledger["replica_seconds"] / 3600.0 * prices.replica_hour,
        training=ledger["training_seconds"] / 3600.0 * prices.training_hour,
    )
