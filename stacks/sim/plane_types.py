"""What the data plane is told and what it tells: policies of clients, service times, models, counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .layout import Floats

NO_COSTS: Floats = np.zeros(1)
"""One example, free of charge."""


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """How clients behave: seconds and counts; the back-off doubles from `backoff` to `limit`, with full jitter.

    Raises:
        ValueError: a value is out of range.
    """

    timeout: float = math.inf
    retries: int = 0
    backoff: float = 0.2
    limit: float = 5.0
    retry_refused: bool = False  # whether a 429 is tried again

    def __post_init__(self) -> None:
        if not (self.timeout > 0.0 and self.retries >= 0 and 0.0 <= self.backoff < math.inf and 0.0 <= self.limit < math.inf):
            raise ValueError(f"not a policy of clients: {self}")


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """How long a server takes for one request, in seconds, as a distribution. Make it with one of the class methods.

    Raises:
        ValueError: a time is negative or not finite.
    """

    kind: int
    a: float
    b: float = 0.0
    table: tuple[float, ...] = ()

    @classmethod
    def constant(cls, seconds: float) -> ServiceTime:
        """Always the same."""
        return cls(0, _time(seconds))

    @classmethod
    def exponential(cls, mean: float) -> ServiceTime:
        """Exponential."""
        return cls(1, _time(mean))

    @classmethod
    def lognormal(cls, mean: float, cv: float) -> ServiceTime:
        """Log-normal, by its mean and coefficient of variation."""
        variance = math.log1p(_time(cv) ** 2)
        return cls(2, math.log(_time(mean)) - variance / 2.0, math.sqrt(variance))

    @classmethod
    def quantiles(cls, table: Sequence[float]) -> ServiceTime:
        """Measured: at least two evenly spaced quantiles from the smallest to the largest value, linear in between."""
        if len(table) < 2 or any(later < earlier for earlier, later in pairwise(table)):
            raise ValueError("a table of quantiles has at least two values and does not fall")
        return cls(3, _time(table[0]), float(len(table)), tuple(_time(value) for value in table))


def _time(seconds: float) -> float:
    if not 0.0 <= seconds < math.inf:
        raise ValueError(f"not a service time: {seconds}")
    return float(seconds)


@dataclass(frozen=True, slots=True)
class Model:
    """What a replica can serve: its speed, and the cost in dollars of its answer to each example (one value: to all)."""

    service: ServiceTime
    costs: Floats = field(default_factory=lambda: NO_COSTS)


@dataclass(frozen=True, slots=True)
class Counts:
    """Decided logical requests that were scheduled at t >= 0, and the cost of their predictions in dollars."""

    failed: int
    slow: int
    ok: int
    prediction_cost: float
