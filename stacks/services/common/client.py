"""A light HTTP/1.1 client: connections over asyncio, answers parsed by httptools. Its cost per request is what matters.

Why not a client library: docs/decisions/0009.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools


class Attempt(Protocol):
    """Who waits for an answer."""

    def answered(self, status: int, body: bytes) -> None:
        """The whole answer is there."""

    def broken(self, reason: str) -> None:
        """The connection could not be made, or broke before the whole answer was there."""


class Connection(asyncio.Protocol):
    """One connection, with at most one request on its way."""

    def __init__(self, pool: Pool, request: tuple[bytes, ...], attempt: Attempt) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._first = request
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self.attempt: Attempt | None = attempt

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open: the request that it was opened for goes out, unless nobody waits any more."""
        self._transport = cast("asyncio.Transport", transport)  # of a stream; uvloop's is of no class of asyncio
        if self.attempt is None:
            self._transport.abort()
            return
        self._transport.writelines(self._first)
        self._first = ()

    @property
    def usable(self) -> bool:
        """Whether it is open and not about to close."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: tuple[bytes, ...], attempt: Attempt) -> None:
        """A further request."""
        self.attempt = attempt
        self._parser = httptools.HttpResponseParser(self)
        assert self._transport is not None  # noqa: S101  # it was idle, so it is open
        self._transport.writelines(request)

    def give_up(self) -> None:
        """Nobody waits any more: hang up, so that the gateway knows."""
        self.attempt = None
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """A part of the answer."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._end(f"not an answer: {error}")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        attempt, self.attempt = self.attempt, None
        status, body = self._parser.get_status_code(), b"".join(self._body)
        self._body.clear()
        if attempt is None or not self._parser.should_keep_alive():
            self._end("closed")
        else:
            self._pool.idle(self)
        if attempt is not None:
            attempt.answered(status, body)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whom ever."""
        self._pool.lost(self)
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            attempt.broken(str(exc) if exc else "the connection was closed")

    def _end(self, reason: str) -> None:
        attempt, self.attempt = self.attempt, None
        if self._transport is not None:
            self._transport.abort()
        if attempt is not None:
            attempt.broken(reason)


class Pool:
    """Connections to one address; one that is idle is used again, the last one first. There is no limit: clients are many."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: dict[Connection, None] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self.open = 0

    def send(self, request: tuple[bytes, ...], attempt: Attempt) -> Connection:
        """Send a request; the attempt hears of what becomes of it, never before this returns."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.usable:
                connection.send(request, attempt)
                return connection
        connection = Connection(self, request, attempt)
        self.open += 1
        task = asyncio.get_running_loop().create_task(self._connect(connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return connection

    async def _connect(self, connection: Connection) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, self._host, self._port)
        except OSError as error:
            connection.connection_lost(error)

    def idle(self, connection: Connection) -> None:
        """A connection can be used again."""
        self._idle[connection] = None

    def lost(self, connection: Connection) -> None:
        """A connection is closed."""
        self._idle.pop(connection, None)
        self.open -= 1

    def close(self) -> None:
        """Close what is idle."""
        for connection in tuple(self._idle):
            connection.give_up()
