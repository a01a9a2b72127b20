"""The HTTP interface of the controller: health, metrics, whom to scrape, and what disturbs the gateway."""

from __future__ import annotations

from fastapi import Depends, FastAPI
from pydantic import BaseModel

from ...deploy.envoy.names import Address
from ...deploy.kubernetes.names import MODEL_SERVER
from ..common.http import DENIED, guard, new_app
from .disturbing import Disturbance, Suffering
from .metrics import ControllerMetrics
from .service import Controller


class Discovered(BaseModel):
    """A target, in the format of Prometheus' HTTP service discovery."""

    targets: list[str]
    labels: dict[str, str]


def build(controller: Controller, token: str) -> FastAPI:
    """The application."""
    app = new_app("drillbox controller", controller.why_not_ready, ControllerMetrics(controller))
    own = [Depends(guard(token))]

    @app.get("/targets")
    async def targets() -> list[Discovered]:
        """The model servers to scrape, for Prometheus' `http_sd_configs`: as long as they are there, ready or not."""
        port = controller.servers_port
        found = sorted((pod.name, str(Address(pod.ip, port))) for pod in controller.servers if pod.ip)
        return [Discovered(targets=[address], labels={"job": MODEL_SERVER, "instance": name}) for name, address in found]

    @app.get("/control/injected", responses=DENIED, dependencies=own)
    async def current() -> Disturbance:
        """What disturbs the gateway now."""
        return Disturbance.of(controller.injected)

    @app.put("/control/injected", responses=DENIED, dependencies=own, status_code=204)
    async def inject(wanted: Disturbance) -> None:
        """Disturb the gateway like this, and no longer as before; without fields: not at all."""
        controller.inject(wanted.injected)

    @app.put("/control/suffering", responses=DENIED, dependencies=own, status_code=204)
    async def suffer(wanted: Suffering) -> None:
        """Let model servers suffer like this, also those that start later; without fields: not at all."""
        controller.suffer(wanted)

    return app
