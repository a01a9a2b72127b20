"""A fleet on an empty data plane, without a world."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import simpy

from drillbox.sandbox.model.scenario import Runtime
from drillbox.sandbox.model.service import Workload
from drillbox.stacks.sim.fleet import Fleet
from drillbox.stacks.sim.plane import ClientPolicy, Model, Plane, ServiceTime


@dataclass
class Bench:
    """A fleet, its data plane, and what was logged."""

    env: simpy.Environment
    plane: Plane
    fleet: Fleet
    log: list[tuple[float, str, str, str]] = field(default_factory=list)

    def run(self, until: float) -> None:
        """Let time pass in the control plane and the data plane together."""
        while self.env.peek() <= until:
            self.plane.advance(self.env.peek())
            self.env.step()
        self.plane.advance(until)
        if self.env.now < until:
            self.env.run(until=until)

    def serve(self, times: list[float], until: float) -> None:
        """Let requests arrive before the control plane has anything to do."""
        self.plane.advance(until, np.array(times), 0, np.zeros(len(times), np.int32))
        self.run(until)

    def states(self) -> dict[str, str]:
        """The state of each pod by name."""
        return {pod.name: pod.state.value for pod in self.fleet.pods()}


@pytest.fixture
def bench() -> Bench:
    env = simpy.Environment()
    model = Model(ServiceTime.constant(0.05))
    plane = Plane(seed=1, start=0.0, latency_bounds=(0.1, 1.0), slow_bound=0.5, clients=ClientPolicy(2.0), models=[model, model])
    log: list[tuple[float, str, str, str]] = []
    runtime = Runtime(start_time=10.0, load_time=20.0)
    fleet = Fleet(env, plane, {"v1": 0, "v2": 1}, runtime, lambda *line: log.append((env.now, *line)))
    return Bench(env, plane, fleet, log)


@pytest.fixture
def three() -> Workload:
    return Workload(version="v1", replicas=3, concurrency=2, queue=4)
