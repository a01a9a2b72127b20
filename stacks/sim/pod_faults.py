"""Processes of simulated replicas that are killed, that hang, and that say they are not ready.

A process that hangs is one that was stopped (SIGSTOP): it has its connections and its place in memory, and answers nobody. The
gateway finds out by its probes, and sends it nothing more; then the kubelet does by its own, asks it to end, which it does not
hear, and kills it. Each is taken as late as it is on the average.
"""

from __future__ import annotations

from collections.abc import Generator

import simpy

from ...sandbox.model.params import Params
from ..control_plane.luck import Draw
from .fleet import CHAMPION, Fleet, Pod, PodState

KILLED = "process ended: killed by SIGKILL"
NOTICED = 8.5
"""Seconds until three probes in a row had no answer: 2 s each, 1 s apart, the first 0.5 s after the stop on the average."""
ANSWERS = 0.5
"""Seconds until the next probe, of a process that goes on."""
LIVENESS = 30.0
"""Seconds until three liveness probes in a row had no answer: 10 s apart, 5 s each (`stacks/deploy/kubernetes/pods.py`)."""
UNFIT = 5.0
"""Seconds until three readiness probes in a row have failed: 2 s apart, the first 1 s after the change on the average."""
GRACE = 10.0
"""Seconds from there until it is killed."""


class Kill:
    """Some of the champion's ready replicas lose their processes, once or again and again."""

    def __init__(self, env: simpy.Environment, fleet: Fleet, seed: int) -> None:
        self._env = env
        self._fleet = fleet
        self._draw = Draw(seed, "faults/kills")
        self._live: dict[str, object] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        self._kill(int(params["count"]))
        if "every" in params:
            token = self._live[beat] = object()
            self._env.process(self._again(beat, token, int(params["count"]), float(params["every"])))

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        self._live.pop(beat, None)

    def _again(self, beat: str, token: object, count: int, every: float) -> Generator[simpy.Event, None, None]:
        while True:
            yield self._env.timeout(every)
            if self._live.get(beat) is not token:
                return
            self._kill(count)

    def _kill(self, count: int) -> None:
        for pod in self._draw.of(self._fleet.ready(CHAMPION), count):
            self._fleet.crash(pod, KILLED)


class Hang:
    """The processes of some of the champion's ready replicas stop, and go on at the end."""

    def __init__(self, env: simpy.Environment, fleet: Fleet, seed: int) -> None:
        self._env = env
        self._fleet = fleet
        self._draw = Draw(seed, "faults/hangs")
        self._stopped: dict[str, list[Pod]] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        self._stopped[beat] = self._draw.of(self._fleet.ready(CHAMPION), int(params["count"]))
        for pod in self._stopped[beat]:
            self._fleet.hang(pod, beat)
            self._env.process(self._notice(pod, beat))

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        for pod in self._stopped.pop(beat):
            if self._fleet.carry_on(pod, beat):
                self._env.process(self._find_again(pod))

    def _notice(self, pod: Pod, beat: str) -> Generator[simpy.Event, None, None]:
        """First the gateway, then the kubelet."""
        yield self._env.timeout(NOTICED)
        if beat in pod.stopped_by and pod.state is PodState.READY:
            self._fleet.unreachable(pod)
        yield self._env.timeout(LIVENESS - NOTICED)
        if _hangs(pod, beat):
            self._fleet.condemn(pod, "liveness probe fails")
            yield self._env.timeout(GRACE)
            if _hangs(pod, beat):
                self._fleet.crash(pod, KILLED)

    def _find_again(self, pod: Pod) -> Generator[simpy.Event, None, None]:
        if pod.condemned:
            self._fleet.crash(pod, "process ended: exit 0")
            return
        yield self._env.timeout(ANSWERS)
        self._fleet.reachable(pod)


class Unready:
    """Some of the champion's ready replicas say that they are not, until the end, or until they start again.

    The probe is asked every other second, and three failures in a row count.
    """

    def __init__(self, env: simpy.Environment, fleet: Fleet, seed: int) -> None:
        self._env = env
        self._fleet = fleet
        self._draw = Draw(seed, "faults/unready")
        self._live: dict[str, list[Pod]] = {}

    def begin(self, beat: str, _fault: str, params: Params) -> None:
        """As `Mechanism`."""
        self._live[beat] = self._draw.of(self._fleet.ready(CHAMPION), int(params["count"]))
        self._env.process(self._notice(beat))

    def end(self, beat: str) -> None:
        """As `Mechanism`."""
        for pod in self._live.pop(beat):
            self._fleet.fit(pod, beat)

    def _notice(self, beat: str) -> Generator[simpy.Event, None, None]:
        yield self._env.timeout(UNFIT)
        for pod in self._live.get(beat, ()):
            if pod.state is PodState.READY:
                self._fleet.unfit(pod, beat)


def _hangs(pod: Pod, beat: str) -> bool:
    """Whether a pod is still stopped by a beat, and the kubelet of its node sees to it."""
    return beat in pod.stopped_by and pod.state is PodState.UNREACHABLE and not pod.lost
