"""Settings of the load generator, and what its controls take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ....sandbox.model.errors import UsageError
from ....sandbox.model.scenario import Clients, WorldConfig
from ..common.settings import Finite, Settings
from .config import load_world


def _world(text: str) -> str:
    try:
        load_world(text)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return text


class LoadSettings(Settings):
    """The environment of the load generator."""

    target: str = Field(alias="LOAD_TARGET", pattern=r"^http://[^/:\s]+:\d{1,5}$", description="the gateway, as http://HOST:PORT")
    model: str = Field("flights", alias="MODEL_NAME", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="the model's name")
    world_text: Annotated[str, AfterValidator(_world)] = Field(
        alias="LOAD_WORLD", description="the world's configuration as JSON"
    )
    seed: int = Field(0, alias="DRILL_SEED", ge=0, description="of the drill")
    warmup: Finite = Field(0.0, alias="LOAD_WARMUP", ge=0, description="seconds of requests before t = 0")
    duration: Finite = Field(alias="LOAD_DURATION", gt=0, description="seconds of requests after t = 0")
    slow: Finite | None = Field(None, alias="LOAD_SLOW_BOUND", gt=0, description="an answer later than this is slow, in seconds")
    log_file: Path | None = Field(None, alias="LOAD_LOG", description="file that gets a line for each request")

    @property
    def world(self) -> WorldConfig:
        """The world's configuration."""
        return load_world(self.world_text)

    @property
    def slow_bound(self) -> float:
        """An answer later than this is slow, in seconds."""
        return self.world.clients.timeout if self.slow is None else self.slow


class SpikeOrder(BaseModel):
    """More clients: the fault `traffic.spike`."""

    model_config = ConfigDict(extra="forbid")

    factor: Finite = Field(ge=0, le=100)
    ramp: Finite = Field(0.0, ge=0, le=3600)
    at: Finite | None = Field(None, description="drill time in seconds at which it begins; now if not given")


class ClientsOrder(BaseModel):
    """Other clients: the fault `clients.retry_storm`. What is not given stays as usual."""

    model_config = ConfigDict(extra="forbid")

    retries: int | None = Field(None, ge=0, le=20)
    timeout: Finite | None = Field(None, gt=0, le=600)
    backoff: Finite | None = Field(None, ge=0, le=600)
    backoff_limit: Finite | None = Field(None, ge=0, le=600)

    def over(self, usual: Clients) -> Clients:
        """The clients' policy with what is given here in place of the usual."""
        given = {name: value for name, value in self if value is not None}
        return Clients(**{**{name: getattr(usual, name) for name in ClientsOrder.model_fields}, **given})
