"""What a training job is told: the snapshot that it takes, and where the model goes."""

from __future__ import annotations

import datetime as dt

from pydantic import Field, ValidationInfo, field_validator

from ....sandbox.learning.version import TREES
from ...control_plane.trainer import Order
from ..common.settings import Finite, Settings


class TrainingSettings(Settings):
    """The environment of a training job."""

    store_url: str = Field(
        alias="MODEL_STORE_URL", pattern=r"^https?://[^\s?#]+$", description="the registry that gets the model"
    )
    start: dt.datetime = Field(alias="TRAINING_FROM", description="calendar time at which the window begins")
    until: dt.datetime = Field(alias="TRAINING_UNTIL", description="calendar time at which it ends, that of the snapshot")
    before_hour: int = Field(
        24, alias="TRAINING_BEFORE_HOUR", ge=1, le=24, description="only flights before this hour of the day"
    )
    as_on_time: bool = Field(
        False, alias="TRAINING_AS_ON_TIME", description="whether flights without a label are in it, as on time"
    )
    threshold: Finite = Field(alias="TRAINING_THRESHOLD", ge=0, le=1, description="score from which a flight is called late")
    trees: int = Field(TREES, alias="TRAINING_TREES", ge=1, le=10_000, description="size of the model")
    data: str = Field("", alias="TRAINING_DATA", pattern=r"^[0-9a-f]{0,64}$", description="hash that the snapshot is to have")
    patience: Finite = Field(
        60.0, alias="TRAINING_PATIENCE", gt=0, le=3600, description="seconds for which the registry may be away"
    )

    @field_validator("until")
    @classmethod
    def _after_start(cls, until: dt.datetime, info: ValidationInfo) -> dt.datetime:
        start = info.data.get("start")
        for moment in (until, start):
            if moment is not None and moment.tzinfo is not None:
                raise ValueError("a time of the calendar has no zone: it is that of the data")
        if start is not None and until <= start:
            raise ValueError("the window ends before it begins")
        return until


def environment(order: Order) -> dict[str, str]:
    """The variables that tell a job of an order."""
    snapshot, recipe = order.snapshot, order.recipe
    return {
        "TRAINING_FROM": snapshot.start.isoformat(),
        "TRAINING_UNTIL": snapshot.until.isoformat(),
        "TRAINING_BEFORE_HOUR": str(recipe.before_hour),
        "TRAINING_AS_ON_TIME": str(recipe.hasty).lower(),
        "TRAINING_THRESHOLD": repr(order.threshold),
        "TRAINING_TREES": str(TREES),
        "TRAINING_DATA": snapshot.digest,
    }
