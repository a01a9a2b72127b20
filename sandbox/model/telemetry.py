"""What a stack lets be observed: scrapes of the producers' metrics, log lines, changes, and the ledger of harm."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .events import Registered
from .service import Change

SCRAPE_INTERVAL = 5.0
"""Seconds of drill time between scrapes, on every stack."""


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """One time series: the producer's metric name and its labels, sorted by label name."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, name: str, **labels: str) -> Series:
        """A series from keyword labels."""
        return cls(name, tuple(sorted(labels.items())))

    def label(self, name: str) -> str:
        """The value of a label; empty if it has none, as in PromQL."""
        return dict(self.labels).get(name, "")

    def __str__(self) -> str:
        """As in the Prometheus text format."""
        inner = ",".join(f'{name}="{value}"' for name, value in self.labels)
        return f"{self.name}{{{inner}}}" if inner else self.name


@dataclass(frozen=True, slots=True)
class Scrape:
    """All values at one scrape.

    `values[i]` (float64) belongs to `series[i]`. The producer passes the *same* tuple object for as long as the set of series is
    the same, so that readers may cache what they derive from it. A series that is missing here and was in the scrape before
    has gone stale.
    """

    at: float
    series: tuple[Series, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AlertState:
    """An alert that is active by a Prometheus outside. `labels` are sorted by name and have no `alertname`."""

    name: str
    labels: tuple[tuple[str, str], ...]
    firing: bool  # else pending
    since: float  # when the condition began to hold, in seconds of drill time
    value: float
    summary: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that an on-call would find in the logs."""

    at: float
    component: str
    severity: str  # debug, info, warning, error
    text: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Cumulative outcome of the logical requests scheduled in the drill (t >= 0), and of what was paid for.

    Costs are in the price list's currency. `prediction_cost` sums over answered requests the cost of the prediction under the
    true label; each request is exactly one of failed, slow, ok.
    """

    failed: int = 0
    slow: int = 0
    ok: int = 0
    prediction_cost: float = 0.0
    replica_seconds: float = 0.0
    training_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What was observed since the last step.

    `replicas` are the names of all that exist now, `versions` what came to be known. `alerts` are those that a real Prometheus
    has now; None where there is none, and the session's own monitor decides.
    """

    at: float
    scrapes: tuple[Scrape, ...] = ()
    logs: tuple[LogLine, ...] = ()
    changes: tuple[Change, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)
    replicas: tuple[str, ...] = ()
    versions: tuple[Registered, ...] = ()
    alerts: tuple[AlertState, ...] | None = None
