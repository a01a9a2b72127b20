"""The HTTP interface of the controller: health, metrics, and what disturbs the gateway."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field

from ...control_plane.gateway_faults import Injected
from ..common.http import DENIED, guard, new_app
from ..common.settings import Finite
from .metrics import ControllerMetrics
from .service import Controller


class Disturbance(BaseModel):
    """Of the gateway itself: a share of the requests is delayed, a share answered with an error."""

    model_config = ConfigDict(extra="forbid")

    delay: Finite = Field(0.0, ge=0, le=600, description="seconds")
    delayed: Finite = Field(0.0, ge=0, le=1, description="share of the requests that wait so long")
    aborted: Finite = Field(0.0, ge=0, le=1, description="share of the requests that get the error")
    status: int = Field(503, ge=400, le=599, description="the error")


def build(controller: Controller, token: str) -> FastAPI:
    """The application."""
    app = new_app("drillbox controller", controller.why_not_ready, ControllerMetrics(controller))
    own = [Depends(guard(token))]

    @app.get("/control/injected", responses=DENIED, dependencies=own)
    async def current() -> Disturbance:
        """What disturbs the gateway now."""
        return Disturbance(**asdict(controller.injected))

    @app.put("/control/injected", responses=DENIED, dependencies=own, status_code=204)
    async def inject(wanted: Disturbance) -> None:
        """Disturb the gateway like this, and no longer as before; without fields: not at all."""
        controller.inject(Injected(**wanted.model_dump()))

    return app
