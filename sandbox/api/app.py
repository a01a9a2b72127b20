"""The HTTP and WebSocket API of one session. Whoever can connect is an operator; a facilitator shows the token.

Errors are `{"error": "what is wrong, and the nearest valid choice"}` with a status of 4xx.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ..model.errors import UsageError
from ..provenance import versions
from . import routes, stream, wire
from .hosted import Hosted

LONGEST_ERROR = 2000
_PARAMS = ("body", "params")
_NOT_PLAIN = f"a value is text of at most {wire.LONGEST} characters, a number (whole ones to 2^53), true or false"


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
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    return app


def openapi() -> dict[str, object]:
    """The description of the API."""
    described: dict[str, object] = create_app(None).openapi()
    return described


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    return _answer(str(error), 422)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return _answer(str(error.detail), error.status_code, error.headers)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    told: dict[str, str] = {}
    for one in error.errors():
        place, why = one["loc"], str(one["msg"])
        if place[:2] == _PARAMS and len(place) > len(_PARAMS) + 1 and place[-1] != "[key]":
            place, why = place[: len(_PARAMS) + 1], _NOT_PLAIN  # not what is wrong with it as a truth value, a number, and so on
        told.setdefault(".".join(str(part) for part in place), why)
    return _answer("; ".join(f"{place}: {why}" for place, why in told.items()), 422)


def _answer(error: str, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error, cut to a bearable length. Half a surrogate pair, which UTF-8 cannot hold, is escaped."""
    text = error[:LONGEST_ERROR].encode(errors="backslashreplace").decode()
    return JSONResponse({"error": text}, status, headers=dict(headers or {}))
