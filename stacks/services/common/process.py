"""A service as a process: listens, logs, and on SIGTERM stops taking requests, finishes what is there, and exits with 0."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Generator

import uvicorn
from starlette.types import ASGIApp

from ....sandbox.model.errors import DrillboxError, UsageError
from .logs import Log, adopt_libraries
from .settings import Settings

KEEP_ALIVE = 3600
"""Seconds that an idle connection stays: longer than any client's, so that none is closed while a request is on its way."""


class _Server(uvicorn.Server):
    """Signals are handled here, not by uvicorn, which would end the process by the signal that it caught."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A bound socket.

    Raises:
        UsageError: the port is taken or the address cannot be used.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(2048)
    except (OSError, UnicodeError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "is in use: set SERVICE_PORT to another one, or to 0 for a free one" if taken else f"cannot be used: {error}"
        raise UsageError(f"port {port} of {host} {reason}") from None
    return bound


async def serve(
    app: ASGIApp,
    settings: Settings,
    log: Log,
    begin: Callable[[], Awaitable[None]],
    stop: Callable[[], None],
    end: Callable[[], Awaitable[None]],
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        app: what answers.
        settings: where to listen, and how long to finish.
        log: of the service.
        begin: is called once it listens.
        stop: is called when the signal comes: the service is not ready from then on.
        end: is called when the last request is finished.

    Raises:
        UsageError: it cannot listen there.
    """
    bound = listen(settings.host, settings.port)
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, int(settings.deadline)),
        loop="none",
        ws="none",
        backlog=2048,
    )
    server = _Server(config)

    def terminate() -> None:
        if not server.should_exit:
            log("info", "terminating: finishes what it has")
            stop()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, terminate)
    host, port = bound.getsockname()[:2]
    await begin()
    log("info", f"listening on {host}:{port}")
    await server.serve([bound])
    await end()
    log("info", "terminated")


def run(main: Callable[[], Awaitable[None]], log: Log) -> int:
    """Run a service to its end; its exit code. uvloop drives it where it is installed."""
    adopt_libraries(log)
    try:
        import uvloop
    except ImportError:  # a light dependency that only saves time
        factory = None
    else:
        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_awaited(main))
    except DrillboxError as error:
        log("error", str(error))
        print(error, file=sys.stderr)  # noqa: T201 -- a service's diagnostics, as a command's, go to stderr
        return int(error.exit_code)
    return 0


async def _awaited(main: Callable[[], Awaitable[None]]) -> None:
    await main()
