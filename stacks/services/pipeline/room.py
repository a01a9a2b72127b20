"""The control plane of a service, kept in step with the wall clock, and what comes in and goes out of it.

One thread at a time is in it, under `lock`. While a model is trained the lock is free: others may look and change the desired
state meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import simpy

from ....sandbox.model.errors import UsageError
from ....sandbox.model.params import Params, Value
from ....sandbox.model.platform_actions import PUSHED
from ....sandbox.model.scenario import Scenario
from ....sandbox.model.service import ServiceSpec, differences, fields_of, with_fields
from ....sandbox.model.views import Table
from ....sandbox.world.flights import World
from ...control_plane.assembly import DataPlane, open_control_plane
from ...control_plane.faults import Faults
from ...control_plane.interfaces import CHAMPION, POOLS
from ...control_plane.model_metrics import ModelMetrics, Sample
from ...control_plane.steering import Steering, told
from ...control_plane.trainer import Terms
from ...control_plane.views import Freshness, look
from ..common.logs import Log
from .answers import LoggedAnswers, UnreadableError, parse
from .links import Links
from .outbox import Desire, Outbox, Said
from .replicas import Report, ReportedReplicas
from .spec import checked, merged
from .versions import StoredVersions

LAG = 1.0
"""Seconds after the full period at which the autoscaler looks at the replicas: they are reported once a scrape is there, and this
service is a moment ahead of the scrapes."""


class Clock(Protocol):
    """Drill time."""

    def now(self) -> float:
        """Seconds since t = 0."""


class StoppingError(Exception):
    """The service stops: nothing goes on."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the control plane stands; replaced as a whole, so that it can be read at any time."""

    training_seconds: float
    runs: int
    stage: str
    at: float  # drill second that it has come to
    samples: Sequence[Sample]


