"""What the service's own controllers hold on to: time, the desired state, and the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import simpy

from ...sandbox.model.params import Value
from ...sandbox.model.service import Retraining, ServiceSpec, with_fields
from .interfaces import Log


class Desire(Protocol):
    """Changes the desired state."""

    def __call__(self, spec: ServiceSpec, by: str, why: str = "") -> None:
        """`by` is who does it."""


@dataclass(frozen=True, slots=True)
class Steering:
    """`env` has drill time, `spec` gives the desired state, `desire` changes it, `log` takes component, severity and text."""

    env: simpy.Environment
    spec: Callable[[], ServiceSpec]
    desire: Desire
    log: Log

    @property
    def loop(self) -> Retraining:
        """The desired state of the retraining loop."""
        return self.spec().retraining

    def put(self, values: dict[str, Value], by: str, why: str = "") -> None:
        """Set fields of the desired state by their paths."""
        self.desire(with_fields(self.spec(), values), by, why)
