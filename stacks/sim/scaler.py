"""The autoscaler as a process of the simulation: it sees what metrics-server would show and asks `sandbox.control`."""

from __future__ import annotations

from collections.abc import Callable, Generator

import simpy

from ...sandbox.control import autoscaler
from ...sandbox.model.service import ServiceSpec
from .fleet import CHAMPION, Fleet
from .plane import Plane


class Scaler:
    """Decides every 15 s on the mean utilisation of the champion's ready pods since the decision before."""

    def __init__(
        self,
        env: simpy.Environment,
        plane: Plane,
        fleet: Fleet,
        spec: Callable[[], ServiceSpec],
        want: Callable[[int], None],
    ) -> None:
        self._env = env
        self._plane = plane
        self._fleet = fleet
        self._spec = spec
        self._want = want
        self._busy: dict[str, float] = {}
        self._state = autoscaler.State()
        self.blind: set[str] = set()
        """Beats of faults for which there are no metrics, and the adapter gives zeros in their place."""

    def run(self) -> Generator[simpy.Event, None, None]:
        """The control loop, for ever."""
        while True:
            yield self._env.timeout(autoscaler.PERIOD)
            spec = self._spec()
            observed = autoscaler.Observed(spec.champion.replicas, *self._look(spec.champion.concurrency))
            wanted, self._state = autoscaler.decide(observed, spec.autoscaler, self._state, self._env.now)
            if wanted != spec.champion.replicas:
                self._want(wanted)

    def _look(self, slots: int) -> tuple[int, float | None]:
        """Ready pods and their mean utilisation; pods that were not ready a period ago have no metrics yet."""
        ready = self._fleet.ready(CHAMPION)
        busy = {pod.name: self._plane.busy_seconds(pod.slot) for pod in ready}
        shares = [(busy[name] - self._busy[name]) / (autoscaler.PERIOD * max(1, slots)) for name in busy if name in self._busy]
        self._busy = busy
        if self.blind:
            return len(ready), 0.0
        return len(ready), sum(shares) / len(shares) if shares else None
