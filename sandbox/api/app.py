"""The HTTP and WebSocket API of one session. Whoever can connect is an operator; a facilitator shows the token."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Query, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocketDisconnect, WebSocketState

from ..journal import encode
from ..logbook import ChangeEntry
from ..model.errors import UsageError
from ..model.events import Command, Logged, Role
from ..provenance import versions
from ..session import Phase, Range, Session, Snapshot
from . import wire
from .driver import Driver

FRAMES = 10.0
"""Most messages of the stream per second and client."""
PATIENCE = 10.0
"""Wall seconds that the host waits for a client that does not read."""
TRY_AGAIN_LATER = 1013
BEARER = "Bearer "
_ERRORS: dict[int | str, dict[str, object]] = {
    400: {"model": wire.ErrorOut, "description": "The request is no valid HTTP or JSON"},
    403: {"model": wire.ErrorOut, "description": "The token is not the facilitator's"},
    409: {"model": wire.ErrorOut, "description": "The drill is over"},
    422: {"model": wire.ErrorOut, "description": "Something in the request is wrong; the message says what"},
}


class Clients:
    """How many are connected, and whether anybody ever was."""

    def __init__(self) -> None:
        self.connected = 0
        self.requests = 0


def create_app(session: Session, driver: Driver | None = None, token: str = "", clients: Clients | None = None) -> FastAPI:
    """The API of a session.

    Args:
        session: what is served.
        driver: who plays it; without one, control goes to the session alone.
        token: a facilitator's; without one nobody is a facilitator.
        clients: takes note of who is there.
    """
    return _Api(session, driver, token, clients or Clients()).app


def openapi() -> dict[str, object]:
    """The API's description, without a session."""
    return _Api(_NoSession(), None, "", Clients()).app.openapi()


class _NoSession:
    """Stands in where only the routes matter."""

    def __getattr__(self, name: str) -> Callable[..., object]:
        raise AttributeError(name)


