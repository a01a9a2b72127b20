"""`python -m drillbox.stacks.services.feature_store`: the feature store with its pipeline, configured by its environment."""

from __future__ import annotations

import asyncio
import os
import sys

from ....sandbox.model.errors import UsageError
from ....sandbox.world.cache import load_data
from ..common.logs import Log
from ..common.process import run, serve
from ..common.settings import read
from ..common.times import DrillClock
from .app import build
from .online import OnlineStore
from .settings import StoreSettings

NAME = "feature-store"


class Service:
    """State and life of the feature store."""

    def __init__(self, settings: StoreSettings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._pipeline: asyncio.Task[None] | None = None
        self._why = "the store is not filled yet"
        self.store: OnlineStore | None = None

    def why_not_ready(self) -> str:
        """Why it does not serve; empty if it does."""
        return self._why

    async def begin(self) -> None:
        """Read the data, fill the store, and keep it filled.

        Raises:
            UsageError: the data cannot be read.
        """
        settings = self._settings
        data = await asyncio.to_thread(load_data)
        clock = DrillClock(settings.origin)
        self.store = OnlineStore(data, clock, settings.start, settings.pace, settings.seed, self._log)
        self.store.read_feed(settings.feed)
        self.store.materialise()
        self._keep_filled()
        self._why = ""
        self._log("info", f"store filled for {', '.join(self.store.origins)}, ready")

    def start(self, origin: float) -> None:
        """The drill's t = 0 is at `origin` (CLOCK_MONOTONIC, seconds)."""
        if self.store is not None:
            self.store.start(origin)
            self._keep_filled()

    def _keep_filled(self) -> None:
        if self._pipeline is not None:
            self._pipeline.cancel()
        if self.store is not None:
            self._pipeline = asyncio.get_running_loop().create_task(self._materialise(self.store))

    async def _materialise(self, store: OnlineStore) -> None:
        while True:  # the next hour comes with time alone: there is no event to wait for
            pause = store.materialise() + 0.001
            await asyncio.sleep(pause)

    def stop(self) -> None:
        """Be ready no more."""
        self._why = "the store is terminating"

    async def end(self) -> None:
        """Stop the pipeline."""
        if self._pipeline:
            self._pipeline.cancel()
            await asyncio.gather(self._pipeline, return_exceptions=True)


def main() -> int:
    """Run until SIGTERM; the exit code."""
    try:
        settings = read(StoreSettings, os.environ)
    except UsageError as error:
        Log(NAME)("error", str(error))
        print(error, file=sys.stderr)  # noqa: T201 -- a service's diagnostics, as a command's, go to stderr
        return int(error.exit_code)
    log = Log(settings.component or NAME)

    async def whole() -> None:
        service = Service(settings, log)
        app = build(settings, lambda: service.store, service.why_not_ready, service.start)
        await serve(app, settings, log, service.begin, service.stop, service.end)

    return run(whole, log)


if __name__ == "__main__":
    sys.exit(main())
