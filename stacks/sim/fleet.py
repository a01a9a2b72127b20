"""Replicas of the simulation: pods that start, load the model, become ready, crash, restart and go, as SimPy processes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Protocol

import simpy

from ...sandbox.control import restart as backoff
from ...sandbox.control import rollout
from ...sandbox.model.scenario import Runtime
from ...sandbox.model.service import Workload
from ..control_plane.interfaces import CHAMPION, POOLS, Log
from .plane import Plane
from .pods import Pod, PodState, Usage

__all__ = ["CHAMPION", "POOLS", "Fleet", "Log", "OneNode", "Placement", "Pod", "PodState", "Usage"]

ROLLOUT_PERIOD = 1.0
"""Seconds between two looks of the deployment at a rollout."""

REFUSED_AFTER = 1.0
"""Seconds until a download that is refused ends the process."""


class Placement(Protocol):
    """Where pods run."""

    def place(self, pods: list[Pod]) -> str:
        """The node for a new pod, given all that there are; empty if none takes it."""

    def is_lost(self, name: str) -> bool:
        """Whether nothing runs on a node."""


class OneNode:
    """A single node without limits."""

    def place(self, pods: list[Pod]) -> str:  # noqa: ARG002  # of any number
        """Always the same."""
        return "node"

    def is_lost(self, name: str) -> bool:  # noqa: ARG002  # as above
        """Never."""
        return False


class Fleet:
    """All pods of the three deployments."""

    def __init__(
        self,
        env: simpy.Environment,
        plane: Plane,
        models: Mapping[str, int],
        runtime: Runtime,
        log: Log,
        rolled_out: Callable[[int, str], object] = lambda _pool, _version: None,
    ) -> None:
        """`rolled_out` is told of pool and version whenever a rollout is complete."""
        self._env = env
        self._rolled_out = rolled_out
        self._models = models
        self._plane = plane
        self._runtime = runtime
        self._log = log
        self._pods: list[Pod] = []
        self._created = dict.fromkeys(range(len(POOLS)), 0)
        self._wanted: dict[int, Workload] = {}
        self._rolling: set[int] = set()
        self.placement: Placement = OneNode()
        self.refusal: Callable[[], str] = lambda: ""
        self.missing_image: Callable[[], str] = lambda: ""
        """Why a new pod of the champion cannot have its container; empty if it can."""
        self.damaged: set[str] = set()
        """Versions whose files cannot be loaded."""
        """Why a model cannot be loaded now; empty if it can."""
        self.revision = 0
        """Grows whenever a pod comes or goes: the set of series changes with it."""

    def pods(self, pool: int | None = None) -> list[Pod]:
        """Pods that exist, oldest first."""
        return [pod for pod in self._pods if pool is None or pod.pool == pool]

    def names(self) -> tuple[str, ...]:
        """Names of all pods."""
        return tuple(pod.name for pod in self._pods)

    def ready(self, pool: int) -> list[Pod]:
        """Pods that take requests."""
        return [pod for pod in self.alive(pool) if pod.state is PodState.READY]

    def alive(self, pool: int) -> Iterator[Pod]:
        """Pods that count towards the wanted number."""
        return (pod for pod in self._pods if pod.pool == pool and pod.state is not PodState.DRAINING)

    def reconcile(self, pool: int, workload: Workload, *, at_once: bool = False) -> None:
        """Bring pods to the wanted number and version. `at_once`: they are ready now, as at the very beginning."""
        for pod in self.alive(pool):
            self._plane.set_capacity(pod.slot, workload.concurrency, workload.queue)
        if not self._roll(pool, workload, at_once=at_once):
            self._wanted[pool] = workload
            if pool not in self._rolling:
                self._rolling.add(pool)
                self._env.process(self._keep_rolling(pool))
        else:
            self._wanted[pool] = workload

    def _keep_rolling(self, pool: int) -> Generator[simpy.Event, None, None]:
        """The deployment's control loop while a rollout is under way."""
        self._log(POOLS[pool], "info", f"rollout of {self._wanted[pool].version} begins")
        while not self._roll(pool, self._wanted[pool], at_once=False):
            yield self._env.timeout(ROLLOUT_PERIOD)
        self._rolling.discard(pool)
        self._log(POOLS[pool], "info", f"rollout of {self._wanted[pool].version} is complete")
        self._rolled_out(pool, self._wanted[pool].version)

    def _roll(self, pool: int, workload: Workload, *, at_once: bool) -> bool:
        """One decision of the deployment; whether no pod of another version is left."""
        alive = list(self.alive(pool))
        current = [pod for pod in alive if pod.version == workload.version]
        other = [pod for pod in alive if pod.version != workload.version]
        if not other:
            for _ in range(workload.replicas - len(current)):
                self._create(pool, workload, at_once=at_once)
            for pod in _victims(current)[: max(0, len(current) - workload.replicas)]:
                self._retire(pod)
            return True
        observed = rollout.Observed(len(current), _ready(current), len(other), _ready(other))
        decision = rollout.decide(observed, workload.replicas)
        for _ in range(decision.create):
            self._create(pool, workload, at_once=False)
        for pod in _victims(other)[: decision.retire_unready + decision.retire_ready]:
            self._retire(pod)
        return False

    def replace(self, pool: int, which: str, workload: Workload) -> None:
        """Delete one pod by name, or `all`; the deployment creates new ones at once."""
        for pod in list(self.alive(pool)):
            if which in ("all", pod.name):
                self._log(pod.name, "info", "deleted")
                self._remove(pod)
        self.reconcile(pool, workload)

    def crash(self, pod: Pod, reason: str) -> None:
        """The pod's process dies; the container restarts after its back-off."""
        self._plane.kill_replica(pod.slot)
        pod.stopped_by.clear()
        pod.unfit_by.clear()
        pod.condemned = False
        delay = self._died(pod, reason)
        pod.state = PodState.BACKING_OFF if delay else PodState.STARTING
        self._interrupt(pod)
        pod.life = self._env.process(self._come_up(pod, delay))

    def pace(self, pod: Pod) -> None:
        """Tell the data plane how slowly a pod works now."""
        self._plane.set_slowness(pod.slot, pod.grey * pod.throttled)

    def freeze(self, pod: Pod) -> None:
        """Its node is gone. The gateway does not know yet: what it sends there hangs, as does what is there."""
        self._interrupt(pod)
        pod.lost = True
        self._plane.stop_replica(pod.slot)

    def hang(self, pod: Pod, beat: str) -> None:
        """Its process stops, and what is sent there hangs."""
        pod.stopped_by.add(beat)
        self._plane.stop_replica(pod.slot)

    def carry_on(self, pod: Pod, beat: str) -> bool:
        """The process that a beat stopped goes on, unless another beat stopped it, too, or it is gone by now; whether it does."""
        if beat not in pod.stopped_by or pod.state is PodState.GONE:
            return False
        pod.stopped_by.discard(beat)
        if pod.frozen:
            return False
        self._plane.carry_on_replica(pod.slot)
        return True

    def condemn(self, pod: Pod, why: str) -> None:
        """The kubelet asks a process to end; one that is stopped hears it when it goes on."""
        pod.condemned = True
        self._log(pod.name, "warning", f"{why}: its container is to be restarted")

    def reachable(self, pod: Pod) -> None:
        """The gateway's health checks of a pod that did not answer pass again."""
        if not pod.frozen and not pod.unfit_by and pod.state is PodState.UNREACHABLE:
            pod.state = PodState.READY
            self._plane.set_ready(pod.slot, True)
            self._log(pod.name, "info", "health checks pass again: ready")

    def unreachable(self, pod: Pod) -> None:
        """The gateway's health checks of a frozen pod have failed: it gets no more requests; those that it has hang on."""
        if pod.frozen and pod.state is not PodState.UNREACHABLE:
            self._log(pod.name, "error", "health checks fail: no answer")
            self._plane.set_ready(pod.slot, False)
            pod.state = PodState.UNREACHABLE

    def unfit(self, pod: Pod, beat: str) -> None:
        """It says that it is not ready: it gets no more requests, and finishes what it has."""
        pod.unfit_by.add(beat)
        if pod.state is PodState.READY:
            self._log(pod.name, "warning", "readiness probe fails: 503")
            self._plane.set_ready(pod.slot, False)
            pod.state = PodState.UNREACHABLE

    def fit(self, pod: Pod, beat: str) -> None:
        """It says so no longer, for this beat."""
        if beat in pod.unfit_by and pod.state is not PodState.GONE:
            pod.unfit_by.discard(beat)
            self.reachable(pod)

    def thaw(self, pod: Pod, reason: str) -> None:
        """Its node is back: the container starts, unless the pod was to go."""
        if pod.state is PodState.DRAINING:
            self._remove(pod)
            return
        pod.lost = False
        self.crash(pod, reason)

    def evict(self, pods: list[Pod]) -> None:
        """Delete pods; the deployments make new ones."""
        for pod in pods:
            self._log(pod.name, "info", "deleted")
            self._remove(pod)
        for pool in sorted({pod.pool for pod in pods}):
            self.reconcile(pool, self._wanted[pool])

    def _died(self, pod: Pod, reason: str) -> float:
        """Count the end of a container's process; seconds until the next start."""
        self._log(pod.name, "error", reason)
        delay, pod.backoff = backoff.decide(pod.backoff, self._env.now)
        pod.restarts += 1
        pod.usage.leaked = 0.0
        return delay

    def sweep(self) -> None:
        """Remove drained pods that have finished what they had."""
        for pod in [pod for pod in self._pods if pod.state is PodState.DRAINING and self._plane.is_empty(pod.slot)]:
            self._log(pod.name, "info", "terminated")
            self._remove(pod)

    def _create(self, pool: int, workload: Workload, *, at_once: bool) -> None:
        self._created[pool] += 1
        slot = self._plane.add_replica(pool, self._models[workload.version], workload.concurrency, workload.queue)
        pod = Pod(f"{POOLS[pool]}-{self._created[pool]}", self._created[pool], pool, slot, workload.version)
        pod.node = self.placement.place(self._pods)
        self._pods.append(pod)
        self.revision += 1
        if at_once:
            pod.state = PodState.READY
            self._plane.set_ready(slot, True)
        else:
            pod.life = self._env.process(self._come_up(pod, 0.0))

    def _come_up(self, pod: Pod, delay: float) -> Generator[simpy.Event, None, None]:
        try:
            yield from self._get_placed(pod)
            yield from self._get_image(pod)
            while True:
                if delay:
                    pod.state = PodState.BACKING_OFF
                    self._log(pod.name, "warning", f"restart in {delay:g} s")
                    yield self._env.timeout(delay)
                pod.state = PodState.STARTING
                self._log(pod.name, "info", "starting")
                yield self._env.timeout(self._runtime.start_time)
                pod.state = PodState.LOADING
                self._log(pod.name, "info", f"loading model {pod.version}")
                if pod.version in self.damaged:
                    yield from self._give_up_loading(pod)
                if not self.refusal():
                    break
                yield self._env.timeout(REFUSED_AFTER)
                delay = self._died(pod, f"loading model {pod.version}: {self.refusal() or 'connection lost'}")
            yield self._env.timeout(self._runtime.load_time)
            pod.state, pod.ready_since = PodState.READY, self._env.now
            self._plane.set_ready(pod.slot, True)
            self._log(pod.name, "info", f"model {pod.version} loaded, ready")
        except simpy.Interrupt:
            return

    def _give_up_loading(self, pod: Pod) -> Generator[simpy.Event, None, None]:
        """The process runs on without a model, and is never ready."""
        yield self._env.timeout(REFUSED_AFTER)
        self._log(pod.name, "error", f"model {pod.version} cannot be loaded: its file is damaged")
        yield self._env.event()

    def _get_placed(self, pod: Pod) -> Generator[simpy.Event, None, None]:
        """Wait for a node that takes the pod, and for that node to start it."""
        if not pod.node:
            self._log(pod.name, "warning", "pending: no node takes it")
        while not pod.node:
            yield self._env.timeout(ROLLOUT_PERIOD)
            pod.node = self.placement.place(self._pods)
        if self.placement.is_lost(pod.node):
            pod.lost = True
            yield self._env.event()  # nobody starts it there: it goes on when the node is back

    def _get_image(self, pod: Pod) -> Generator[simpy.Event, None, None]:
        """Wait until the image can be pulled; a container that starts again has it."""
        if pod.pool != CHAMPION or pod.restarts or not self.missing_image():
            return
        pod.state = PodState.BACKING_OFF
        self._log(pod.name, "error", f"ImagePullBackOff: {self.missing_image()}")
        while self.missing_image():
            yield self._env.timeout(ROLLOUT_PERIOD)

    def _retire(self, pod: Pod) -> None:
        self._interrupt(pod)
        if pod.state is PodState.READY:
            pod.state = PodState.DRAINING
            self._plane.set_ready(pod.slot, False)
            self._log(pod.name, "info", "terminating: finishes what it has")
        else:
            self._log(pod.name, "info", "deleted")
            self._remove(pod)

    def _remove(self, pod: Pod) -> None:
        self._interrupt(pod)
        self._plane.kill_replica(pod.slot)
        self._plane.remove_replica(pod.slot)
        pod.state = PodState.GONE
        self._pods.remove(pod)
        self.revision += 1

    def _interrupt(self, pod: Pod) -> None:
        if pod.life is not None and pod.life.is_alive:
            pod.life.interrupt()
        pod.life = None


def _ready(pods: list[Pod]) -> int:
    return sum(pod.state is PodState.READY for pod in pods)


def _victims(pods: list[Pod]) -> list[Pod]:
    """Who goes first, as the ReplicaSet controller decides: those that are not ready, then the youngest."""
    return sorted(pods, key=lambda pod: (pod.state is PodState.READY, -pod.ordinal))
