"""A session, served on a Unix socket by a thread of this process as a host serves it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from websockets.sync.client import ClientConnection, unix_connect

from drillbox.sandbox.api.driver import Driver
from drillbox.sandbox.api.host import configuration
from drillbox.sandbox.api.hosted import Hosted
from drillbox.sandbox.session import DrillSession

TOKEN = secrets.token_urlsafe(8)
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PATIENCE = 20.0
"""Seconds until a test gives up waiting for what must happen."""


def nothing(_step: str, _done: float, /) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class Served:
    """A session, and how to reach it."""

    session: DrillSession
    driver: Driver | None
    socket: Path
    operator: httpx.Client
    facilitator: httpx.Client

    def stream(self, after: int = -1, *, facilitator: bool = False) -> ClientConnection:
        """The stream of one client."""
        headers = BEARER if facilitator else {}
        return unix_connect(
            str(self.socket),
            f"ws://drill/v1/stream?after={after}",
            additional_headers=headers,
            open_timeout=PATIENCE,
            close_timeout=1,
            max_size=None,
        )


class Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[object] | None = None) -> None:
        """As usual."""
        await super().startup(sockets)  # type: ignore[arg-type]  # uvicorn's own type
        self.ready.set()


@contextmanager
def served(session: DrillSession, driver: Driver | None = None) -> Iterator[Served]:
    """Serve a session until the block ends."""
    hosted = Hosted(session, driver, TOKEN)
    folder = Path(tempfile.mkdtemp(prefix="host-"))  # a short path: those of sockets are limited
    socket = folder / "s"
    config = configuration(hosted)
    config.uds = str(socket)
    server = Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        assert server.ready.wait(PATIENCE)
        transports = [httpx.HTTPTransport(uds=str(socket)) for _ in range(2)]
        with (
            httpx.Client(transport=transports[0], base_url="http://drill", timeout=PATIENCE) as operator,
            httpx.Client(transport=transports[1], base_url="http://drill", timeout=PATIENCE, headers=BEARER) as facilitator,
        ):
            yield Served(session, driver, socket, operator, facilitator)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        shutil.rmtree(folder)
