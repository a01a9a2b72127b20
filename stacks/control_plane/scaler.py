"""The autoscaler as a process: it sees what metrics-server would show and asks `sandbox.control`."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import simpy

from ...sandbox.control import autoscaler
from .interfaces import CHAMPION, Replicas
from .steering import Steering

COMPONENT = "autoscaler"


class Scaler:
    """Decides every 15 s on the mean utilisation of the champion's ready pods since the decision before.

    Args:
        steering: time and desired state.
        replicas: what is observed of the pods.
        lag: seconds after the full period at which it looks, for who learns of the pods a moment later.
    """

    def __init__(self, steering: Steering, replicas: Replicas, lag: float = 0.0) -> None:
        self._steering = steering
        self._replicas = replicas
        self._lag = lag
        self._busy: Mapping[str, float] = {}
        self._state = autoscaler.State()
        self.blind: set[str] = set()
        """Beats of faults for which there are no metrics, and the adapter gives zeros in their place."""

    def run(self) -> Generator[simpy.Event, None, None]:
        """The control loop, for ever."""
        if self._lag:
            yield self._steering.env.timeout(self._lag)
        while True:
            yield self._steering.env.timeout(autoscaler.PERIOD)
            spec = self._steering.spec()
            observed = autoscaler.Observed(spec.champion.replicas, *self._look(spec.champion.concurrency))
            wanted, self._state = autoscaler.decide(observed, spec.autoscaler, self._state, self._steering.env.now)
            if wanted != spec.champion.replicas:
                self._steering.put({"champion.replicas": wanted}, COMPONENT)

    def _look(self, slots: int) -> tuple[int, float | None]:
        """Ready pods and their mean utilisation; pods that were not ready a period ago have no metrics yet."""
        busy = self._replicas.busy(CHAMPION)
        shares = [(busy[name] - self._busy[name]) / (autoscaler.PERIOD * max(1, slots)) for name in busy if name in self._busy]
        self._busy = busy
        if self.blind:
            return len(busy), 0.0
        return len(busy), sum(shares) / len(shares) if shares else None
