"""What the pipeline's controls take and give, as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from ....sandbox.model.events import Registered
from ....sandbox.model.views import Table
from ...control_plane.interfaces import POOLS
from .outbox import Desire, Item, Said
from .replicas import Report

Plain = StrictBool | StrictInt | StrictFloat | StrictStr
Fields = Annotated[dict[str, Plain], Field(max_length=500)]
"""Values of the desired state by path."""
Count = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class Pod(BaseModel):
    """What is observed of a replica; counters since its container began."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    deployment: Literal[POOLS]  # type: ignore[valid-type]  # mypy does not look into the tuple
    version: str = Field(max_length=200)
    ready: bool
    restarts: int = Field(0, ge=0)
    slots: int = Field(1, ge=0)
    busy_seconds: Count = 0.0
    requests: Count = 0.0
    failed: Count = 0.0
    slow: Count = 0.0

    def report(self) -> Report:
        """As the control plane takes it."""
        return Report(
            self.name, self.deployment, self.version, self.ready, self.busy_seconds, self.requests, self.failed, self.slow
        )


class Trouble(BaseModel):
    """A fault of the catalogue and its parameters."""

    model_config = ConfigDict(extra="forbid", strict=True)

    fault: str
    params: Fields = Field(default_factory=dict)


class State(BaseModel):
    """Where the control plane stands; `in_step` is by how many seconds it lags behind the wall clock."""

    training_seconds: float
    runs: int
    stage: str
    in_step: float


class Wanted(BaseModel):
    """Fields of the desired state are to have these values; so they have here."""

    number: int
    at: float
    kind: Literal["desire"] = "desire"
    fields: dict[str, str | int | float | bool]
    by: str
    why: str


class Line(BaseModel):
    """A component's line of log."""

    number: int
    at: float
    kind: Literal["log"] = "log"
    component: str
    severity: str
    text: str


class Known(BaseModel):
    """A version is known to the registry; `artifact` is its id in the model store."""

    number: int
    at: float
    kind: Literal["registered"] = "registered"
    version: str
    model: str
    train_from: str
    train_until: str
    flights: int
    data_hash: str
    auc: float | None
    brier: float | None
    why: str
    artifact: str


class Items(BaseModel):
    """What the pipeline has to say."""

    items: list[Annotated[Wanted | Line | Known, Field(discriminator="kind")]]


class Shown(BaseModel):
    """A view."""

    title: str
    columns: list[str]
    rows: list[list[str | int | float | None]]
    facts: dict[str, str | int | float | None]


def item_document(item: Item) -> Mapping[str, object]:
    """An item as it is given."""
    head = {"number": item.number, "at": item.at}
    match item.body:
        case Desire(fields, by, why):
            return {**head, "kind": "desire", "fields": fields, "by": by, "why": why}
        case Said(component, severity, text):
            return {**head, "kind": "log", "component": component, "severity": severity, "text": text}
        case Registered() as version:
            return {**head, "kind": "registered", **dataclasses.asdict(version), "artifact": version.model}


def table_document(table: Table) -> Mapping[str, object]:
    """A view as it is given."""
    return {"title": table.title, "columns": table.columns, "rows": table.rows, "facts": dict(table.facts)}
