"""The load generator as a service: it plans, sends at the intended times, and takes orders."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import sys
from collections.abc import Iterable
from urllib.parse import urlsplit

import numpy as np
from prometheus_client import Metric
from prometheus_client.registry import Collector

from ....sandbox.world.flights import open_world
from ....sandbox.world.rules import RULES_THRESHOLD
from ..common.client import Pool
from ..common.http import Start
from ..common.logs import Log
from .ledger import Ledger
from .luck import Luck
from .payloads import Payloads
from .plan import Plan
from .records import Records
from .sender import Sender
from .settings import ClientsOrder, LoadSettings, SpikeOrder

LEAD = 0.01
"""Seconds before its beginning at which a slice is planned."""

COMPLAINTS = 1.0
"""Seconds between complaints of the same sort."""


class Generator(Collector):
    """All of it. Opening the world takes a second or two, before it listens."""

    def __init__(self, settings: LoadSettings, log: Log) -> None:
        """Open world and log.

        Raises:
            UsageError: the world cannot be opened, or the log not written.
        """
        self.settings, self.log = settings, log
        config = settings.world
        world = open_world(config, settings.duration, settings.warmup, settings.seed)
        costs = np.stack([world.costs(np.full(len(world.examples), late), RULES_THRESHOLD) for late in (0.0, 1.0)])
        target = urlsplit(settings.target)
        luck = Luck(settings.seed)
        self.ledger = Ledger(costs)
        self.pool = Pool(target.hostname or "", target.port or 80)
        payloads = Payloads(world.examples, target.netloc, settings.model)
        self.records = Records(settings.log_file)
        self.sender = Sender(self.pool, payloads, luck, self.ledger, self.records, settings.slow_bound)
        self.sender.clients = self._usual = config.clients
        self.sender.complain = self._complain
        self.plan = Plan(world, luck, settings.warmup, settings.duration)
        self._run: asyncio.Task[None] | None = None
        self._started_by: Start | None = None
        self._spikes: dict[str, SpikeOrder | None] = {}  # None: it has ended
        self._complained = float("-inf")
        self._unsaid = 0
        self._stopping = False

    # -------------------------------------------------------------------------------------------------------------- process

    def why_unready(self) -> str:
        """Why it cannot send; empty if it can."""
        return "it is stopping" if self._stopping else ""

    async def begin(self) -> None:
        """It listens: it starts to send if it knows when the drill begins."""
        more_files(self.log)
        gc.collect()
        gc.freeze()  # the world stays: pauses of the collector would delay requests
        if self.settings.origin is not None:
            self.start(self.settings.origin)

    def stop(self) -> None:
        """No new requests from now on."""
        self._stopping = True
        if self._run is not None:
            self._run.cancel()

    async def end(self) -> None:
        """Wait for what is in flight, then close the ledger."""
        left = await self.drain(self.settings.deadline)
        if left:
            self.log("warning", f"{left} requests were not decided when the time was up: they count as failed")
        self.pool.close()
        self._say_if(self.records.flush())
        self.records.close()
        counts = self.ledger.counts()
        self.log(
            "info",
            f"final ledger: failed {counts.failed}, slow {counts.slow}, ok {counts.ok}, "
            f"prediction cost {counts.prediction_cost:.10g}",
        )

    async def drain(self, limit: float) -> int:
        """No new requests; wait for those in flight, at most `limit` seconds. The rest, whose number this is, count as failed."""
        if self._run is not None:
            self._run.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.sender.empty.wait(), limit)
        return self.sender.abandon()

    # --------------------------------------------------------------------------------------------------------------- orders

    def start(self, origin: float) -> None:
        """The drill's t = 0 is at `origin` (CLOCK_MONOTONIC, seconds).

        Raises:
            ValueError: it has been started.
        """
        if self._run is not None or self._stopping:
            raise ValueError("it was started before")
        self.sender.origin = origin
        self._run = asyncio.get_running_loop().create_task(self._send_all())
        self._run.add_done_callback(self._ended)

    def start_by(self, order: Start) -> None:
        """The drill begins as ordered; the same order may come twice.

        Raises:
            ValueError: it has been started by another.
        """
        if order == self._started_by:
            return
        self.start(order.began)
        self._started_by = order

    def begin_spike(self, name: str, order: SpikeOrder) -> None:
        """More clients from now on, or from the time that is given; if it is in force under this name, it stays."""
        if self._spikes.get(name) == order:
            return
        self._spikes[name] = order
        at = order.at if order.at is not None else max(self.plan.now, self.sender.now() if self._run else self.plan.now)
        self.plan.rate.begin_spike(name, order.factor, order.ramp, at)
        self.log("info", f"clients: {order.factor:g} times as many")

    def end_spike(self, name: str, at: float | None) -> None:
        """They go again; they may have gone before.

        Raises:
            KeyError: there never were any of that name.
        """
        if self._spikes[name] is None:
            return
        self._spikes[name] = None
        self.plan.rate.end_spike(name, self.sender.now() if at is None else at)
        self.log("info", "clients: as many as usual")

    def set_clients(self, order: ClientsOrder | None) -> None:
        """Attempts from now on follow another policy; None: the usual one."""
        self.sender.clients = self._usual if order is None else order.over(self._usual)

    # ------------------------------------------------------------------------------------------------------------- own work

    async def _send_all(self) -> None:
        """Send each request when it is due, whatever became of those before."""
        sender, plan = self.sender, self.plan
        while not plan.finished:
            wait = plan.now - LEAD - sender.now()
            if wait > 0.0:
                await asyncio.sleep(wait)
            batch = plan.next()
            rows = zip(batch.times.tolist(), batch.examples.tolist(), batch.routes.tolist(), strict=True)
            for index, (due, example, route) in enumerate(rows, start=batch.first):
                wait = due - sender.now()
                if wait > 0.0:
                    await asyncio.sleep(wait)
                elif not index % 8:
                    await asyncio.sleep(0.0)  # late: others must get on, too, or nobody reads the answers
                sender.send(index, due, example, route)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.log("error", f"no more requests: {error!r}")

    def _complain(self, text: str) -> None:
        """Log the first of many alike."""
        now = self.sender.now()
        if now - self._complained < COMPLAINTS:
            self._unsaid += 1
            return
        more = f" (and {self._unsaid} more before)" if self._unsaid else ""
        self._complained, self._unsaid = now, 0
        self.log("warning", text + more)

    def _say_if(self, trouble: str) -> None:
        if trouble:
            self.log("error", trouble)

    def collect(self) -> Iterable[Metric]:
        """All metrics, for a scrape."""
        self.ledger.rate, self.ledger.connections = self.plan.current, self.pool.open
        self._say_if(self.records.flush())
        return self.ledger.collect()


def more_files(log: Log) -> None:
    """Raise the limit of open files to the hard one: each request in flight has a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if sys.platform == "linux" and soft < hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if 0 <= soft < 4096:
        log("warning", f"only {soft} files may be open: requests beyond as many in flight will fail (ulimit -n)")
