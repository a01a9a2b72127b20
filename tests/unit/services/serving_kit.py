"""An application behind real HTTP, served by a thread of the tests; and the token of processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from drillbox.stacks.services.common.process import listen

TOKEN = "token-of-the-tests"  # noqa: S105 -- of processes that live as long as a test


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The address at which it answers."""
    bound = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([bound])), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join(30.0)
