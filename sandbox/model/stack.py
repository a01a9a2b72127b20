"""The protocol of a stack: where a drill runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from .params import Params
from .scenario import Scenario
from .service import Change, ServiceSpec
from .telemetry import Telemetry
from .views import Table


@dataclass(frozen=True, slots=True)
class InjectFault:
    """Effect: a fault begins. `beat` names it until it is cleared."""

    beat: str
    fault: str
    params: Params
    lasts: float | None = None  # seconds; None: until the end


@dataclass(frozen=True, slots=True)
class ClearFault:
    """Effect: the fault of a beat ends by itself."""

    beat: str


@dataclass(frozen=True, slots=True)
class ApplySpec:
    """Effect: the desired state of the service is now `spec`; `changes` is what differs from the one before."""

    spec: ServiceSpec
    changes: tuple[Change, ...]


Effect = InjectFault | ClearFault | ApplySpec


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a stack can realise, by the names in the catalogues."""

    faults: frozenset[str]
    actions: frozenset[str]
    paced: bool  # whether drill time follows the wall clock by itself
    missing: Mapping[str, str] = field(default_factory=dict)  # by fault or action: what the machine would need for it

    def without(self, missing: Mapping[str, str]) -> Capabilities:
        """But for faults and actions that the machine is not made for: why, by name."""
        names = frozenset(missing)
        return replace(self, faults=self.faults - names, actions=self.actions - names, missing={**self.missing, **missing})

    def why(self, name: str) -> str:
        """What the machine would need for a fault or action, in brackets after a space; empty if that is not what is missing."""
        return f" ({self.missing[name]})" if name in self.missing else ""


class Progress(Protocol):
    """Told of each step while a stack comes up or goes down."""

    def __call__(self, step: str, done: float, /) -> None:
        """`done` is the share of the step that is finished, 0 to 1."""


class Stack(Protocol):
    """Few methods: bring up, apply an effect, advance, look into, take down.

    Drill time starts at minus the warm-up. `advance(until)` returns when drill time has reached `until` with what was observed
    in between, scrapes at multiples of `SCRAPE_INTERVAL` included. `down` may be called at any time, more than once, and also
    if `up` failed halfway.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What it can realise, known before `up`."""

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        """Bring the service up to the start of the warm-up.

        Raises:
            StackError: it could not be brought up; nothing is left behind.
        """

    def apply(self, effect: Effect) -> None:
        """Put an effect into force at the present drill time."""

    def advance(self, until: float) -> Telemetry:
        """Let the drill go on to `until`, in seconds of drill time."""

    def look(self, view: str, subject: str = "") -> Table:
        """What a view of `model.views` shows now, of a feature or a version where it asks for one.

        Raises:
            UsageError: there is no such view on this stack, or not of that; the message names the nearest.
        """

    def finish(self) -> Telemetry:
        """After the end: let what is in flight come to its end without new requests; the last ledger."""

    def down(self) -> None:
        """Take everything down."""
