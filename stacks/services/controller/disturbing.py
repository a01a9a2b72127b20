"""What disturbs the gateway by order, kept in its folder: a controller that starts again goes on with it."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...control_plane.gateway_faults import Injected
from ..common.logs import Log
from ..common.settings import Finite

_PLACE = "controller/injected.json"  # below the folder: Envoy looks at its files again whenever one is moved beside them


class Disturbance(BaseModel):
    """Of the gateway itself: a share of the requests is delayed, a share answered with an error."""

    model_config = ConfigDict(extra="forbid")

    delay: Finite = Field(0.0, ge=0, le=600, description="seconds")
    delayed: Finite = Field(0.0, ge=0, le=1, description="share of the requests that wait so long")
    aborted: Finite = Field(0.0, ge=0, le=1, description="share of the requests that get the error")
    status: int = Field(503, ge=400, le=599, description="the error")

    @classmethod
    def of(cls, injected: Injected) -> Disturbance:
        """As the gateway has it."""
        return cls(**asdict(injected))

    @property
    def injected(self) -> Injected:
        """As the gateway takes it."""
        return Injected(**self.model_dump())


def recall(folder: Path) -> Injected:
    """What was kept; nothing, if there is nothing that could be used."""
    try:
        return Disturbance.model_validate_json((folder / _PLACE).read_bytes()).injected
    except (OSError, ValidationError):
        return Injected()


def keep(folder: Path, injected: Injected, log: Log) -> None:
    """Keep it; what cannot be written is in force all the same."""
    place = folder / _PLACE
    beside = place.with_suffix(".new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(Disturbance.of(injected).model_dump_json())
        os.replace(beside, place)  # noqa: PTH105  # as with Envoy's files: there at once, and whole
    except OSError as error:
        log("warning", f"{place} cannot be written: {error.strerror}; a new controller would not know what it says")
