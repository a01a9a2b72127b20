"""What `play` and `up` ask a host for."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..model.errors import UsageError
from ..model.traffic import HIGHEST


class HostRequest(BaseModel):
    """A drill for a person.

    `scenario` is an id or an absolute path, `speed` drill seconds per wall second, `out` the folder of the journal. With a
    `rate`, in requests per second, there is no incident: the service stands with that traffic.
    """

    model_config = ConfigDict(extra="forbid")

    scenario: str
    seed: int = Field(default=1, ge=0)
    profile: str = ""
    stack: str = "sim"
    speed: float = Field(default=10.0, ge=1.0, le=600.0)
    out: Path | None = None
    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    rate: float | None = Field(default=None, gt=0.0, le=HIGHEST)


def read_request(text: str) -> HostRequest:
    """The request in a JSON text.

    Raises:
        UsageError: it is none; the message names what is wrong with it.
    """
    try:
        return HostRequest.model_validate_json(text)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UsageError(f"no valid request of a host: {told}") from None
