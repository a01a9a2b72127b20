"""Containers of the model servers: memory, CPU, and the ways in which a process dies or slows down.

Memory is a number per pod: what the process takes with its model, what each request in flight takes, and what has leaked, which
grows with every answer. A container at its limit is killed by the kernel (OOM) and starts again with the kubelet's back-off.

CPU: a busy slot wants one core. Above the limit the CFS quota gives the slots what is there, so that work takes busy over limit
times as long, and the periods of 100 ms in which the quota ran out count as throttled (Linux kernel, "CFS Bandwidth Control").
The limit of a node counts for all replicas on it together.
Limits are changed in place (Kubernetes documentation, "Resize CPU and Memory Resources assigned to Containers").
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

import simpy

from ...sandbox.model.service import Servers
from ...sandbox.world.streams import Stream
from . import layout as lay
from .fleet import CHAMPION, Fleet, Pod, PodState
from .plane import Plane

PERIOD = 1.0
"""Seconds between two looks at memory and CPU."""
PROCESS = 300.0
"""MiB of a process with its model."""
PER_REQUEST = 1.0
"""MiB of a request that is in service or waits."""
QUOTA_PERIODS = 10.0
"""CFS periods per second."""


@dataclass(slots=True)
class Trouble:
    """What faults do to containers at present, by beat."""

    leaks: dict[str, float] = field(default_factory=dict)  # MiB per answer
    deadly: dict[str, tuple[float, float]] = field(default_factory=dict)  # by settings: seconds that a process lives, since when
    imageless: set[str] = field(default_factory=set)  # settings that name an image which nobody has
    short: dict[str, tuple[str, float]] = field(default_factory=dict)  # a node, and the cores that are left to it


class Containers:
    """Looks after the containers every second.

    Args:
        env: whose time is drill time.
        plane: the data plane.
        fleet: the pods.
        limits: settings and limits of the containers.
        seed: of the drill.
    """

    def __init__(self, env: simpy.Environment, plane: Plane, fleet: Fleet, limits: Callable[[], Servers], seed: int) -> None:
        self._env = env
        self._plane = plane
        self._fleet = fleet
        self._limits = limits
        self._luck = Stream(seed, "faults/grey")
        self._spread = Stream(seed, "faults/crashes")
        self._drawn = 0
        self._leaked = self._limited = False  # ever
        self._slow: dict[str, tuple[Pod, float]] = {}
        self.trouble = Trouble()

    def run(self) -> Generator[simpy.Event, None, None]:
        """For ever."""
        while True:
            yield self._env.timeout(PERIOD)
            self.look()

    def look(self) -> None:
        """Memory grows, quotas run out, processes die."""
        limits, leak = self._limits(), sum(self.trouble.leaks.values())
        if not self._is_strained(limits):
            return
        working = [
            (pod, self._account(pod, leak))
            for pod in self._fleet.pods()
            if not pod.frozen and pod.state in (PodState.READY, PodState.DRAINING)
        ]
        crowded = self._crowded(working)
        for pod, wanted in working:
            if wanted is not None:
                self._throttle(pod, wanted, limits.cpu, crowded.get(pod.node, 1.0))
            if self.memory(pod) >= limits.memory:
                pod.usage.kills += 1
                self._fleet.crash(pod, f"OOMKilled: {self.memory(pod):.0f} MiB of {limits.memory:g} MiB")
            elif limits.settings in self.trouble.deadly and self._is_due(pod, *self.trouble.deadly[limits.settings]):
                self._fleet.crash(pod, f"exit code 1: settings {limits.settings}: thread pool is exhausted")

    def memory(self, pod: Pod) -> float:
        """MiB in use; 0 while no process runs."""
        if pod.state not in (PodState.LOADING, PodState.READY, PodState.DRAINING):
            return 0.0
        row = self._plane.state.r[pod.slot]
        return PROCESS + PER_REQUEST * float(row[lay.R_BUSY] + row[lay.R_WAITING]) + pod.usage.leaked

    def _is_strained(self, limits: Servers) -> bool:
        """Whether anything can happen to a container: in most drills never, and a look costs time per pod."""
        self._leaked |= bool(self.trouble.leaks)
        self._limited |= limits.cpu > 0.0 or bool(self.trouble.short)
        if self._leaked or self._limited or limits.settings in self.trouble.deadly:
            return True
        room = self._plane.state.r[:, [lay.R_CONCURRENCY, lay.R_QUEUE]].sum(axis=1).max()
        return bool(PROCESS + PER_REQUEST * float(room) >= limits.memory)

    def _is_due(self, pod: Pod, lives: float, since: float) -> bool:
        """Whether a process has lived as long as it can with the present settings: not all of them just as long."""
        spread = 0.8 + 0.4 * float(self._spread.uniform(pod.ordinal, 1)[0])
        return pod.state is PodState.READY and self._env.now - max(pod.ready_since, since) >= lives * spread

    def refuse_downloads(self, refused: Callable[[], bool]) -> None:
        """Set what says whether the host of the artifacts refuses."""
        self._fleet.refusal = lambda: "503 Service Unavailable from the artifact store" if refused() else ""

    def revision(self) -> str:
        """A name for settings that nobody has pushed yet."""
        return f"revision-{len(self.trouble.deadly) + len(self.trouble.imageless) + 2}"

    def missing_image(self) -> str:
        """Why containers of new pods cannot be made; empty if they can."""
        settings = self._limits().settings
        return f"the image of settings {settings} is not in the registry" if settings in self.trouble.imageless else ""

    def begin_grey(self, beat: str, factor: float) -> None:
        """One of the champion's ready replicas, drawn, answers more slowly from now on."""
        ready = self._fleet.ready(CHAMPION)
        if ready:
            pod = ready[int(self._luck.uniform(self._drawn, 1)[0] * len(ready))]
            self._slow[beat] = (pod, factor)
            pod.grey = factor
            self._fleet.pace(pod)
        self._drawn += 1

    def end_grey(self, beat: str) -> None:
        """It is itself again."""
        pod, factor = self._slow.pop(beat, (None, 1.0))
        if pod is not None and pod.state is not PodState.GONE and pod.grey == factor:
            pod.grey = 1.0
            self._fleet.pace(pod)

    def _account(self, pod: Pod, leak: float) -> float | None:
        """The cores that its slots wanted since the look before, and what leaked; None if nobody looked for a while."""
        usage, busy = pod.usage, self._plane.busy_seconds(pod.slot)
        answers = int(self._plane.state.r[pod.slot, lay.R_SERVED])
        wanted, answered = (busy - usage.busy) / PERIOD, answers - usage.answers
        seen = self._env.now - usage.seen < 1.5 * PERIOD
        usage.busy, usage.answers, usage.seen = busy, answers, self._env.now
        if not seen:  # or the pod is new: what it used then does not count
            return None
        usage.leaked += leak * answered
        return wanted

    def _crowded(self, working: Sequence[tuple[Pod, float | None]]) -> Mapping[str, float]:
        """How many times as long work takes on nodes that are short of CPU: as one limit for all replicas there."""
        left: dict[str, float] = {}
        for node, cores in self.trouble.short.values():
            left[node] = min(cores, left.get(node, cores))
        return {
            node: max(1.0, sum(wanted or 0.0 for pod, wanted in working if pod.node == node) / cores)
            for node, cores in left.items()
        }

    def _throttle(self, pod: Pod, wanted: float, limit: float, slower: float) -> None:
        """How far its CPU quota goes from now on; `slower` by what its node lacks."""
        if limit > 0.0:
            pod.usage.periods += QUOTA_PERIODS * PERIOD
            pod.usage.throttled += QUOTA_PERIODS * PERIOD if wanted > limit else 0.0
            slower = max(slower, wanted / limit)
        if slower != pod.throttled:
            pod.throttled = slower
            self._fleet.pace(pod)
