"""The pipeline as a service: opens the control plane, and keeps it in step with the wall clock by a thread of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import traceback

from ....sandbox.model.errors import StackError, UsageError
from ....sandbox.model.extras import install
from ....sandbox.world.flights import open_world
from ...control_plane.trainer import InProcess, Trainer
from ..common.logs import Log
from ..common.registry import RegistryClient
from ..common.scenarios import read_scenario
from ..common.times import DrillClock
from .freshness import StoreClient
from .inbox import Inbox
from .links import Links
from .remote import Remote
from .room import ControlRoom, StoppingError
from .settings import PipelineSettings

PERIOD = 0.25
"""Seconds between two steps."""
MARGIN = 3600.0
"""Seconds before and after a drill in which its services may run."""
PATIENCE = 2.0
"""Seconds that the end waits for the thread: a training that is under way takes longer and is left."""


class Drill:
    """Drill time that stands still at the beginning of the warm-up until somebody says when t = 0 is.

    Raises:
        UsageError: t = 0 is nowhere near the present.
    """

    def __init__(self, origin: float | None, begin: float, end: float) -> None:
        self._begin, self._end = begin, end
        self._clock: DrillClock | None = None
        if origin is not None:
            self.start(origin)

    def start(self, origin: float) -> None:
        """The drill's t = 0 is at `origin` (CLOCK_MONOTONIC, seconds).

        Raises:
            UsageError: that is nowhere near the present: all the time in between would have to be made up for.
        """
        clock = DrillClock(origin)
        if not self._begin - MARGIN <= clock.now() <= self._end + MARGIN:
            raise UsageError(
                f"t = 0 at {origin:g} s of CLOCK_MONOTONIC would make it t = {clock.now():g} s now: the drill is from "
                f"t = {self._begin:g} s to {self._end:g} s"
            )
        self._clock = clock

    def now(self) -> float:
        """Seconds since t = 0; negative during the warm-up."""
        return self._begin if self._clock is None else self._clock.now()


class PipelineService:
    """State and life of the pipeline.

    Raises:
        UsageError: the scenario cannot be read, the folder of the predictions is none, or the drill is long over.
    """

    def __init__(self, settings: PipelineSettings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._scenario = read_scenario(settings.scenario)
        if settings.predictions is not None and not settings.predictions.is_dir():
            raise UsageError(f"PIPELINE_PREDICTIONS={str(settings.predictions)!r} is no folder: prediction logs are to be there")
        self._clock = Drill(settings.origin, -self._scenario.warmup, self._scenario.duration)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control-plane", daemon=True)
        self._why = "the pipeline is starting"
        self.store = StoreClient(settings.features_url)
        self.inbox = Inbox()
        self._remote = _remote(settings, log, self._stop)
        self._trainer = _trainer(settings, self._remote, log)
        self.room: ControlRoom | None = None
        self.failed = False
        """Whether the control plane broke down."""

    def why_not_ready(self) -> str:
        """Why it does not work; empty if it does."""
        return self._why

    def start(self, origin: float) -> None:
        """The drill's t = 0 is at `origin` (CLOCK_MONOTONIC, seconds).

        Raises:
            UsageError: that is nowhere near the present.
        """
        self._clock.start(origin)

    @property
    def lag(self) -> float:
        """Seconds by which the control plane lags behind the wall clock."""
        return 0.0 if self.room is None else max(0.0, self._clock.now() - self.room.standing.at)

    async def begin(self) -> None:
        """Open the world, find the models, fill the window of the time before the drill, and begin.

        Raises:
            UsageError: the data or a model cannot be used.
        """
        self.room = await asyncio.to_thread(self._open)
        self._thread.start()
        self._why = ""
        self._log("info", f"control plane of {self._scenario.id} is ready")

    def stop(self) -> None:
        """Be ready no more."""
        self._why = self._why or "the pipeline is terminating"
        self._stop.set()
        if self.room is not None:
            self.room.stop()

    async def end(self) -> None:
        """Wait for the thread, and remove what is temporary."""
        await asyncio.to_thread(self._thread.join, min(PATIENCE, self._settings.deadline))
        if self.room is not None:
            self.room.close()
        self.store.close()
        if self._remote is not None:
            self._remote.close()

    def _open(self) -> ControlRoom:
        scenario, settings = self._scenario, self._settings
        world = open_world(scenario.world, scenario.duration, scenario.warmup, settings.seed)
        links = Links(settings.predictions, self.inbox, self._remote, self._trainer)
        return ControlRoom(scenario, world, self._clock, links, self._log, settings.registry)

    def _run(self) -> None:
        """Until the end: go on to the present moment."""
        assert self.room is not None  # noqa: S101 -- the thread starts after it
        try:
            while not self._stop.wait(PERIOD):
                self.room.step()
        except StoppingError:
            return
        except Exception as error:  # noqa: BLE001 -- without the control plane the service is none: it says why and ends
            self.failed = True
            self._why = f"the control plane broke down: {error!r}"
            told = "".join(traceback.format_exception(error)[-2:])
            self._log("error", f"{self._why}: {told}")
            os.kill(os.getpid(), signal.SIGTERM)


def _remote(settings: PipelineSettings, log: Log, stop: threading.Event) -> Remote | None:
    if not settings.registry_url:
        return None
    return Remote(RegistryClient(settings.registry_url, settings.token), log, stop)


def _trainer(settings: PipelineSettings, remote: Remote | None, log: Log) -> Trainer:
    if settings.job_template is None or remote is None:
        return InProcess()
    try:
        from ..controller.api import open_client
        from .jobs import JobTerms, JobTrainer, read_template
    except ModuleNotFoundError as error:
        raise StackError(f"training jobs need {error.name}: {install('kind')}") from error
    terms = JobTerms(read_template(settings.job_template), settings.job_deadline, settings.job_history)
    return JobTrainer(lambda: open_client(settings.namespace), terms, remote, log)
