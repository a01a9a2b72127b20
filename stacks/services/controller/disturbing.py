"""What disturbs the gateway, and what model servers suffer, by order: kept in a folder, for a controller that starts again."""

from __future__ import annotations

import os
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...control_plane.gateway_faults import Injected
from ..common.logs import Log
from ..common.settings import Finite
from .pods import ServerPod

PROCESS = 300.0
"""MiB of a process with its model: what the simulation takes for it (`stacks/sim/containers.py`)."""


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


class Suffering(BaseModel):
    """What model servers are told beside the desired state."""

    model_config = ConfigDict(extra="forbid")

    large: bool = Field(False, description="whether processes have as much memory as those of the simulation")
    leak: Finite = Field(0.0, ge=0, le=100, description="MiB that an answer leaves behind")
    deadly: dict[str, Annotated[Finite, Field(gt=0, le=36_000)]] = Field(
        default_factory=dict, max_length=100, description="seconds that a process lives once it is ready, by revision of settings"
    )

    def told(self, revision: str, pod: ServerPod) -> dict[str, object]:
        """Settings of one model server, under a revision of settings: not all processes live just as long with deadly ones.

        Under a CPU limit below its slots it computes for as long as it answers, and at a low memory limit it has much: limits
        then mean what they mean in the simulation, where a slot wants a core, and a process has 300 MiB.
        """
        spread = 0.8 + 0.4 * zlib.crc32(pod.name.encode()) / 2**32
        large = self.large or self.leak > 0.0 or 0.0 < pod.limit <= PROCESS
        return {
            "memory": PROCESS if large else 0.0,
            "leak": self.leak,
            "effort": 1.0 if 0.0 < pod.cores < pod.slots else 0.0,
            "revision": revision,
            "exit_after": round(self.deadly.get(revision, 0.0) * spread, 3),
        }


Kept = TypeVar("Kept", bound=BaseModel)


def recall(folder: Path, kind: type[Kept]) -> Kept:
    """What was kept; nothing, if there is nothing that could be used."""
    try:
        return kind.model_validate_json((folder / _PLACES[kind]).read_bytes())
    except (OSError, ValidationError):
        return kind()


def keep(folder: Path, ordered: BaseModel, log: Log) -> None:
    """Keep it; what cannot be written is in force all the same."""
    place = folder / _PLACES[type(ordered)]
    beside = place.with_suffix(".new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(ordered.model_dump_json())
        os.replace(beside, place)  # noqa: PTH105  # as with Envoy's files: there at once, and whole
    except OSError as error:
        log("warning", f"{place} cannot be written: {error.strerror}; a new controller would not know what it says")


# Below the folder: Envoy looks at its files again whenever one is moved beside them.
_PLACES: dict[type[BaseModel], str] = {Disturbance: "controller/injected.json", Suffering: "controller/suffering.json"}
