"""Settings of a service: environment variables, read once, checked as a whole."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from ....sandbox.model.errors import UsageError, nearest
from .times import origin_of

_Settings = TypeVar("_Settings", bound="Settings")
_TYPO = 0.86
"""Likeness from which an unknown variable is a slip of the pen: `MODEL_SLOWNES`."""


ADDRESS = r"^(https?://[^\s?#]+)?$"
"""The form of the address of another service; empty: there is none."""


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("a number is wanted")
    return value


Finite = Annotated[float, AfterValidator(_finite)]


class Settings(BaseModel):
    """What every service reads. The name of a variable is the field's alias."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=False)

    host: str = Field("127.0.0.1", alias="SERVICE_HOST", min_length=1, description="address to listen on")
    port: int = Field(0, alias="SERVICE_PORT", ge=0, le=65535, description="port to listen on; 0 takes a free one and logs it")
    component: str = Field("", alias="SERVICE_COMPONENT", description="the name in its logs, that of its pod")
    token: str = Field("", alias="CONTROL_TOKEN", description="what controls ask for; without one they are off")
    deadline: Finite = Field(10.0, alias="SERVICE_DEADLINE", gt=0, le=600, description="seconds to finish what is there")
    drill_origin: Finite | None = Field(
        None, alias="DRILL_ORIGIN", description="CLOCK_MONOTONIC, in seconds, at t = 0 of the drill"
    )
    drill_epoch: Finite | None = Field(
        None, alias="DRILL_EPOCH", description="seconds of the wall clock since 1970 at t = 0 of the drill"
    )

    @field_validator("drill_epoch")
    @classmethod
    def _one_beginning(cls, epoch: float | None, info: ValidationInfo) -> float | None:
        if epoch is not None and info.data.get("drill_origin") is not None:
            raise ValueError("give either DRILL_ORIGIN or DRILL_EPOCH")
        return epoch

    @cached_property
    def origin(self) -> float | None:
        """CLOCK_MONOTONIC of this machine, in seconds, at t = 0 of the drill; None: it is not known yet."""
        return self.drill_origin if self.drill_epoch is None else origin_of(self.drill_epoch)


def read(kind: type[_Settings], environ: Mapping[str, str]) -> _Settings:
    """The settings in an environment.

    Raises:
        UsageError: values are wrong, or a variable's name is nearly that of a setting; one line for each.
    """
    names = {field.alias: name for name, field in kind.model_fields.items() if field.alias}
    problems = [
        f"{name} is no setting of this service: did you mean {close[0]}?"
        for name in sorted(environ)
        if name not in names and (close := difflib.get_close_matches(name, names, n=1, cutoff=_TYPO)) and close[0] not in environ
    ]
    given = {name: environ[name] for name in names if environ.get(name, "") != ""}
    try:
        settings = kind.model_validate(given)
    except ValidationError as error:
        problems += [_problem(kind, one["loc"], one["msg"], one["type"], environ) for one in error.errors()]
        raise UsageError("\n".join(problems)) from None
    if problems:
        raise UsageError("\n".join(problems))
    return settings


def _problem(kind: type[Settings], where: Sequence[object], text: str, sort: str, environ: Mapping[str, str]) -> str:
    name = str(where[0])
    if sort == "missing":
        return f"{name} is not set: it is {_meaning(kind, name)}"
    hint = text.removeprefix("Value error, ")
    annotation = next((field.annotation for field in kind.model_fields.values() if field.alias == name), None)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        hint = nearest(environ.get(name, ""), [str(one) for one in annotation])
    return f"{name}={environ.get(name, '')!r} is wrong ({_meaning(kind, name)}): {hint[:1].lower()}{hint[1:]}"


def _meaning(kind: type[Settings], name: str) -> str:
    return next(field.description or "" for field in kind.model_fields.values() if field.alias == name)
