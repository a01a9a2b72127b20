"""The stream of a session: frames of snapshot and events over a WebSocket, each client at its own pace."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import APIRouter, WebSocket
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocketDisconnect, WebSocketState

from ..model.events import Role
from ..session import Phase
from . import wire
from .hosted import Hosted, hosted_of

FRAMES = 10.0
"""Most messages per second and client."""
PATIENCE = 10.0
"""Wall seconds that the host waits for a client that does not read."""
POLICY, TRY_AGAIN_LATER = 1008, 1013
"""Why a WebSocket is closed: a wrong token, a client that does not read."""

router = APIRouter(prefix=wire.PREFIX)


@router.websocket("/stream")
async def stream(socket: WebSocket, after: int = -1) -> None:
    """Frames from the events after a number on, until the drill is over."""
    hosted = hosted_of(socket)
    try:
        role = hosted.role(socket.headers.get("authorization", ""))
    except HTTPException as error:
        await socket.close(POLICY, str(error.detail))
        return
    await socket.accept()
    hosted.connected += 1
    hosted.requests += 1
    reader = asyncio.create_task(_listen(socket))
    try:
        await _send(socket, hosted, role, max(-1, min(after, 2**53)), reader)
    except (WebSocketDisconnect, RuntimeError, OSError):
        pass  # it has gone: the drill goes on
    finally:
        hosted.connected -= 1
        reader.cancel()


async def _send(socket: WebSocket, hosted: Hosted, role: Role, after: int, reader: asyncio.Task[None]) -> None:
    """Frames whenever something has changed, until the end or until the client goes. Nothing is kept for it: it has a cursor."""
    session, last = hosted.session, None
    pause = 1.0 / FRAMES
    due = asyncio.get_running_loop().time()
    while not reader.done():
        snapshot = session.snapshot()
        events = session.events(after, role)[: wire.MOST_EVENTS]
        state = (snapshot.phase, snapshot.speed, snapshot.now, snapshot.bringing_up, snapshot.done, snapshot.error)
        if events or state != last:
            after, last = events[-1].number if events else after, state
            try:
                async with asyncio.timeout(PATIENCE):
                    await socket.send_text(wire.frame(snapshot, events).decode())
            except TimeoutError:
                await socket.close(TRY_AGAIN_LATER, "the client does not read")
                return
        if len(events) == wire.MOST_EVENTS:
            continue  # there may be more at once
        if snapshot.phase is Phase.ENDED:
            await socket.close(1000, "the drill is over")
            return
        due = max(due + pause, asyncio.get_running_loop().time())
        await asyncio.sleep(due - asyncio.get_running_loop().time())


async def _listen(socket: WebSocket) -> None:
    """Notice when a client goes; what it says is not listened to."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while socket.client_state is WebSocketState.CONNECTED:
            await socket.receive()
