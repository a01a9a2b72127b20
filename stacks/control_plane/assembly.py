"""The whole control plane of a service, put together once for every stack."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import simpy

from ...sandbox.model.scenario import Scenario
from ...sandbox.world.flights import World
from .canary import Canary, course_of
from .faults import Mechanism, mechanisms
from .interfaces import Answers, Replicas, Versions
from .model_book import ModelBook
from .quality import QualityMonitor
from .retraining import RetrainingLoop
from .scaler import Scaler
from .steering import Steering
from .trainer import Terms
from .training_run import Workshop
from .views import Freshness, ModelViews

Process = Callable[[], Generator[simpy.Event, None, None]]


@dataclass(frozen=True, slots=True)
class DataPlane:
    """What the control plane sees.

    Attributes:
        world: flights and calendar.
        versions: of the model.
        answers: of the model servers.
        replicas: of the model servers.
        freshness: how old the values in the feature store are.
    """

    world: World
    versions: Versions
    answers: Answers
    replicas: Replicas
    freshness: Callable[[], Freshness]


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Its parts. `processes` run in this order; `faults` are those that act through it."""

    quality: QualityMonitor
    book: ModelBook
    loop: RetrainingLoop
    scaler: Scaler
    views: ModelViews
    faults: Mapping[str, Mechanism]

    @property
    def processes(self) -> tuple[Process, ...]:
        """What runs for ever."""
        return (self.quality.run, self.loop.run, self.scaler.run)


def open_control_plane(
    steering: Steering,
    seen: DataPlane,
    scenario: Scenario,
    *,
    registry: Path | None = None,
    terms: Terms | None = None,
    lag: float = 0.0,
) -> ControlPlane:
    """Monitor, registry, retraining loop and autoscaler of a service, from the present drill time on.

    Args:
        steering: time, desired state, log.
        seen: the data plane.
        scenario: that is played.
        registry: folder of the registry; a temporary one if not given.
        terms: how models are trained; in this process, as long as the scenario says, if not given.
        lag: of the autoscaler's look, in seconds; see `Scaler`.

    Raises:
        UsageError: a stored model is damaged, or the cache cannot be written.
    """
    quality = QualityMonitor(steering, seen.world, seen.versions, seen.answers, scenario)
    book = ModelBook(seen.versions, scenario, lambda: scenario.calendar(steering.env.now), registry)
    canary = Canary(steering, seen.replicas, quality, course_of(scenario.profile))
    workshop = Workshop(steering, seen.versions, quality, book, canary, terms or Terms(scenario.runtime.training_time))
    begins = seen.world.draws.calendar(max(0.0, steering.env.now))
    loop = RetrainingLoop(steering, workshop, quality, begins, scenario.world.pace)
    scaler = Scaler(steering, seen.replicas, lag)
    views = ModelViews(seen.versions, quality, book, loop, seen.freshness)
    return ControlPlane(quality, book, loop, scaler, views, mechanisms(steering, quality, loop, scaler))