class _Api:
    """The routes."""

    def __init__(self, session: Session | _NoSession, driver: Driver | None, token: str, clients: Clients) -> None:
        self._session: Session = session  # type: ignore[assignment]  # the stand-in is never asked
        self._driver = driver
        self._token = token
        self._clients = clients
        self.app = FastAPI(
            title="drillbox session",
            version=versions()["drillbox"],
            description=__doc__,
            docs_url=None,
            redoc_url=None,
            openapi_url=f"{wire.PREFIX}/openapi.json",
        )
        self.app.add_exception_handler(UsageError, _usage)
        self.app.add_exception_handler(RequestValidationError, _invalid)
        self.app.add_exception_handler(HTTPException, _http)
        self.app.middleware("http")(self._count)
        self._routes()

    async def _count(self, request: Request, call_next: Callable[[Request], object]) -> Response:
        self._clients.requests += 1
        answer = await call_next(request)  # type: ignore[misc]  # Starlette's type of it
        assert isinstance(answer, Response)
        return answer

    def _routes(self) -> None:
        session = self._session
        app, prefix = self.app, wire.PREFIX
        Caller = Annotated[Role, Depends(self._role)]
        Text = Annotated[str, Query(max_length=wire.LONGEST)]
        Limit = Annotated[int, Query(ge=1, le=wire.MOST_LINES)]
        Second = Annotated[float, Query(ge=-1e6, le=1e6, allow_inf_nan=False)]

        @app.get(f"{prefix}/snapshot", responses=_ERRORS)
        def snapshot() -> Snapshot:
            """The present state, as an on-call may see it."""
            return session.snapshot()

        @app.get(f"{prefix}/events", responses=_ERRORS)
        def events(
            caller: Caller,
            after: Annotated[int, Query(ge=-1, le=2**53)] = -1,
            limit: Annotated[int, Query(ge=1, le=wire.MOST_EVENTS)] = wire.MOST_EVENTS,
        ) -> wire.EventsOut:
            """Events with a number above `after` that the caller may see, oldest first."""
            found = session.events(after, caller)[:limit]
            following = found[-1].number if found else after
            return wire.EventsOut(events=[wire.EventOut.model_validate(encode(one)) for one in found], next=following)

        @app.post(f"{prefix}/commands", status_code=202, responses=_ERRORS)
        def commands(wanted: wire.CommandIn) -> Command:
            """Ask for an action; effective at the next step. What becomes of it is among the events."""
            self._not_over()
            return session.submit(wanted.action, wanted.params, wanted.actor)

        @app.get(f"{prefix}/query", responses=_ERRORS)
        def query(
            expr: Annotated[str, Query(min_length=1, max_length=wire.LONGEST)],
            start: Second,
            end: Second,
            step: Annotated[float, Query(gt=0, le=1e6, allow_inf_nan=False)] = 5.0,
        ) -> Range:
            """A metric, or an expression over metrics, at drill seconds from start to end."""
            _check_range(start, end, step)
            return session.query(expr, start, end, step)

        @app.get(f"{prefix}/logs", responses=_ERRORS)
        def logs(component: Text = "", text: Text = "", severity: Text = "", limit: Limit = wire.MOST_LINES) -> list[Logged]:
            """The latest log lines of components whose name begins so, that hold a text, of a severity or graver."""
            return list(session.logs(component, text, severity))[-limit:]

        @app.get(f"{prefix}/changes", responses=_ERRORS)
        def changes(field: Text = "", by: Text = "", limit: Limit = wire.MOST_LINES) -> list[ChangeEntry]:
            """The latest changes of the desired state: of fields whose name begins so, by somebody."""
            return list(session.changes(field, by))[-limit:]

        @app.get(f"{prefix}/catalogue", responses=_ERRORS)
        def catalogue(caller: Caller) -> wire.CatalogueOut:
            """Actions and metrics; for a facilitator the faults, too."""
            return wire.CatalogueOut.of(session.catalogue(caller))

        @app.put(f"{prefix}/control", responses=_ERRORS)
        def control(wanted: wire.ControlIn) -> Snapshot:
            """Pause, go on, change the speed."""
            self._not_over()
            (self._driver or session).control(pause=wanted.pause, speed=wanted.speed)
            return session.snapshot()

        @app.post(f"{prefix}/abort", status_code=202, responses=_ERRORS)
        def abort(reason: Annotated[str, Query(pattern="^(aborted|interrupted)$")] = "aborted") -> Snapshot:
            """Give up: the drill ends."""
            self._not_over()
            if self._driver is None:
                session.abort()
            else:
                self._driver.end(reason)
            return session.snapshot()

        @app.websocket(f"{prefix}/stream")
        async def stream(socket: WebSocket, after: int = -1) -> None:
            """Frames of snapshot and events."""
            await self._stream(socket, after)

    def _role(self, authorization: Annotated[str, Header(max_length=wire.LONGEST)] = "") -> Role:
        """Facilitator by token; operator without one.

        Raises:
            HTTPException: the token is wrong.
        """
        if not authorization:
            return Role.OPERATOR
        given = authorization.removeprefix(BEARER).encode()
        if not self._token or not secrets.compare_digest(given, self._token.encode()):
            raise HTTPException(403, "the token is not the facilitator's")
        return Role.FACILITATOR

    def _not_over(self) -> None:
        if self._session.snapshot().phase is Phase.ENDED:
            raise HTTPException(409, "the drill is over: nothing can be changed any more")

    async def _stream(self, socket: WebSocket, after: int) -> None:
        try:
            role = self._role(socket.headers.get("authorization", ""))
        except HTTPException:
            await socket.close(1008, "the token is not the facilitator's")
            return
        await socket.accept()
        self._clients.connected += 1
        self._clients.requests += 1
        reader = asyncio.create_task(_drain(socket))
        try:
            await self._send_frames(socket, role, max(-1, min(after, 2**53)), reader)
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass  # it has gone: the drill goes on
        finally:
            self._clients.connected -= 1
            reader.cancel()

    async def _send_frames(self, socket: WebSocket, role: Role, after: int, reader: asyncio.Task[None]) -> None:
        """Until the end, or until the client goes."""
        last: tuple[object, ...] = ()
        while not reader.done():
            snapshot = self._session.snapshot()
            events = self._session.events(after, role)[: wire.MOST_EVENTS]
            state = (
                snapshot.phase,
                snapshot.speed,
                snapshot.now,
                snapshot.events,
                snapshot.bringing_up,
                snapshot.done,
                snapshot.error,
            )
            if events or state != last:
                after, last = events[-1].number if events else after, state
                try:
                    async with asyncio.timeout(PATIENCE):
                        await socket.send_text(wire.frame(snapshot, events).decode())
                except TimeoutError:
                    await socket.close(TRY_AGAIN_LATER, "the client does not read")
                    return
            if (snapshot.phase is Phase.ENDED or snapshot.error) and len(events) < wire.MOST_EVENTS:
                await socket.close(1000, "the drill is over")
                return
            await asyncio.sleep(1.0 / FRAMES)


async def _drain(socket: WebSocket) -> None:
    """Notice when a client goes; what it says is not listened to."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while socket.client_state is WebSocketState.CONNECTED:
            await socket.receive()


def _check_range(start: float, end: float, step: float) -> None:
    if start > end:
        raise UsageError(f"a query goes from start to end; {start:g} is after {end:g}")
    if math.floor((end - start) / step) + 1 > wire.MOST_POINTS:
        raise UsageError(f"a query has at most {wire.MOST_POINTS} points; choose a larger step")


async def _usage(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 422)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers=dict(error.headers or {}))


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    told = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    return JSONResponse({"error": "; ".join(told)[:2000]}, 422)
