"""The running service of a drill, as far as real stacks are alike: its desired state, its log, and the pipeline's part in it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from ...sandbox.model.params import Value
from ...sandbox.model.platform_actions import PUSHED
from ...sandbox.model.platform_actions import push as pushed
from ...sandbox.model.scenario import Scenario
from ...sandbox.model.service import Change, Workload, differences, with_fields
from ...sandbox.model.telemetry import LogLine, Scrape
from ..control_plane.interfaces import POOLS
from ..control_plane.steering import told
from ..services.common.times import DrillClock
from .controls import Controls
from .findings import Findings, by_pod, typed
from .pipeline import Desire, Known, PipelineClient, Pod

OUTBOX_PERIOD = 0.4
"""Seconds between two looks at what the pipeline has to say."""


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the services are, as the host reaches them."""

    features: str
    pipeline: str
    load: str
    gateway: str  # its metrics


class RealService(ABC):
    """What runs. The node's thread calls `round` and `scraped`, the session's all else; one of them at a time is in it.

    Args:
        scenario: of the drill.
        clock: drill time.
        controls: orders to the services.
        pipeline: the URL of the pipeline.
        load: the URL of the load generator.
    """

    def __init__(self, scenario: Scenario, clock: DrillClock, controls: Controls, pipeline: str, load: str) -> None:
        self.scenario, self.clock, self.spec = scenario, clock, scenario.service
        self.controls, self.load = controls, load
        self.pipeline = PipelineClient(controls, pipeline)
        self.chores: list[Callable[[float], None]] = []
        """What else is done in each round, by drill time."""
        self.training_seconds = 0.0
        self._lock = threading.RLock()
        self._found = Findings()
        self._numbers: Mapping[str, Mapping[str, float]] = {}  # of the last scrape, by replica
        self._asked = float("-inf")

    # -------------------------------------------------------------------------------------------------------- to be provided

    @property
    @abstractmethod
    def paid(self) -> float:
        """Replica-seconds since the warm-up began."""

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The replicas' names."""

    @abstractmethod
    def change(self, changes: Iterable[Change]) -> None:
        """Put changed fields of the desired state into force.

        Raises:
            StackError: what runs does not take them.
        """

    @abstractmethod
    def reports(self) -> Iterable[Pod]:
        """The replicas, for the pipeline; numbers are those of the last scrape."""

    @abstractmethod
    def blaming(self) -> AbstractContextManager[None]:
        """Who does not answer because it has ended is told so, as a `StackError`."""

    @abstractmethod
    def known(self, version: Known) -> None:
        """The pipeline has registered a version: replicas of it may start."""

    # ---------------------------------------------------------------------------------------------------------------- changes

    def desire(self, fields: Mapping[str, Value], by: str, why: str = "") -> None:
        """A controller or a pipeline of the service changes the desired state."""
        with self._lock:
            wanted = with_fields(self.spec, {path: typed(self.spec, path, value) for path, value in fields.items()})
            changes = differences(self.spec, wanted, by, why)
            self._found.changes += changes
            self.change(changes)

    def push(self, values: dict[str, Value], by: str, why: str) -> None:
        """A pipeline pushes settings, which can be taken back; its log tells of it."""
        with self._lock:
            changes = differences(self.spec, pushed(self.spec, values), by, why)
            for change in changes:
                if change.field != PUSHED:  # that is bookkeeping: the fields themselves are told
                    self.log(by, "info", told(change))
            self.desire({change.field: change.after for change in changes}, by, why)

    def still(self) -> AbstractContextManager[object]:
        """While it lasts, no replica comes, goes or changes."""
        return self._lock

    # ---------------------------------------------------------------------------------------------------------- what is seen

    def scraped(self, scrape: Scrape) -> None:
        """A scrape is there."""
        with self._lock, self.blaming():
            self._found.scrapes.append(scrape)
            self._numbers = by_pod(scrape)
            self.training_seconds = self.pipeline.training_seconds()
            self.pipeline.tell_pods(self.reports())

    def take(self) -> Findings:
        """What came together since the last call."""
        with self._lock:
            found, self._found = self._found, Findings()
            return found

    def log(self, component: str, severity: str, text: str) -> None:
        """Log a line."""
        with self._lock:
            self._found.logs.append(LogLine(self.clock.now(), component, severity, text))

    # ---------------------------------------------------------------------------------------------------------- for the heirs

    @contextmanager
    def _inside(self) -> Iterator[None]:
        with self._lock, self.blaming():
            yield

    def _workloads(self) -> Mapping[str, Workload]:
        return dict(zip(POOLS, (self.spec.champion, self.spec.candidate, self.spec.shadow), strict=True))

    def _listen(self, now: float) -> None:
        """Do what the pipeline wants, and pass on what it says, every `OUTBOX_PERIOD`."""
        if now - self._asked < OUTBOX_PERIOD:
            return
        self._asked = now
        for item in self.pipeline.outbox():
            match item:
                case Desire(fields, by, why):
                    self.desire(fields, by, why)
                case Known(version, _):
                    self.known(item)
                    self._found.versions.append(version)
                case LogLine():
                    self._found.logs.append(replace(item, at=self.clock.now()))
