"""Logical requests under way: attempts, deadlines, repeats, and their outcome. The rules are those of the simulation's clients.

An attempt fails by an answer other than 200 or by its timeout, which counts from its intended time; the client then comes back
after a back-off with full jitter until its retries are used up. A 429 is final. Latency runs from the intended time of the first
attempt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ....sandbox.model.scenario import Clients
from ..common.client import Connection, Pool
from .ledger import Ledger
from .luck import Luck
from .payloads import Payloads, prediction
from .records import Records

OK, REFUSED = 200, 429
TIMEOUT, BROKEN = 0, -1


class Sender:
    """Sends requests and keeps the ledger."""

    def __init__(self, pool: Pool, payloads: Payloads, luck: Luck, ledger: Ledger, records: Records, slow: float) -> None:
        """`slow` in seconds."""
        self.pool, self.payloads, self.luck, self.ledger, self.records = pool, payloads, luck, ledger, records
        self.slow = slow
        self.clients = Clients()
        self.origin = 0.0  # CLOCK_MONOTONIC at t = 0
        self.waiting: set[Request] = set()
        self.empty = asyncio.Event()  # nothing is in flight
        self.empty.set()
        self.complain: Callable[[str], None] = _ignore

    def now(self) -> float:
        """Drill time in seconds."""
        return time.monotonic() - self.origin

    def send(self, index: int, due: float, example: int, route: int) -> None:
        """A logical request that is due."""
        self.ledger.in_flight += 1
        request = Request(self, index, due, example, route)
        self.waiting.add(request)
        self.empty.clear()
        request.attempt(due)

    def abandon(self) -> int:
        """Count what is not decided as failed; how many they were."""
        left = tuple(self.waiting)
        for request in left:
            request.abandon()
        return len(left)


class Request:
    """One logical request."""

    __slots__ = ("_connection", "_due", "_example", "_index", "_number", "_route", "_send_error", "_sender", "_timer")

    def __init__(self, sender: Sender, index: int, due: float, example: int, route: int) -> None:
        self._sender = sender
        self._index, self._due, self._example, self._route = index, due, example, route
        self._number = 0  # of the attempt
        self._send_error = 0.0
        self._connection: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None

    def attempt(self, intended: float) -> None:
        """Send; `intended` is drill time."""
        sender = self._sender
        parts = sender.payloads.request(self._index, self._example, self._route, self._number)
        self._connection = sender.pool.send(parts, self)
        late = sender.now() - intended
        sender.ledger.send_error.add(late)
        if self._number == 0:
            self._send_error = late
        self._timer = asyncio.get_running_loop().call_later(max(0.0, sender.clients.timeout - late), self._time_out)

    def answered(self, status: int, body: bytes) -> None:
        """The gateway answered the attempt."""
        self._settle()
        sender = self._sender
        sender.ledger.attempts[_class(status)] += 1
        if status != OK:
            self._fail(status)
            return
        try:
            found = prediction(body)
        except ValueError as error:
            sender.complain(f"request {self._index}: {error}")
            self._fail(BROKEN)
            return
        latency = sender.now() - self._due
        slow = latency > sender.slow
        sender.ledger.answered(self._due, latency, slow, self._example, found.late)
        self._record("slow" if slow else "ok", latency, OK, f"{found.score!r},{found.source},{found.version}")

    def broken(self, reason: str) -> None:
        """The attempt's connection broke."""
        self._settle()
        self._sender.ledger.attempts["broken"] += 1
        self._sender.complain(f"connection to the gateway: {reason}")
        self._fail(BROKEN)

    def abandon(self) -> None:
        """The drill is over: this one failed."""
        if self._connection is not None:
            self._connection.give_up()
        self._settle()
        self._sender.ledger.failed(self._due)
        self._record("failed", self._sender.now() - self._due, TIMEOUT, ",,")

    def _time_out(self) -> None:
        if self._connection is not None:
            self._connection.give_up()
        self._settle()
        self._sender.ledger.attempts["timeout"] += 1
        self._fail(TIMEOUT)

    def _settle(self) -> None:
        """This attempt is over."""
        self._connection = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self, status: int) -> None:
        """This attempt failed: come back later, or give up."""
        sender, clients = self._sender, self._sender.clients
        if self._number >= clients.retries or status == REFUSED:
            sender.ledger.failed(self._due)
            self._record("failed", sender.now() - self._due, status, ",,")
            return
        longest = min(clients.backoff_limit, clients.backoff * 2.0 ** min(self._number, 60))
        delay = longest * sender.luck.backoff(self._index, self._number)
        self._number += 1
        self._timer = asyncio.get_running_loop().call_later(delay, self._come_back, sender.now() + delay)

    def _come_back(self, intended: float) -> None:
        self._timer = None
        self.attempt(intended)

    def _record(self, outcome: str, latency: float, status: int, answer: str) -> None:
        waiting = self._sender.waiting
        waiting.discard(self)
        if not waiting:
            self._sender.empty.set()
        times = f"{self._due:.6f},{self._send_error:.6f},{latency:.6f}"
        line = f"{self._index},{self._example},{times},{outcome},{self._number + 1},{status},{answer}"
        self._sender.records.add(line)


def _ignore(text: str) -> None:
    del text


def _class(status: int) -> str:
    return f"{status // 100}xx" if status // 100 in (2, 4, 5) else "broken"
