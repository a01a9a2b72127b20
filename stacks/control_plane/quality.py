"""The quality monitor as a process: predictions and labels go in, the health of the champion comes out."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping

import numpy as np
import simpy
from numpy.typing import NDArray

from ...sandbox.control.canary import Evidence
from ...sandbox.learning.evaluation import side_by_side
from ...sandbox.learning.health import QualityReading
from ...sandbox.learning.models import score_examples
from ...sandbox.learning.references import Reference
from ...sandbox.learning.version import ModelVersion
from ...sandbox.learning.windows import Health, HealthWindow, Maturity, Spans
from ...sandbox.model.features import ONLINE
from ...sandbox.model.scenario import Scenario
from ...sandbox.world.data import FEATURES
from ...sandbox.world.draws import Examples
from ...sandbox.world.flights import World
from .interfaces import Answers, Versions
from .steering import Steering

EVERY = 15.0
"""Seconds of drill time between two evaluations, and at least a minute of the calendar: within one nothing is new."""
ASKED_BEFORE = 180
"""Calendar minutes before departure at which the flights of the time before the drill were last asked about."""
NOTHING = Health(None, None, Maturity(0, 0, 0))


class QualityMonitor:
    """Evaluates the champion every `EVERY` seconds, also before the drill: the service did not begin with it.

    Args:
        steering: time and desired state.
        world: flights and calendar.
        versions: that there are.
        answers: of the model servers.
        scenario: for its warm-up and its quality objective.
    """

    def __init__(self, steering: Steering, world: World, versions: Versions, answers: Answers, scenario: Scenario) -> None:
        self._steering = steering
        self.world = world
        """Flights and calendar."""
        self._versions = versions
        self._answers = answers
        self._limit = next((goal.brier for goal in scenario.objectives if goal.brier is not None), None)
        self._label_delays: dict[str, float] = {}
        self._skew: dict[str, tuple[int, float]] = {}  # by version, of the last answers: how many, how far from offline scores
        self._references: dict[str, Reference] = {}
        self._answered = np.zeros(0)  # the champion's scores of the flights that it was asked about last
        self.health = NOTHING
        self.judged = [0.0, 0.0]
        """Flights in evaluations so far whose Brier score met the objective, and in those whose did not."""
        spans = Spans()
        begin = world.draws.calendar(-scenario.warmup)
        past = world.data.departing(begin - (spans.quality_hours + spans.maturity_hours) * 60.0, begin)
        rows = world.examples.rows
        first = int(min(past[0], rows.min())) if len(past) else int(rows.min())
        self._flights = np.arange(first, int(rows.max()) + 1, dtype=np.int32)
        self._unknown = np.ones(len(self._flights), np.bool_)
        self.window = HealthWindow(world.data, first, int(rows.max()) + 1, spans, ONLINE)
        self._remember(past)

    def run(self) -> Generator[simpy.Event, None, None]:
        """The loop, for ever."""
        every = max(EVERY, 60.0 / self.world.config.pace)
        while True:
            yield self._steering.env.timeout(every)
            self._collect()
            self._evaluate()

    def begin_delay(self, beat: str, seconds: float) -> None:
        """Labels come later by so many seconds of drill time."""
        self._label_delays[beat] = seconds

    def end_delay(self, beat: str) -> None:
        """They come in time again: those that were held back at once."""
        self._label_delays.pop(beat, None)

    @property
    def now(self) -> float:
        """The calendar minute."""
        return self.world.draws.calendar(self._steering.env.now)

    @property
    def champion(self) -> str:
        """The version that serves, as the drill calls it."""
        return self._steering.spec().champion.version

    def recent(self) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Rows, features as served and scores of the flights that the champion was asked about of late."""
        return self.window.recent(self.champion, self.now)

    @property
    def called_late(self) -> float:
        """Share of the flights that were answered for since the evaluation before which are called late; NaN without any."""
        if not len(self._answered):
            return math.nan
        threshold = self._steering.spec().gateway.threshold or self.version.threshold
        return float(np.mean(self._answered >= threshold))

    def quality_by(self, by: str) -> Mapping[str, QualityReading | None]:
        """Quality of the champion per slice."""
        return self.window.quality_by(self.champion, self.now, by)

    @property
    def drift(self) -> float | None:
        """PSI of the worst feature over the largest of any day of the training data; None without enough flights."""
        found = self.health.drift
        if found is None:
            return None
        ratios = [found.features[name].psi / self.reference.usual[FEATURES.index(name)] for name in ONLINE]
        return max((ratio for ratio in ratios if math.isfinite(ratio)), default=None)

    @property
    def version(self) -> ModelVersion:
        """The champion's model."""
        return self._versions.model(self.champion)

    @property
    def reference(self) -> Reference:
        """What its training data looked like."""
        return self._reference(self.champion)

    def compare(self, candidate: str) -> Evidence:
        """What a candidate has answered lately, beside the champion."""
        return side_by_side(self.window, candidate, self.champion, self.now, self._skew.get(candidate, (0, 0.0)))

    def _reference(self, name: str) -> Reference:
        if name not in self._references:
            self._references[name] = self._versions.reference(name)
        return self._references[name]

    def _collect(self) -> None:
        """Take in what was answered, and the labels that have come, since the last time."""
        now, collected = self.now, self._answers.collect(self.now)
        for name, given in collected.items():
            if len(given.rows):
                self._skew[name] = (len(given.rows), given.skew)
            self.window.answered(name, given.times, given.rows, given.features, given.scores)
        champion = collected.get(self.champion)
        self._answered = np.zeros(0) if champion is None else champion.scores
        late = sum(self._label_delays.values()) / 60.0 * self.world.config.pace
        data = self.world.data
        arrived = self._unknown & (data.known_at[self._flights] + late <= now)
        self._unknown &= ~arrived
        flights = self._flights[arrived]
        self.window.labelled(flights, data.label[flights])

    def _evaluate(self) -> None:
        self.health = self.window.evaluate(self.champion, self.now, self.reference)
        quality = self.health.quality
        if quality is not None:
            met = self._limit is None or quality.brier <= self._limit
            self.judged[not met] += quality.flights

    def _remember(self, flights: NDArray[np.int32]) -> None:
        """The predictions from before the drill: each flight as it was last asked about."""
        data = self.world.data
        asked = data.departure[flights].astype(np.float64) - ASKED_BEFORE
        examples = Examples(data, flights, (np.floor(asked / 60.0) - 1).astype(np.int32))
        for name in self._versions.names:
            scores = score_examples(self._versions.model(name), examples)
            self.window.answered(name, asked, flights, examples.features, scores)
