"""The host process: it owns one session, plays it, and serves it on a Unix socket until nobody asks any more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ..pace import PaceKeeper
from ..session import DrillSession
from .app import create_app
from .driver import Driver
from .folders import OwnFolder, SessionInfo
from .hosted import Hosted

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent  # what its own protocols take

LINGER = 30.0
"""Wall seconds after the end without a client and a request until the host goes."""
LINGER_UNSEEN = 5.0
"""The same if nobody ever asked."""
MOST_SAID = 4096
"""Bytes of a message from a client of the stream, which has nothing to say."""
GRACE = 2
"""Wall seconds that connections have to end when the host goes."""
KEEP_ALIVE = 3600
"""Wall seconds that an idle connection stays: longer than any client's, so that none is closed while a request is on its way."""
_LOOK = 0.02
_BACKLOG = 128


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Says goodbye also to a client that does not read: the last frame need not wait for room."""

    async def send(self, message: ASGISendEvent) -> None:
        """As usual, but for a close."""
        if message["type"] == "websocket.close":
            self.writable.set()
        await super().send(message)


class _Server(uvicorn.Server):
    """uvicorn without its own handling of signals: what they mean for a drill is decided here."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def host(session: DrillSession, folder: OwnFolder, info: SessionInfo, announce: Callable[[], object]) -> BaseException | None:
    """Serve a session, then bring it up and play it; returns when nobody has asked for a while after the end.

    Args:
        session: not yet started.
        folder: of this process.
        info: what others are told.
        announce: called once the socket listens.

    Returns:
        What ended the drill, if it did not end by itself.
    """
    return asyncio.run(_host(session, folder, info, announce))


async def _host(
    session: DrillSession, folder: OwnFolder, info: SessionInfo, announce: Callable[[], object]
) -> BaseException | None:
    loop = asyncio.get_running_loop()
    over, leave = asyncio.Event(), asyncio.Event()
    driver = Driver(session, info.speed, lambda: loop.call_soon_threadsafe(over.set), paced=PaceKeeper(Path(info.journal)))
    hosted = Hosted(session, driver, folder.token)

    def interrupt() -> None:
        driver.end("interrupted")
        leave.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, interrupt)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # the terminal that started the drill may go
    server = _Server(configuration(hosted))
    with _listening(folder.socket) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        folder.tell(info)  # it listens already: who comes now is served in a moment
        announce()
        driver.start()
        await over.wait()
        await _linger(hosted, leave)
        server.should_exit = True
        await serving
    return driver.failure


def configuration(hosted: Hosted) -> uvicorn.Config:
    """How a session is served. Frames are small and stay on this machine: they are not compressed."""
    return uvicorn.Config(
        create_app(hosted),
        ws=WebSocketProtocol,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        ws_max_size=MOST_SAID,
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    """A listening socket that is never open to others, not even for a moment."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)
    with listener:
        listener.listen(_BACKLOG)
        yield listener


async def _linger(hosted: Hosted, leave: asyncio.Event) -> None:
    """Wait until nobody is connected and nobody has asked for a while; if it is to go, only for those who are connected."""
    loop = asyncio.get_running_loop()
    since, requests = loop.time(), hosted.requests

    def leaves() -> bool:
        return leave.is_set() or (hosted.driver is not None and hosted.driver.dismissed)

    def patience() -> float:
        if leaves():
            return GRACE if hosted.connected else 0.0
        return LINGER if hosted.requests else LINGER_UNSEEN

    while loop.time() - since < patience():
        await asyncio.sleep(_LOOK)
        if not leaves() and (hosted.connected or hosted.requests != requests):
            since, requests = loop.time(), hosted.requests
