"""The HTTP interface: V2's endpoints, health, metrics, and controls."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version as installed
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Receive, Scope, Send

from ....sandbox.model.errors import nearest
from ....sandbox.model.service import Fallback
from ..common.http import DENIED, Error, add_start, guard, new_app
from ..common.settings import Finite
from . import documents as doc
from .infer import PATH, Infer
from .server import Server
from .settings import REVISION, Live, ModelSettings, Quarantined

_ERRORS: Mapping[int | str, dict[str, object]] = {
    status: {"model": Error, "description": why}
    for status, why in (
        (400, "the request is wrong"),
        (404, "no such model or version"),
        (408, "the request did not come in time"),
        (413, "the request is too large"),
        (415, "the request is compressed"),
        (503, "the queue is full, or the model is not loaded"),
    )
}
_UNKNOWN: dict[int | str, dict[str, object]] = {404: {"model": Error}, 422: {"model": Error}}
_WAITING: dict[int | str, dict[str, object]] = {**_UNKNOWN, 503: {"model": Error}}


class Changes(BaseModel):
    """What a control changes; the rest stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    concurrency: int | None = Field(None, ge=1, le=1024)
    queue: int | None = Field(None, ge=0, le=100_000)
    fallback: Annotated[Fallback | None, Field(strict=False)] = None
    quarantined: Quarantined | None = None
    lookup_timeout: Finite | None = Field(None, gt=0, le=60)
    slowness: Finite | None = Field(None, ge=1, le=1000)
    slow_share: Finite | None = Field(None, ge=0, le=1)
    work: Finite | None = Field(None, ge=0, le=10_000)
    work_cv: Finite | None = Field(None, ge=0, le=10)
    hold: Finite | None = Field(None, ge=0, le=600_000)
    hold_cv: Finite | None = Field(None, ge=0, le=10)
    rules_hold: Finite | None = Field(None, ge=0, le=600_000)
    memory: Finite | None = Field(None, ge=0, le=65_536)
    leak: Finite | None = Field(None, ge=0, le=100)
    effort: Finite | None = Field(None, ge=0, le=1)
    threshold: Finite | None = Field(None, ge=0, le=1)
    revision: str | None = Field(None, pattern=REVISION)
    exit_after: Finite | None = Field(None, ge=0, le=36_000)
    unfit: bool | None = None


def build(server: Server) -> ASGIApp:
    """The application of a server: what infers goes straight to its handler, all else through FastAPI."""
    infer = Infer(server)
    app = interface(server)

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and PATH.fullmatch(scope["path"]):
            await infer(scope, receive, send)
        else:
            await app(scope, receive, send)

    return front


def interface(server: Server) -> FastAPI:
    """All endpoints, documented."""
    app = new_app("drillbox model server", server.why_not_ready, server.metrics)
    _about_the_server(app, server)
    _about_the_model(app, server)
    _inference(app)
    _controls(app, server)
    add_start(app, server.settings.token, server.clock.start)
    return app


def _known(settings: ModelSettings, name: str, version: str | None) -> None:
    if name != settings.model:
        raise HTTPException(404, f"there is no model of that name: {nearest(name, [settings.model])}")
    if version is not None and version != settings.version:
        raise HTTPException(404, f"there is no such version: {nearest(version, [settings.version])}")


def _about_the_server(app: FastAPI, server: Server) -> None:
    @app.get("/v2")
    async def server_metadata() -> doc.ServerMetadata:
        """Of the server."""
        return doc.ServerMetadata(name="drillbox", version=installed("drillbox"), extensions=["binary_tensor_data"])

    @app.get("/v2/health/live")
    async def live() -> doc.Live:
        """The process runs."""
        return doc.Live(live=True)

    @app.get("/v2/health/ready", responses={503: {"model": Error}})
    async def ready() -> doc.Ready:
        """The model is loaded."""
        _fit(server)
        return doc.Ready(ready=True)


def _about_the_model(app: FastAPI, server: Server) -> None:
    settings = server.settings

    @app.get("/v2/models/{name}", responses=_UNKNOWN)
    @app.get("/v2/models/{name}/versions/{version}", responses=_UNKNOWN)
    async def model_metadata(name: str, version: str | None = None) -> doc.ModelMetadata:
        """Of the model."""
        _known(settings, name, version)
        return doc.model_metadata(settings.model, settings.version)

    @app.get("/v2/models/{name}/ready", responses=_WAITING)
    @app.get("/v2/models/{name}/versions/{version}/ready", responses=_WAITING)
    async def model_ready(name: str, version: str | None = None) -> doc.ModelReady:
        """The model is loaded."""
        _known(settings, name, version)
        _fit(server)
        return doc.ModelReady(name=name, ready=True)


def _inference(app: FastAPI) -> None:
    form = {"requestBody": doc.REQUEST}
    answers: dict[int | str, dict[str, object]] = {200: doc.RESPONSE, **_ERRORS}

    @app.post("/v2/models/{name}/infer", openapi_extra=form, responses=answers, response_class=Response)
    @app.post("/v2/models/{name}/versions/{version}/infer", openapi_extra=form, responses=answers, response_class=Response)
    async def infer_model(request: Request, name: str, version: str = "") -> Response:
        """Score flights. Requests come here by another way (`build`); this one documents it."""
        raise HTTPException(404, f"there is no model {name} {version}: {request.url.path}")


def _controls(app: FastAPI, server: Server) -> None:
    own = [Depends(guard(server.settings.token))]

    @app.get("/control/settings", responses=DENIED, dependencies=own)
    async def current() -> Live:
        """What is in force."""
        return server.live

    @app.post("/control/settings", responses=DENIED, dependencies=own)
    async def change(changes: Changes) -> Live:
        """Change settings while the server serves; what is not named stays."""
        given = {name: value for name, value in changes.model_dump().items() if value is not None}
        server.change(server.live.model_copy(update=given))
        return server.live


def _fit(server: Server) -> None:
    why = server.why_not_ready()
    if why:
        raise HTTPException(503, why)
