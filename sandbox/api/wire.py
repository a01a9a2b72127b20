"""What goes over the wire: the session's own types as JSON, both ways, and the bodies of requests and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from ..journal import decode, encode
from ..logbook import ChangeEntry
from ..model.actions import Action
from ..model.events import Command, Event, Logged
from ..model.faults import Fault
from ..model.params import Param
from ..model.views import Table
from ..session import Catalogue, Range, Snapshot

PREFIX = "/v1"
MOST_EVENTS = 1000
"""Events in one answer."""
MOST_LINES = 1000
"""Log lines or changes in one answer."""
MOST_POINTS = 11_000
"""Points of a query: as many as Prometheus gives."""
BEARER = "Bearer "
"""How a facilitator's token is shown. Here, so that a client need not load what only a host needs."""
LONGEST = 1000
"""Characters of an expression, a name or a text."""

Reason = Literal["aborted", "interrupted"]
"""Why a client ends a drill."""

SNAPSHOT = TypeAdapter(Snapshot)
RANGE = TypeAdapter(Range)
TABLE = TypeAdapter(Table)
COMMAND = TypeAdapter(Command)
LOGS = TypeAdapter(list[Logged])
CHANGES = TypeAdapter(list[ChangeEntry])


class Body(BaseModel):
    """A part of a request or an answer; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class ErrorOut(Body):
    """Why a request was refused."""

    error: str


class EventOut(BaseModel):
    """An event as the journal has it: number, drill second, audience, kind, and the fields of its kind."""

    model_config = ConfigDict(extra="allow")

    n: int
    t: float
    to: str
    kind: str = Field(alias="is")


class EventsOut(Body):
    """Events in order. `next` is the number to ask with for those that follow."""

    events: list[EventOut]
    next: int


Name = Annotated[str, Field(max_length=100)]
LARGEST = 2**53
"""Beyond it not every JSON library tells whole numbers apart."""
Plain = (
    bool
    | Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
    | Annotated[float, Field(allow_inf_nan=False)]
    | Annotated[str, Field(max_length=LONGEST)]
)
"""A parameter's value as it is asked for."""


class CommandIn(Body):
    """What an operator asks for; parameters as a person writes them (`"35%"`) or in base units (0.35)."""

    model_config = ConfigDict(strict=True)  # 0 is not false, and "1" no number

    action: str = Field(min_length=1, max_length=LONGEST)
    params: dict[Name, Plain] = Field(default_factory=dict, max_length=50)
    actor: str = Field(default="you", min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@-]*$")


class ControlIn(Body):
    """Pause or go on; drill seconds per wall second. What is not given stays."""

    model_config = ConfigDict(strict=True)

    pause: bool | None = None
    speed: float | None = Field(default=None, ge=1.0, le=600.0, allow_inf_nan=False)


class ActionOut(Body):
    """An action; what it does to the desired state stays with the host."""

    name: str
    component: str
    help: str
    params: tuple[Param, ...]
    fields: tuple[str, ...]
    duration: float
    destructive: bool
    mitigating: bool


class CatalogueOut(Body):
    """What can be asked for; faults only for a facilitator."""

    actions: list[ActionOut]
    metrics: list[str]
    faults: list[Fault]

    @classmethod
    def of(cls, catalogue: Catalogue) -> CatalogueOut:
        """The wire's form of a catalogue."""
        actions = [ActionOut(**{name: getattr(one, name) for name in ActionOut.model_fields}) for one in catalogue.actions]
        return cls(actions=actions, metrics=list(catalogue.metrics), faults=list(catalogue.faults))

    def catalogue(self) -> Catalogue:
        """The catalogue of a client: its actions cannot be planned there."""
        actions = tuple(Action(**{name: getattr(one, name) for name in ActionOut.model_fields}) for one in self.actions)
        return Catalogue(actions, tuple(self.metrics), tuple(self.faults))


class Frame(Body):
    """One message of the stream: the present state, and the events since the frame before."""

    snapshot: dict[str, JsonValue]
    events: list[dict[str, JsonValue]]


def frame(snapshot: Snapshot, events: Sequence[Event]) -> bytes:
    """A message of the stream as JSON text."""
    parts = b",".join(_EVENT.dump_json(encode(event)) for event in events)
    return b'{"snapshot":' + SNAPSHOT.dump_json(snapshot) + b',"events":[' + parts + b"]}"


def read_frame(text: str | bytes) -> tuple[Snapshot, list[Event]]:
    """What `frame` wrote.

    Raises:
        ValueError: it is no frame.
    """
    read = Frame.model_validate_json(text)
    return SNAPSHOT.validate_python(read.snapshot), read_events(read.events)


def read_events(events: Sequence[Mapping[str, object]]) -> list[Event]:
    """Events from JSON data.

    Raises:
        ValueError: one is none.
    """
    return [decode(event) for event in events]


_EVENT = TypeAdapter(dict[str, object])
