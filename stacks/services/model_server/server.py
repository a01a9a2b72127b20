"""The model server as a whole: loads its model in the background, and is ready when that is done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from ....sandbox.learning.store import warm_up
from ....sandbox.model.errors import DrillboxError
from ..common.logs import Log
from ..common.times import DrillClock, age
from .fetching import Fetcher
from .gentle import gently
from .lifetime import Lifetime
from .lookups import Lookups
from .metrics import ServerMetrics
from .model import Model, open_model
from .outlets import outlet_of
from .predictions import PredictionLog
from .questions import Reader
from .settings import Live, ModelSettings
from .slots import Slots
from .threads import Threads
from .watch import watch

_TERMINATING = "the server is terminating"
UNFIT = "warm-up is not complete"
"""Why a server that its settings make unfit says that it is not ready."""


class Server:
    """State and life of one server.

    Args:
        settings: from the environment.
        log: of the server.
    """

    def __init__(self, settings: ModelSettings, log: Log) -> None:
        self.settings = settings
        self.log = log
        self.clock = DrillClock(settings.origin)
        self.predictions = PredictionLog(outlet_of(settings), settings.version, log)
        self.metrics = ServerMetrics(settings, lambda: not self.why_not_ready(), lambda: self.slots, self.predictions)
        self.slots: Slots | None = None
        self.reader: Reader | None = None
        self.lookups: Lookups | None = None
        self.live = settings.live
        self.rejected = self.wasted = 0
        self._lifetime: Lifetime | None = None
        self._fetcher: Fetcher | None = None
        self._why = f"model {settings.version} is not loaded yet"
        self._tasks: list[asyncio.Task[None]] = []

    def why_not_ready(self) -> str:
        """Why it does not serve; empty if it does."""
        return self._why or (UNFIT if self.live.unfit else "")

    async def begin(self) -> None:
        """Load the model in a thread; meanwhile the server is alive, but not ready."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        self.log("info", f"loading model {settings.version}")
        loader: Threads[Model] = Threads(loop, "load", 1)
        artifact = settings.model_id
        fetcher = self._fetcher = Fetcher(
            settings.store_url, settings.version, self.log, lambda why: loop.call_soon_threadsafe(self._waits, why)
        )

        def load() -> Model:
            with gently(settings.load_time):
                warm_up()  # the registry may not have the model yet
            fetcher.fetch((artifact, settings.reference or artifact))
            with gently(settings.load_time):
                return open_model(artifact, settings.reference)

        loader.submit(load, self._loaded, self._refused)
        self._tasks.append(loop.create_task(watch(self.log, self._troubles)))

    def change(self, live: Live) -> None:
        """Put settings into force that controls have changed."""
        before, self.live = self.live.model_dump(mode="json"), live
        if self.slots:
            self.slots.change(live)
        if self._lifetime:
            self._lifetime.change(live)
        after = live.model_dump(mode="json")
        spec = ("fallback", "quarantined", "concurrency", "queue", "lookup_timeout", "revision")  # what operators know of
        told = [f"{name} is now {after[name] if after[name] != '' else 'empty'}" for name in spec if after[name] != before[name]]
        if told:
            self.log("info", "; ".join(told))

    def stop(self) -> None:
        """Be ready no more; what is there will be finished."""
        self._why = _TERMINATING
        if self._fetcher:
            self._fetcher.stop()

    async def end(self) -> None:
        """Write the last predictions, and give connections back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.lookups:
            await self.lookups.close()
        self.predictions.close(self.settings.deadline if self.settings.log_url else 2.0)

    def _waits(self, why: str) -> None:
        if self._why != _TERMINATING:
            self._why = why

    def _loaded(self, model: Model) -> None:
        loop = asyncio.get_running_loop()
        left = self.settings.load_time - age()
        if left > 0.0:  # it is there sooner than a larger one would be
            loop.call_later(left, self._serve, model)
        else:
            self._serve(model)

    def _serve(self, model: Model) -> None:
        loop = asyncio.get_running_loop()
        self.lookups = Lookups(self.settings.features_url, model.origins, lambda: self.live.lookup_timeout)
        self.metrics.lookups = self.lookups.results
        self.reader = Reader(model.most)
        self.slots = Slots(loop, model, self.lookups, self.live, self.settings)
        if self._why == _TERMINATING:
            return
        self._why = ""
        self._lifetime = Lifetime(loop, self.log, self.live)
        self.log("info", f"model {self.settings.version} loaded, ready")

    def _refused(self, error: BaseException) -> None:
        if self._why == _TERMINATING:
            return
        text = str(error) if isinstance(error, DrillboxError) else repr(error)
        self._why = f"model {self.settings.version} cannot be loaded"
        self.log("error", f"model {self.settings.version} cannot be loaded: {text}")

    def _troubles(self) -> Mapping[str, int]:
        results: Counter[str] = self.lookups.results if self.lookups else Counter()
        return {
            "refused: queue full": self.rejected,
            "answered after the caller had timed out": self.wasted,
            "cancelled: the caller timed out": self.slots.cancelled if self.slots else 0,
            "scored without online features: the look-up timed out": results["timeout"],
            "scored without online features: the look-up failed": results["failed"],
        }
