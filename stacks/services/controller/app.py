"""The HTTP interface of the controller: health, metrics, and what disturbs the gateway."""

from __future__ import annotations

from fastapi import Depends, FastAPI

from ..common.http import DENIED, guard, new_app
from .disturbing import Disturbance
from .metrics import ControllerMetrics
from .service import Controller


def build(controller: Controller, token: str) -> FastAPI:
    """The application."""
    app = new_app("drillbox controller", controller.why_not_ready, ControllerMetrics(controller))
    own = [Depends(guard(token))]

    @app.get("/control/injected", responses=DENIED, dependencies=own)
    async def current() -> Disturbance:
        """What disturbs the gateway now."""
        return Disturbance.of(controller.injected)

    @app.put("/control/injected", responses=DENIED, dependencies=own, status_code=204)
    async def inject(wanted: Disturbance) -> None:
        """Disturb the gateway like this, and no longer as before; without fields: not at all."""
        controller.inject(wanted.injected)

    return app
