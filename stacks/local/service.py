"""The running service of one drill on this machine: its desired state, its processes, and what a round does with them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ...sandbox.model.errors import StackError
from ...sandbox.model.scenario import Scenario
from ...sandbox.model.service import Change, Workload, with_fields
from ...sandbox.model.telemetry import LogLine
from ..control_plane.gateway_faults import Injected
from ..deploy.envoy.gateway import Envoy
from ..deploy.envoy.names import POOLS
from ..deploy.envoy.policy import Policy
from ..monitoring.targets import Target
from ..real.controls import Controls
from ..real.findings import Findings
from ..real.machine.processes import Process, Supervisor
from ..real.machine.programs import Program
from ..real.pipeline import Known, Pod
from ..real.service import RealService, Urls
from ..services.common.times import DrillClock
from .fleet import Fleet
from .limits import Limits
from .liveness import Liveness
from .replicas import Replica
from .services import FEATURES, GATEWAY, LOAD, Programs, live
from .tails import lines_of

PROBES_PERIOD = 1.0
"""Seconds between two looks at what the gateway's probes say."""
APPLIED = 5.0
"""Seconds that the gateway has to take up a change."""
_DYING = 0.2  # seconds in which a process that broke a connection has ended


class Service(RealService):
    """What runs on this machine.

    Args:
        scenario: of the drill.
        clock: drill time.
        supervisor: of processes.
        programs: that it starts.
        controls: orders to them.
        envoy: the gateway.
        urls: of the services.
    """

    def __init__(
        self,
        scenario: Scenario,
        clock: DrillClock,
        supervisor: Supervisor,
        programs: Programs,
        controls: Controls,
        envoy: Envoy,
        urls: Urls,
    ) -> None:
        super().__init__(scenario, clock, controls, urls.pipeline, urls.load)
        self.urls, self.programs = urls, programs
        self.injected = Injected()
        self.essential: dict[str, Process] = {}
        """Processes without which there is no drill."""
        self.supervisor, self._envoy = supervisor, envoy
        self.fleet = Fleet(supervisor, self._program, controls, scenario.runtime, self.log, lambda _pool, _version: None)
        self.limits = Limits(self)
        self.fleet.admitted = self.limits.admit
        self.retarget: Callable[[], None] = lambda: None
        """Is called when what is scraped has changed."""
        self._names: tuple[str, ...] = ()
        self._policy: Policy | None = None
        self._tailed: list[Process] = []
        self._liveness = Liveness(controls.alive)
        self._probed = float("-inf")

    @property
    def paid(self) -> float:
        """Replica-seconds since the warm-up began."""
        return self.fleet.paid

    def names(self) -> tuple[str, ...]:
        """The replicas' names."""
        return self.fleet.names()

    # ---------------------------------------------------------------------------------------------------------------- changes

    def begin(self) -> None:
        """Start the replicas that are wanted at the beginning, as fast as they can."""
        with self._lock:
            for pool, workload in self._workloads().items():
                self.fleet.reconcile(pool, workload, self.clock.now(), at_once=True)
            self._steer()

    def change(self, changes: Iterable[Change]) -> None:
        """Put changed fields of the desired state into force."""
        with self._lock:
            for change in changes:
                self._change(change)
            self._steer()
            self.pipeline.tell_spec(self.spec)

    def strain(self, settings: Mapping[str, float]) -> None:
        """Tell all model servers, also those that start later, of settings that no field of the desired state has."""
        with self._lock:
            self.programs.strain |= settings
            self.fleet.tell(settings)

    @property
    def gateway_folder(self) -> Path:
        """Where the gateway's files are."""
        return self._envoy.folder

    def inject(self, injected: Injected) -> None:
        """Disturb the gateway like this."""
        with self._lock:
            self.injected = injected
            self._steer()

    def _change(self, change: Change) -> None:
        self.spec = with_fields(self.spec, {change.field: change.after})
        part, _, name = change.field.partition(".")
        if f"model-{part}" in POOLS:
            self._workload(f"model-{part}", name, change)
        elif change.field in {"features.feed", "features.restarted"}:
            self.controls.post(f"{self.urls.features}/control/settings", {name: change.after})
        elif change.field == "servers.memory":
            self.limits.apply_memory()
        elif change.field == "servers.cpu":
            self.limits.apply_cpu()
        elif change.field == "servers.settings":
            for one in self.fleet.replicas():
                self.fleet.tell_one(one, self.programs.revision(one, self.spec))
        elif change.field in {"fallback", "gateway.threshold"} or part == "features":
            self.fleet.tell(live(self.spec))

    def _workload(self, pool: str, name: str, change: Change) -> None:
        now = self.clock.now()
        if name == "restarted":
            self.fleet.replace(pool, str(change.after).partition("#")[0], now)
        elif name != "previous":
            self.fleet.reconcile(pool, self._workloads()[pool], now)

    def _steer(self) -> None:
        """Keep the gateway in step with the desired state and the replicas."""
        policy = Policy(self.spec.gateway, self.fleet.endpoints(), self.injected)
        if policy != self._policy:
            self._envoy.write(policy)
            self._policy = policy

    # ----------------------------------------------------------------------------------------------------------------- rounds

    def round(self, now: float) -> None:
        """Look after everything.

        Raises:
            StackError: something that no drill can do without has ended.
        """
        with self._lock, self.blaming():
            self._tail(now)
            self.supervisor.reap()
            self._check(now)
            for chore in tuple(self.chores):
                chore(now)
            self.fleet.look(now)
            self._steer()
            if self._names != self.fleet.names():
                self._names = self.fleet.names()
                self.retarget()
            if self.fleet.drains():
                self._envoy.wait_applied(APPLIED)
                self.fleet.drain()
            self._envoy.limit_repeats()
            if now - self._probed >= PROBES_PERIOD:
                self._probed = now
                self.fleet.hear(self._envoy.probes(), now)
            for one in self._liveness.look(self.fleet.replicas(), now):
                self.fleet.restart(one, "liveness probe fails", now)
            self._listen(now)

    def take(self) -> Findings:
        """As `RealService`: what processes have written by now is among it."""
        with self._lock:
            self._tail(self.clock.now())
            return super().take()

    def errors(self) -> list[LogLine]:
        """Errors that were logged since what came together was last asked for."""
        with self._lock:
            return [line for line in self._found.logs if line.severity == "error"]

    def targets(self) -> Sequence[Target]:
        """What is scraped, but for the platform itself."""
        fixed = [
            Target(GATEWAY, GATEWAY, f"{self.urls.gateway}/metrics"),
            Target(FEATURES, FEATURES, f"{self.urls.features}/metrics"),
            Target("pipeline", "pipeline", f"{self.urls.pipeline}/metrics"),
        ]
        with self._lock:
            return [*fixed, *(Target(one.name, "model-server", f"{one.url}/metrics") for one in self.fleet.replicas())]

    @contextlib.contextmanager
    def blaming(self) -> Iterator[None]:
        """Who does not answer because it has ended is told so.

        Raises:
            StackError: as raised within, or which process has ended.
        """
        try:
            yield
        except StackError:
            if any(process.ended(_DYING) for process in self.essential.values()):
                self.supervisor.reap()
                self._check(self.clock.now())
            raise

    def close(self) -> None:
        """Look after nothing any more."""
        self._liveness.close()

    def _check(self, now: float) -> None:
        for name, process in self.essential.items():
            if process.exit_code is not None:
                last = [line.text for line in lines_of(process, now)][-3:]
                told = f"; it said: {' | '.join(last)}" if last else ""
                raise StackError(f"{name} ended ({process.end_reason}): the drill cannot go on{told}")

    def _tail(self, now: float) -> None:
        """Collect what processes have written; of those that ended the rest."""
        self._tailed += [process for process in self.supervisor.running if process not in self._tailed]
        for process in tuple(self._tailed):
            over = process.exit_code is not None
            lines = list(lines_of(process, now))
            if process.program.name != LOAD:  # the clients' side is nothing that an on-call could look into
                self._found.logs += lines
            if over:
                self._tailed.remove(process)

    def known(self, version: Known) -> None:
        """Replicas of it may be started from now on."""
        self.programs.models[version.version.version] = version.artifact

    def reports(self) -> list[Pod]:
        """The replicas, with what the last scrape says of them."""
        found = []
        for one in self.fleet.replicas():
            workload = self._workloads()[one.deployment]
            seen = self._numbers.get(one.name, {})
            found.append(Pod(one.name, one.deployment, one.version, one.is_ready, one.restarts, workload.concurrency, **seen))
        return found

    def _program(self, one: Replica, workload: Workload, load_time: float) -> Program:
        return self.programs.replica(one, workload, self.spec, self.urls.features, load_time)
