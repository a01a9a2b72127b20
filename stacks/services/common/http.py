"""What every service answers alike: health, metrics, errors as `{"error": ...}`, and controls behind a token."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Annotated, Self

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from .settings import Finite
from .times import origin_of

TOKEN_HEADER = "X-Control-Token"  # noqa: S105  # a header's name
"""Where the token may stand, too: proxies such as that of the Kubernetes API take `Authorization` for themselves."""

READ_TIMEOUT = 30.0
"""Seconds within which a request has to be there as a whole."""

_BEARER = HTTPBearer(auto_error=False, description="the token in CONTROL_TOKEN")
_HEADER = APIKeyHeader(name=TOKEN_HEADER, auto_error=False, description="the token in CONTROL_TOKEN")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
HeaderToken = Annotated[str | None, Depends(_HEADER)]


class Error(BaseModel):
    """What is wrong."""

    error: str


class State(BaseModel):
    """Whether a service is fit."""

    status: str


def new_app(title: str, ready: Callable[[], str], collector: Collector) -> FastAPI:
    """An application with `/healthz`, `/readyz` and `/metrics`.

    Args:
        title: of the API.
        ready: gives why the service is not ready; an empty text if it is.
        collector: of the metrics.
    """
    app = FastAPI(title=title, docs_url=None, redoc_url=None, redirect_slashes=False)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)

    @app.get("/healthz")
    async def healthz() -> State:
        """The process runs."""
        return State(status="ok")

    @app.get("/readyz", responses={503: {"model": Error}})
    async def readyz() -> State:
        """It can do its work."""
        why = ready()
        if why:
            raise HTTPException(503, why)
        return State(status="ready")

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """In Prometheus's text format."""
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})

    _answer_errors_as_json(app)
    return app


def _answer_errors_as_json(app: FastAPI) -> None:
    @app.exception_handler(StarletteHTTPException)
    async def _http(_request: Request, error: StarletteHTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def _broken(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"error": "the service failed; its log says why"}, 500)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": "; ".join(_told(one["loc"], one["msg"]) for one in error.errors())}, 422)


def _told(where: tuple[object, ...], text: str) -> str:
    place = ".".join(str(part) for part in where if part != "body")
    return f"{place}: {text}" if place else text


def guard(token: str) -> Callable[[Credentials, HeaderToken], None]:
    """A dependency of controls: lets those pass that have the token, as a bearer's or in `TOKEN_HEADER`."""
    wanted = token.encode()

    def check(credentials: Credentials, header: HeaderToken) -> None:
        if not token:
            raise HTTPException(403, "controls are off: CONTROL_TOKEN is not set")
        given = (credentials.credentials if credentials else "", header or "")
        if not any(hmac.compare_digest(one.encode("utf-8", "replace"), wanted) for one in given):
            raise HTTPException(401, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"})

    return check


class Start(BaseModel):
    """When the drill begins: by the monotonic clock of the service's machine, or by the wall clock."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"oneOf": [{"required": ["origin"]}, {"required": ["epoch"]}]})

    origin: Finite | None = Field(None, description="CLOCK_MONOTONIC, in seconds, at t = 0 of the drill")
    epoch: Finite | None = Field(None, description="seconds of the wall clock since 1970 at t = 0 of the drill")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.origin is None) == (self.epoch is None):
            raise ValueError("give either origin or epoch")
        return self

    @property
    def began(self) -> float:
        """CLOCK_MONOTONIC of this machine, in seconds, at t = 0 of the drill."""
        if self.epoch is not None:
            return origin_of(self.epoch)
        assert self.origin is not None  # noqa: S101  # one of them is given
        return self.origin


def add_start(app: FastAPI, token: str, start: Callable[[float], None]) -> None:
    """The control by which a service learns when the drill begins: `start` is given the origin."""

    @app.put("/control/start", dependencies=[Depends(guard(token))], responses=DENIED, status_code=204)
    async def begin(order: Start) -> None:
        """The drill begins at that time."""
        start(order.began)


async def whole_body(request: Request, most: int) -> bytes:
    """The body of a request that is not larger than `most` bytes and comes within `READ_TIMEOUT`."""
    too_large = HTTPException(413, f"at most {most:,} bytes are taken")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise too_large
    content = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            async for part in request.stream():
                content += part
                if len(content) > most:
                    raise too_large
    except TimeoutError:
        raise HTTPException(408, f"the request did not come as a whole within {READ_TIMEOUT:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the client has gone") from None
    return bytes(content)


DENIED: dict[int | str, dict[str, object]] = {code: {"model": Error} for code in (400, 401, 403, 422)}
"""What controls may answer beside success."""
