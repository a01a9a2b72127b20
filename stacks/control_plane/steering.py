"""What the service's own controllers hold on to: time, the desired state, and the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ...sandbox.model.params import Value
from ...sandbox.model.service import Change, Retraining, ServiceSpec, with_fields

if TYPE_CHECKING:
    import simpy

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


def told(change: Change) -> str:
    """A changed field as a line of the log of who changed it."""
    text = f"{change.field.removeprefix('retraining.')}: {_said(change.before)} -> {_said(change.after)}"
    return f"{text} ({change.why})" if change.why else text


def _said(value: object) -> object:
    """An empty name in words."""
    return "none" if value == "" else value
