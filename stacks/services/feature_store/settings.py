"""Settings of the feature store."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, Field

from ....sandbox.model.errors import UsageError
from ....sandbox.world.calendar import validate_calendar
from ..common.settings import Finite, Settings


def _start(moment: dt.datetime) -> dt.datetime:
    try:
        validate_calendar(moment, 1.0, 0.0, 0.0)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return moment


class StoreSettings(Settings):
    """The environment of the feature store."""

    start: Annotated[dt.datetime, AfterValidator(_start)] = Field(alias="DRILL_START", description="calendar time at t = 0")
    pace: Finite = Field(1.0, alias="DRILL_PACE", gt=0, le=1e6, description="calendar seconds in a second of drill time")
    seed: int = Field(0, alias="DRILL_SEED", ge=0, description="of the drill")
    feed: str = Field("latest", alias="FEATURES_FEED", min_length=1, description="version of the suppliers' interface")
