"""Commands in, events out. An event is a frozen, numbered fact with an audience; it is the engine's only output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .params import Params, Value


class Role(StrEnum):
    """Who speaks: roles see different events."""

    OPERATOR = "operator"
    FACILITATOR = "facilitator"


class Audience(StrEnum):
    """Who may see an event. What the facilitator sees, the operator does not before the debrief."""

    ALL = "all"
    FACILITATOR = "facilitator"


@dataclass(frozen=True, slots=True)
class Command:
    """What an operator asks: effective at the next step, ordered by (actor, number). `number` counts from 1 per actor."""

    actor: str
    number: int
    action: str
    params: Mapping[str, object]
    role: Role = Role.OPERATOR


@dataclass(frozen=True, slots=True)
class Began:
    """The drill began: the first event."""

    scenario: str
    title: str
    pager: str


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault is in force."""

    beat: str
    fault: str
    params: Params


@dataclass(frozen=True, slots=True)
class Cleared:
    """A fault ended by itself."""

    beat: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command is valid and under way."""

    actor: str
    number: int
    action: str
    params: Params


@dataclass(frozen=True, slots=True)
class Rejected:
    """A command changed nothing; `reason` names what would be valid."""

    actor: str
    number: int
    action: str
    params: Mapping[str, object]
    reason: str


@dataclass(frozen=True, slots=True)
class Completed:
    """A command's change is in force."""

    actor: str
    number: int
    action: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A command was accepted but could not be done when its time came."""

    actor: str
    number: int
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A field of the service's desired state changed; `why` as far as it is known."""

    field: str
    before: Value
    after: Value
    by: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of the model is known to the registry.

    `model` is its id there, `train_from` and `train_until` bound its training window (calendar, ISO), `flights` were trained on,
    `data_hash` is that of the data they come from, `auc` and `brier` are those on them. `why` there is such a version.
    """

    version: str
    model: str
    train_from: str
    train_until: str
    flights: int
    data_hash: str
    auc: float
    brier: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Logged:
    """A log line of a component, at its own time."""

    when: float
    component: str
    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Alerted:
    """An alert's state changed: inactive, pending, firing or resolved. `told`: whether it was not silenced."""

    name: str
    labels: Mapping[str, str]
    before: str
    state: str
    value: float
    summary: str
    told: bool


@dataclass(frozen=True, slots=True)
class Hinted:
    """Somebody asked for a hint; `hint` counts from 1."""

    actor: str
    hint: int
    text: str


@dataclass(frozen=True, slots=True)
class Observed:
    """Every 5 s: the SLIs (missing where there is no data), cumulative (good, total) events per objective, and the ledger."""

    slis: Mapping[str, float]
    counts: Mapping[str, tuple[float, float]]
    ledger: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Settled:
    """After the end: what was in flight came to its end; the last ledger."""

    ledger: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ended:
    """The drill is over. `reason`: finished, aborted, interrupted or broken."""

    reason: str


Body = (
    Began
    | Injected
    | Cleared
    | Accepted
    | Rejected
    | Completed
    | Failed
    | Changed
    | Registered
    | Logged
    | Alerted
    | Hinted
    | Observed
    | Settled
    | Ended
)

BODIES: dict[str, type[Body]] = {
    body.__name__: body
    for body in (
        Began, Injected, Cleared, Accepted, Rejected, Completed, Failed, Changed, Registered, Logged, Alerted, Hinted, Observed,
        Settled, Ended,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """A fact: numbers grow by one from 0, `at` is drill time in seconds and never falls."""

    number: int
    at: float
    audience: Audience
    body: Body
