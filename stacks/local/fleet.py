"""The fleet of the local stack: what the kubelet and the deployment controller do on a cluster, for processes.

A replica is one model server. What the modelled cluster takes to schedule a pod, pull its image and load its model is the
scenario's `start_time` and `load_time`: the process starts so late, and is ready no earlier, that both stacks take as long;
where the real process takes longer, that is what it takes.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import Protocol

from ...sandbox.control import restart as backoff
from ...sandbox.control import rollout
from ...sandbox.model.scenario import Runtime
from ...sandbox.model.service import Workload
from ..deploy.envoy.names import POOLS, Address
from ..real.controls import Controls
from ..real.machine.ports import HOST, free_port, give_back
from ..real.machine.processes import Process
from ..real.machine.programs import Program
from .replicas import Replica, State

ROLLOUT_PERIOD = 1.0
"""Seconds between two looks of the deployment at a rollout."""
REAL_START = 1.5
"""Seconds that the start of a real process is given within the modelled `start_time`."""
GRACE = 10.0
"""Seconds that a replica has to finish what it has."""

UNPROBED = 30.0
"""Seconds that the gateway may take to find out that a replica is ready."""
_ROUTED = frozenset((State.LOADING, State.READY, State.UNREACHABLE))

Log = Callable[[str, str, str], None]
"""`log(component, severity, text)` at the present drill time."""


class Starter(Protocol):
    """Starts processes."""

    def start(self, program: Program) -> Process:
        """Start one."""


class Recipe(Protocol):
    """Makes the program of a replica."""

    def __call__(self, replica: Replica, workload: Workload, load_time: float, /) -> Program:
        """`load_time`: seconds from the process's start until it is ready, at least."""


