"""The HTTP and WebSocket API of one session. Whoever can connect is an operator; a facilitator shows the token.

Errors are `{"error": "what is wrong, and the nearest valid choice"}` with a status of 4xx.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ..model.errors import UsageError
from ..model.expr import ExpressionError
from ..provenance import versions
from . import routes, stream, wire
from .hosted import Hosted

LONGEST_ERROR = 2000


def create_app(hosted: Hosted | None) -> FastAPI:
    """The API of a session; without one only its description is of use."""
    app = FastAPI(
        title="drillbox session",
        version=versions()["drillbox"],
        description=__doc__,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{wire.PREFIX}/openapi.json",
    )
    app.state.hosted = hosted
    app.include_router(routes.router)
    app.include_router(stream.router)
    app.add_exception_handler(UsageError, _refused)
    app.add_exception_handler(ExpressionError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    return app


def openapi() -> dict[str, object]:
    """The description of the API."""
    described: dict[str, object] = create_app(None).openapi()
    return described


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)[:LONGEST_ERROR]}, 422)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers=dict(error.headers or {}))


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    told = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    return JSONResponse({"error": "; ".join(told)[:LONGEST_ERROR]}, 422)