class ControlRoom:
    """Monitor, retraining loop, canary, registry and autoscaler of one drill on real services.

    Args:
        scenario: that is played.
        world: of the drill.
        clock: drill time.
        links: to predictions, models and trainers; a folder is one of prediction logs.
        log: of the service itself.
        registry: folder of the registry; a temporary one if not given.

    Raises:
        UsageError: a model is damaged, or nothing can be cached.
    """

    def __init__(
        self, scenario: Scenario, world: World, clock: Clock, links: Links | Path, log: Log, registry: Path | None = None
    ) -> None:
        self.lock = threading.Lock()
        self.outbox = Outbox()
        self.freshness: Freshness = ()
        """What the feature store said last of its values."""
        self.unreadable = 0
        """Lines of the prediction logs that were none."""
        self._stopping = False
        self._clock = clock
        self._log = log
        self._spec = self._told = scenario.service
        # A service that starts anew in the middle of a drill goes on from there.
        self._env = simpy.Environment(initial_time=max(-scenario.warmup, clock.now()))
        links = links if isinstance(links, Links) else Links(links)
        self._readers = links.readers()
        self._versions = StoredVersions(world, scenario, self._aside, links.remote)
        self._answers = LoggedAnswers(world, self._versions.offline)
        self._replicas = ReportedReplicas(clock.now, self._wanted)
        steering = Steering(self._env, lambda: self._spec, self._desire, self._say)
        seen = DataPlane(world, self._versions, self._answers, self._replicas, lambda: self.freshness)
        terms = Terms(scenario.runtime.training_time, links.trainer, self._aside)
        self._control = open_control_plane(steering, seen, scenario, registry=registry, terms=terms, lag=LAG)
        self._faults = Faults(self._control.faults)
        self._beats: dict[str, tuple[str, Params]] = {}
        self._metrics = ModelMetrics(self._control.quality, self._control.loop)
        self._deployed = scenario.service.champion.version
        self._complained = ""
        for process in self._control.processes:
            self._env.process(process())
        self._publish()

    # ------------------------------------------------------------------------------------------------------------------- time

    def step(self) -> None:
        """Read what has come, and go on to the present moment.

        Raises:
            StoppingError: `stop` was called in the meantime.
        """
        lines = [line for reader in self._readers for line in reader.read()]
        with self.lock:
            self._take(lines)
            self._advance(self._clock.now())
            self._publish()

    def _advance(self, until: float) -> None:
        """What is due at `until` is done, as in the simulation."""
        while self._env.peek() <= until:
            self._env.step()
        if self._env.now < until:
            self._env.run(until=until)

    def stop(self) -> None:
        """Let nothing begin; what is under way ends as soon as it can."""
        self._stopping = True

    def close(self) -> None:
        """Remove what is temporary."""
        self._control.book.close()

    def _take(self, lines: Sequence[bytes]) -> None:
        predictions = []
        for line in lines:
            try:
                one = parse(line)
            except UnreadableError:
                self.unreadable += 1
                continue
            if one is not None:
                predictions.append(one)
        self._answers.take(predictions)

    @contextmanager
    def _aside(self) -> Generator[None, None, None]:
        """Work that takes real time: others may come in meanwhile."""
        self._publish()
        self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire()
        if self._stopping:
            raise StoppingError

    def _publish(self) -> None:
        book, loop = self._control.book, self._control.loop
        for version in book.told():
            self.outbox.add(self._env.now, version)
        try:
            book.enter()
            self._complained = ""
        except UsageError as error:
            if str(error) != self._complained:
                self._log("error", str(error))
            self._complained = str(error)
        stage = self._spec.retraining.stage
        self.standing = Standing(loop.training_seconds, len(loop.runs), stage, self._env.now, tuple(self._metrics.named()))

    # -------------------------------------------------------------------------------------------------------- desired state

    @property
    def spec(self) -> ServiceSpec:
        """The desired state that is in force here."""
        return self._spec

    def tell_spec(self, given: Mapping[str, object]) -> None:
        """The stack says what the desired state is, or some fields of it.

        Raises:
            UsageError: there is no such field, or it cannot have that value.
        """
        with self.lock:
            values = checked(self._told, given, self._versions.names)
            told, ours = dict(fields_of(self._told)), dict(fields_of(self._spec))
            fields, overruled = merged(told, ours, values, self.outbox.pending())
            self.outbox.withdraw(overruled)
            self._told = with_fields(self._told, values)
            self._put(with_fields(self._spec, fields))

    def _desire(self, spec: ServiceSpec, by: str, why: str = "") -> None:
        """A controller changes the desired state; the stack learns of it."""
        changes = differences(self._spec, spec, by, why)
        if not changes:
            return
        self.outbox.add(self._env.now, Desire({change.field: _plain(change.after) for change in changes}, by, why))
        for change in changes:
            if change.field != PUSHED:  # that is bookkeeping: the fields themselves are told
                self._say(by, "info", told(change))
        self._put(spec)

    def _put(self, spec: ServiceSpec) -> None:
        restarted = spec.retraining.restarted != self._spec.retraining.restarted
        self._spec = spec
        if restarted:
            self._control.loop.restart()
        self._follow()

    def _say(self, component: str, severity: str, text: str) -> None:
        self.outbox.add(self._env.now, Said(component, severity, text))

    # ------------------------------------------------------------------------------------------------------------- replicas

    def tell_replicas(self, reports: Sequence[Report]) -> None:
        """The stack says which replicas there are."""
        with self.lock:
            self._replicas.report(reports)
            self._follow()

    def _wanted(self, pool: int) -> str:
        return (self._spec.champion, self._spec.candidate, self._spec.shadow)[pool].version

    def _follow(self) -> None:
        """The registry follows the deployment."""
        champion = self._spec.champion
        if champion.version != self._deployed and self._replicas.rolled_out(CHAMPION, champion.version, champion.replicas):
            self._deployed = champion.version
            self._control.book.deployed(champion.version, POOLS[CHAMPION], "rollout complete")

    # --------------------------------------------------------------------------------------------------------------- faults

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault begins; if it is in force under this name, it stays.

        Raises:
            UsageError: it names a version that there is not.
        """
        with self.lock:
            names = self._versions.names
            if "version" in params and params["version"] not in names:
                raise UsageError(f"unknown version {params['version']!r}; the versions are {', '.join(names)}")
            if self._beats.get(beat) == (fault, params):
                return
            self._end(beat)
            self._faults.begin(beat, fault, params)
            self._beats[beat] = (fault, params)

    def end(self, beat: str) -> None:
        """It ends by itself, if it has not ended before."""
        with self.lock:
            self._end(beat)

    def _end(self, beat: str) -> None:
        if self._beats.pop(beat, None) is not None:
            self._faults.end(beat)

    # ----------------------------------------------------------------------------------------------------------------- views

    def look(self, view: str, subject: str) -> Table:
        """What a view shows now.

        Raises:
            UsageError: there is no such view, or not of that.
        """
        with self.lock:
            return look(self._control.views.makers(), view, subject)


def _plain(value: Value) -> Value:
    return value.value if isinstance(value, StrEnum) else value