class Fleet:
    """All replicas of the three deployments.

    Args:
        starter: of processes.
        recipe: makes their programs.
        controls: asks them whether they are ready.
        runtime: what the modelled cluster takes.
        log: of what happens.
        rolled_out: is told of deployment and version whenever a rollout is complete.
    """

    def __init__(
        self,
        starter: Starter,
        recipe: Recipe,
        controls: Controls,
        runtime: Runtime,
        log: Log,
        rolled_out: Callable[[str, str], None],
    ) -> None:
        self._starter = starter
        self._recipe = recipe
        self._controls = controls
        self._runtime = runtime
        self._log = log
        self._rolled_out = rolled_out
        self.admitted: Callable[[Replica], None] = lambda _one: None
        """Is called when a replica has become ready."""
        self.missing_image: Callable[[Replica], str] = lambda _one: ""
        """Why a new replica cannot have its container; empty if it can."""
        self._replicas: list[Replica] = []
        self._created = dict.fromkeys(POOLS, 0)
        self._wanted: dict[str, Workload] = {pool: Workload() for pool in POOLS}
        self._rolling: dict[str, float] = {}  # since when nobody has looked at the rollout
        self._terminated: dict[Replica, float] = {}  # when it was asked to end
        self.paid = 0.0
        """Replica-seconds so far, the warm-up's included."""
        self._paid_at: float | None = None

    # ------------------------------------------------------------------------------------------------------------ what there is

    def replicas(self, deployment: str = "") -> list[Replica]:
        """Those that exist, oldest first."""
        return [one for one in self._replicas if not deployment or one.deployment == deployment]

    def names(self) -> tuple[str, ...]:
        """Names of all."""
        return tuple(one.name for one in self._replicas)

    def ready(self, deployment: str = "") -> list[Replica]:
        """Those that take requests."""
        return [one for one in self.replicas(deployment) if one.state is State.READY]

    def wanted(self) -> Mapping[str, int]:
        """Replicas that each deployment wants."""
        return {pool: workload.replicas for pool, workload in self._wanted.items()}

    def endpoints(self) -> Mapping[str, tuple[Address, ...]]:
        """By deployment, the addresses that the gateway may send requests to; it looks itself whether they are ready."""
        running = [one for one in self._replicas if one.process is not None and one.state in _ROUTED]
        return {pool: tuple(one.address for one in running if one.deployment == pool) for pool in POOLS}

    # ---------------------------------------------------------------------------------------------------------------- orders

    def reconcile(self, deployment: str, workload: Workload, now: float, *, at_once: bool = False) -> None:
        """Bring replicas to the wanted number and version.

        Args:
            deployment: which.
            workload: what is wanted.
            now: drill seconds.
            at_once: they start and load as fast as they can, as before the beginning.
        """
        before = self._wanted[deployment]
        self._wanted[deployment] = workload
        if (before.concurrency, before.queue) != (workload.concurrency, workload.queue):
            self.tell({"concurrency": workload.concurrency, "queue": workload.queue}, deployment)
        if not self._roll(deployment, now, at_once=at_once) and deployment not in self._rolling:
            self._log(deployment, "info", f"rollout of {workload.version} begins")
            self._rolling[deployment] = now

    def replace(self, deployment: str, which: str, now: float) -> None:
        """Delete one replica by name, or `all`; new ones are created at once."""
        for one in self.replicas(deployment):
            if one.counts and which in ("all", one.name):
                self._log(one.name, "info", "deleted")
                self._remove(one, signal.SIGKILL)
        self._roll(deployment, now, at_once=False)

    def tell(self, changes: Mapping[str, object], deployment: str = "") -> None:
        """Change settings of all running replicas; one that does not answer gets them with its next start."""
        for one in self.replicas(deployment):
            self.tell_one(one, changes)

    def tell_one(self, one: Replica, changes: Mapping[str, object]) -> None:
        """Change settings of a running replica."""
        if one.process is None or not one.process.alive():
            return
        try:
            self._controls.post(f"{one.url}/control/settings", changes)
        except Exception as error:  # noqa: BLE001 -- a hanging or dying replica: the on-call shall find that out
            self._log(one.name, "warning", f"settings were not taken: {error}")

    # ------------------------------------------------------------------------------------------------------------------ life

    def look(self, now: float) -> None:
        """Go on with everything that takes time: starts, readiness, crashes, rollouts, terminations; reap processes before."""
        if self._paid_at is not None:
            self.paid += len(self._replicas) * max(0.0, now - self._paid_at)
        self._paid_at = now
        for one in tuple(self._replicas):
            self._live(one, now)
        for deployment, since in tuple(self._rolling.items()):
            if now - since >= ROLLOUT_PERIOD:
                self._rolling[deployment] = now
                if self._roll(deployment, now, at_once=False):
                    del self._rolling[deployment]
                    version = self._wanted[deployment].version
                    self._log(deployment, "info", f"rollout of {version} is complete")
                    self._rolled_out(deployment, version)

    def hear(self, probes: Mapping[str, bool], now: float) -> None:
        """What the gateway's probes say: by address, whether they pass.

        Who passed before, and does no more, is not ready; nor is who has not passed for `UNPROBED` seconds since it said it was.
        """
        for one in self._replicas:
            passes = probes.get(str(one.address))
            if one.state is State.READY and passes:
                one.probed = True
            elif one.state is State.READY and passes is False and (one.probed or now - one.ready_since > UNPROBED):
                one.state = State.UNREACHABLE
                self._log(one.name, "error", "health checks fail: no answer")
            elif one.state is State.UNREACHABLE and passes:
                one.state = State.READY
                self._log(one.name, "info", "health checks pass again: ready")

    def restart(self, one: Replica, why: str, now: float) -> None:
        """End a replica's container: its process is asked to end, and killed after its grace; then it starts again."""
        if one.process is not None and one not in self._terminated:
            self._log(one.name, "warning", f"{why}: its container is to be restarted")
            self._terminated[one] = now
            one.process.signal(signal.SIGTERM)  # which one that is stopped does not get to see

    def _live(self, one: Replica, now: float) -> None:
        process = one.process
        if process is not None and process.exit_code is not None:
            self._ended(one, process, now)
        elif one.state is State.DRAINING:
            if process is None or self._has_had_its_grace(one, now):
                self._remove(one, signal.SIGKILL)
        elif process is not None and self._has_had_its_grace(one, now):
            process.kill()
        elif process is None and now >= one.begin_at:
            if not self._waits_for_its_image(one):
                self._start(one, now)
        elif one.state is State.LOADING and self._controls.ready(one.url):
            one.state, one.ready_since = State.READY, now
            self.admitted(one)

    def _waits_for_its_image(self, one: Replica) -> bool:
        """Whether it cannot be pulled; a container that starts again has it."""
        why = "" if one.restarts else self.missing_image(one)
        if why and one.state is not State.BACKING_OFF:
            one.state = State.BACKING_OFF
            self._log(one.name, "error", f"ImagePullBackOff: {why}")
        return bool(why)

    def _has_had_its_grace(self, one: Replica, now: float) -> bool:
        return now - self._terminated.get(one, now) > GRACE

    def _start(self, one: Replica, now: float, load_time: float | None = None) -> None:
        if load_time is None:
            load_time = self._runtime.load_time + min(REAL_START, self._runtime.start_time)
        one.process = self._starter.start(self._recipe(one, self._wanted[one.deployment], load_time))
        one.state, one.probed = State.LOADING, False
        one.backoff = backoff.State(one.backoff.crashes, now)

    def _ended(self, one: Replica, process: Process, now: float) -> None:
        """Its process has ended: as it should, or it crashed and starts again after its back-off."""
        if one.state is State.DRAINING:
            self._log(one.name, "info", "terminated")
            self._forget(one)
            return
        self._terminated.pop(one, None)
        one.process = None
        one.restarts += 1
        one.kills += process.end_reason == "out of memory"
        self._log(one.name, "error", f"process ended: {process.end_reason}")
        delay, one.backoff = backoff.decide(one.backoff, now)
        if delay:
            self._log(one.name, "warning", f"restart in {delay:g} s")
        one.state = State.BACKING_OFF if delay else State.STARTING
        one.begin_at = now + delay + max(0.0, self._runtime.start_time - REAL_START)

    # --------------------------------------------------------------------------------------------------------------- rollouts

    def _roll(self, deployment: str, now: float, *, at_once: bool) -> bool:
        """One decision of the deployment; whether no replica of another version is left."""
        workload = self._wanted[deployment]
        counting = [one for one in self.replicas(deployment) if one.counts]
        current = [one for one in counting if one.version == workload.version]
        other = [one for one in counting if one.version != workload.version]
        if not other:
            for _ in range(workload.replicas - len(current)):
                self._create(deployment, workload, now, at_once=at_once)
            for one in _victims(current)[: max(0, len(current) - workload.replicas)]:
                self._retire(one, now)
            return True
        decision = rollout.decide(rollout.Observed(len(current), _ready(current), len(other), _ready(other)), workload.replicas)
        for _ in range(decision.create):
            self._create(deployment, workload, now, at_once=False)
        for one in _victims(other)[: decision.retire_unready + decision.retire_ready]:
            self._retire(one, now)
        return False

    def _create(self, deployment: str, workload: Workload, now: float, *, at_once: bool) -> None:
        self._created[deployment] += 1
        number = self._created[deployment]
        begin_at = now if at_once else now + max(0.0, self._runtime.start_time - REAL_START)
        address = Address(HOST, free_port())
        one = Replica(f"{deployment}-{number}", number, deployment, workload.version, address, begin_at)
        self._replicas.append(one)
        if at_once:
            self._start(one, now, 0.0)
        else:
            self._log(one.name, "info", "starting")

    def _retire(self, one: Replica, now: float) -> None:
        if one.state is State.READY and one.process is not None:
            one.state = State.DRAINING
            self._terminated[one] = now
            self._log(one.name, "info", "terminating: finishes what it has")
        else:
            self._log(one.name, "info", "deleted")
            self._remove(one, signal.SIGKILL)

    def drains(self) -> bool:
        """Whether there are any to be asked to end, once the gateway does not know them any more."""
        return any(one.state is State.DRAINING and not one.overlooked for one in self._replicas)

    def drain(self) -> None:
        """Ask those to end that the gateway no longer knows."""
        for one in self._replicas:
            if one.state is State.DRAINING and not one.overlooked and one.process is not None:
                one.overlooked = True
                one.process.terminate()

    def _remove(self, one: Replica, number: int) -> None:
        if one.process is not None:
            one.process.signal(number)
        self._forget(one)

    def _forget(self, one: Replica) -> None:
        self._terminated.pop(one, None)
        give_back(one.address.port)
        self._replicas.remove(one)


def _ready(replicas: list[Replica]) -> int:
    return sum(one.state is State.READY for one in replicas)


def _victims(replicas: list[Replica]) -> list[Replica]:
    """Who goes first, as the ReplicaSet controller decides: those that are not ready, then the youngest."""
    return sorted(replicas, key=lambda one: (one.state is State.READY, -one.ordinal))
