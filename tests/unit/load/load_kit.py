"""A world, a gateway that does as it is told, and a sender in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import time
from collections.abc import AsyncIterator, Callable

import numpy as np

from drillbox.sandbox.model.scenario import Clients, Prices, Traffic, WorldConfig
from drillbox.sandbox.world.flights import World, open_world
from drillbox.stacks.services.common.client import Pool
from drillbox.stacks.services.load.ledger import Ledger
from drillbox.stacks.services.load.luck import Luck
from drillbox.stacks.services.load.payloads import Payloads
from drillbox.stacks.services.load.records import Records
from drillbox.stacks.services.load.sender import Sender

CONFIG = WorldConfig(
    "flights",
    dt.datetime(2013, 4, 1, 12),
    600.0,
    Traffic(200.0),
    Prices(failed=0.5, slow=0.05, missed=0.2, false_alarm=0.1, replica_hour=1.0),
    Clients(timeout=0.5),
)
SEED = 5


def new_world(config: WorldConfig = CONFIG, duration: float = 30.0, warmup: float = 5.0) -> World:
    return open_world(config, duration, warmup, SEED)


def answer(late: bool = False, score: float = 0.25, source: str = "model", version: str = "v1") -> bytes:
    outputs = [
        {"name": "score", "datatype": "FP64", "shape": [1], "data": [score]},
        {"name": "late", "datatype": "BOOL", "shape": [1], "data": [late]},
    ]
    return json.dumps(
        {"model_name": "flights", "model_version": version, "outputs": outputs, "parameters": {"source": source}}
    ).encode()


class Gateway:
    """Answers each request as `reply` says: a status and a body, or None to break the connection."""

    def __init__(self) -> None:
        self.reply: Callable[[dict[str, str], int], tuple[int, bytes] | None] = lambda _headers, _nth: (200, answer())
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.hold: asyncio.Event | None = None
        self.port = 0
        self.hung_up = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in lines[1:] if line)
                body = await reader.readexactly(int(headers["content-length"]))
                self.seen.append((lines[0], headers, body))
                if self.hold is not None:
                    await self.hold.wait()
                reply = self.reply(headers, len(self.seen))
                if reply is None:
                    break
                status, text = reply
                writer.write(b"HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n%b" % (status, len(text), text))
                await writer.drain()
        self.hung_up += 1
        writer.close()

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[Gateway]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            if self.hold is not None:
                self.hold.set()
            server.close()
            await until(lambda: len(asyncio.all_tasks()) == 1)


async def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not done():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)


class Bench:
    """A sender whose drill time begins now."""

    def __init__(self, world: World, port: int, clients: Clients, records: Records | None = None, slow: float = 10.0) -> None:
        costs = np.stack([world.costs(np.full(len(world.examples), late), 0.5) for late in (0.0, 1.0)])
        self.ledger = Ledger(costs)
        self.pool = Pool("127.0.0.1", port)
        self.records = records or Records(None)
        luck = Luck(SEED)
        self.sender = Sender(
            self.pool, Payloads(world.examples, f"127.0.0.1:{port}", "flights"), luck, self.ledger, self.records, slow
        )
        self.sender.clients = clients
        self.sender.origin = time.monotonic()
        self.complaints: list[str] = []
        self.sender.complain = self.complaints.append

    async def all_decided(self) -> tuple[int, int, int]:
        """Failed, slow, ok, once nothing is in flight; connections are closed."""
        await until(lambda: self.ledger.in_flight == 0)
        self.pool.close()
        await until(lambda: self.pool.open == 0)
        counts = self.ledger.counts()
        return counts.failed, counts.slow, counts.ok
