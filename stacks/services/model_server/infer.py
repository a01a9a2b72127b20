"""The endpoint that infers, as a bare ASGI application: it is the path that every request takes."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from ..common.jsons import dumps
from .answers import HEADER, Headers, Writer
from .predictions import Answer
from .questions import Question
from .slots import Job, QueueFullError, ScoringError, Slots
from .tensors import RequestError, clip

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from .server import Server

PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
READ_TIMEOUT = 30.0
"""Seconds within which a request has to be there as a whole."""

_GONE = 499
_JSON = (b"content-type", b"application/json")


class Infer:
    """Answers `POST /v2/models/{name}[/versions/{version}]/infer`.

    Args:
        server: whose model answers.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._writer = Writer(server.settings.model, server.settings.version)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            status, headers, body = await self._answer(scope, receive)
        except RequestError as error:
            status, headers, body = error.status, [_JSON], dumps({"error": str(error)})
            if error.status in (408, 413):
                headers.append((b"connection", b"close"))  # the rest of the request is not read
        self._server.metrics.requests[status] += 1
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, Headers, bytes]:
        self._check_path(scope["path"])
        slots, reader = self._server.slots, self._server.reader
        if slots is None or reader is None:
            return _unavailable(self._server.why_not_ready())
        headers = dict(scope["headers"])
        body = await self._body(headers, receive)
        if slots.full:  # before it is read: refusals come in floods
            return self._refusal()
        question = reader.read(body, _header_length(headers))
        try:
            job = slots.offer(question)
        except QueueFullError:
            return self._refusal()
        return await self._result(job, slots, question, receive)

    def _refusal(self) -> tuple[int, Headers, bytes]:
        self._server.rejected += 1
        return _unavailable("the queue is full")

    async def _result(self, job: Job, slots: Slots, question: Question, receive: Receive) -> tuple[int, Headers, bytes]:
        began = self._server.clock.now()
        gone = asyncio.ensure_future(_disconnected(receive))
        if self._server.settings.cancel:
            gone.add_done_callback(lambda task: None if task.cancelled() else slots.leave(job))
        try:
            await job.future
        except ScoringError as error:
            self._server.log("error", f"the model failed: {error}")
            return 500, [_JSON], dumps({"error": "the model failed; the log says why"})
        except asyncio.CancelledError:
            if not job.left:  # the server stops
                raise
            return _GONE, [], b""
        finally:
            if gone.done():
                self._server.wasted += not job.left
            gone.cancel()
        time = self._server.clock.now()
        bound = self._server.settings.slow_bound
        self._server.metrics.slow += bound > 0.0 and time - began > bound
        self._server.predictions.add(Answer(question.id, time, question.rows, question.matrix, job.scores, job.source))
        return 200, *self._writer.write(question, job.scores, job.threshold, job.source)

    def _check_path(self, path: str) -> None:
        found, settings = PATH.fullmatch(path), self._server.settings
        name, version = found.groups() if found else ("", None)
        if name != settings.model:
            raise RequestError(404, f"there is no model {clip(name)} here: it serves {settings.model!r}")
        if version is not None and version != settings.version:
            raise RequestError(404, f"there is no version {clip(version)} here: it serves {settings.version!r}")

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        limit = self._server.settings.body_limit
        if b"content-encoding" in headers and headers[b"content-encoding"] != b"identity":
            raise RequestError(415, "compressed requests are not taken: send it without Content-Encoding")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            raise RequestError(413, f"the request has {int(length)} bytes; at most {limit} are taken")
        message = await receive() if length != b"0" and length.isdigit() and int(length) < 65536 else await _in_time(receive)
        parts = [_part(message)]
        size = len(parts[0])
        if size > limit:  # a body in chunks may come at once, and says no length before
            raise RequestError(413, f"the request has more than the {limit} bytes that are taken")
        if not message.get("more_body", False):
            return parts[0]
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                while message.get("more_body", False):
                    message = await receive()
                    parts.append(_part(message))
                    size += len(parts[-1])
                    if size > limit:
                        raise RequestError(413, f"the request has more than the {limit} bytes that are taken")
        except TimeoutError:
            raise RequestError(408, f"the request did not come as a whole within {READ_TIMEOUT:g} s") from None
        return b"".join(parts)


async def _in_time(receive: Receive) -> dict[str, object]:
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            return dict(await receive())
    except TimeoutError:
        raise RequestError(408, f"the request did not come within {READ_TIMEOUT:g} s") from None


def _part(message: object) -> bytes:
    if not isinstance(message, dict) or message.get("type") == "http.disconnect":
        raise RequestError(_GONE, "the client has gone")
    body = message.get("body", b"")
    return body if isinstance(body, bytes) else b""


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _header_length(headers: dict[bytes, bytes]) -> int | None:
    found = headers.get(HEADER)
    if found is None:
        return None
    if not found.isdigit() or len(found) > 12:
        raise RequestError(400, "Inference-Header-Content-Length is no number of bytes")
    return int(found)


def _unavailable(why: str) -> tuple[int, Headers, bytes]:
    return 503, [_JSON, (b"retry-after", b"1")], dumps({"error": why})
