"""The quality monitor as a process of the simulation: predictions and labels go in, the health of the champion comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping

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
from .scoring import Scorer
from .service import Service

EVERY = 15.0
"""Seconds of drill time between two evaluations, and at least a minute of the calendar: within one nothing is new."""
ASKED_BEFORE = 180
"""Calendar minutes before departure at which the flights of the time before the drill were last asked about."""
NOTHING = Health(None, None, Maturity(0, 0, 0))


class QualityMonitor:
    """Evaluates the champion every `EVERY` seconds, also before the drill: the service did not begin with it.

    Args:
        env: whose time is drill time.
        service: world, models and data plane.
        scorer: what was served, and the scores of it.
        scenario: for its calendar and its quality objective.
        champion: gives the version that serves now.
    """

    def __init__(
        self, env: simpy.Environment, service: Service, scorer: Scorer, scenario: Scenario, champion: Callable[[], str]
    ) -> None:
        self._env = env
        self._service = service
        self._scorer = scorer
        self._champion = champion
        self._limit = next((goal.brier for goal in scenario.objectives if goal.brier is not None), None)
        self._label_delays: dict[str, float] = {}
        self._skew: dict[str, tuple[int, float]] = {}  # by version, of the last answers: how many, how far from offline scores
        self._references: dict[str, Reference] = {}
        self._answered = np.zeros(0)  # the champion's scores of the flights that it was asked about last
        self.health = NOTHING
        self.judged = [0.0, 0.0]
        """Flights in evaluations so far whose Brier score met the objective, and in those whose did not."""
        world, spans = service.world, Spans()
        begin = world.draws.calendar(-scenario.warmup)
        past = world.data.departing(begin - (spans.quality_hours + spans.maturity_hours) * 60.0, begin)
        rows = world.examples.rows
        first = int(min(past[0], rows.min())) if len(past) else int(rows.min())
        self._flights = np.arange(first, int(rows.max()) + 1, dtype=np.int32)
        self._unknown = np.ones(len(self._flights), np.bool_)
        self.window = HealthWindow(world.data, first, int(rows.max()) + 1, spans, ONLINE)
        self._counted = np.zeros_like(service.plane.answers_by_example)
        self._remember(past)

    def run(self) -> Generator[simpy.Event, None, None]:
        """The loop, for ever."""
        every = max(EVERY, 60.0 / self._service.world.config.pace)
        while True:
            yield self._env.timeout(every)
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
        return self._service.world.draws.calendar(self._env.now)

    @property
    def champion(self) -> str:
        """The version that serves, as the drill calls it."""
        return self._champion()

    def recent(self) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Rows, features as served and scores of the flights that the champion was asked about of late."""
        return self.window.recent(self.champion, self.now)

    @property
    def called_late(self) -> float:
        """Share of the flights that were answered for since the evaluation before which are called late; NaN without any."""
        return self._scorer.called_late(self.version, self._answered)

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
        return self._service.model(self._champion())

    @property
    def reference(self) -> Reference:
        """What its training data looked like."""
        return self._reference(self._champion())

    def compare(self, candidate: str) -> Evidence:
        """What a candidate has answered lately, beside the champion."""
        return side_by_side(self.window, candidate, self.champion, self.now, self._skew.get(candidate, (0, 0.0)))

    def _reference(self, name: str) -> Reference:
        if name not in self._references:
            self._references[name] = self._service.reference(name)
        return self._references[name]

    def _collect(self) -> None:
        """Take in what was answered, and the labels that have come, since the last time."""
        self._count_new_models()
        counts, examples, now = self._service.plane.answers_by_example, self._service.world.examples, self.now
        for name, model in self._service.models.items():
            ids = np.flatnonzero(counts[model] > self._counted[model])
            scored = self._scorer.models[model]
            if len(ids):
                self._skew[name] = (len(ids), float(np.mean(np.abs(scored.current[ids] - scored.ideal[ids]))))
            times = np.full(len(ids), now)
            if name == self._champion():
                self._answered = scored.current[ids]
            self.window.answered(name, times, examples.rows[ids], self._scorer.served[ids], scored.current[ids])
        self._counted[:] = counts
        late = sum(self._label_delays.values()) / 60.0 * self._service.world.config.pace
        data = self._service.world.data
        arrived = self._unknown & (data.known_at[self._flights] + late <= now)
        self._unknown &= ~arrived
        flights = self._flights[arrived]
        self.window.labelled(flights, data.label[flights])

    def _count_new_models(self) -> None:
        """A model that was added counts from zero; the rules keep the last row."""
        new = len(self._service.plane.answers_by_example) - len(self._counted)
        if new:
            last = len(self._counted) - 1
            self._counted = np.insert(self._counted, [last] * new, 0, axis=0)

    def _evaluate(self) -> None:
        self.health = self.window.evaluate(self._champion(), self.now, self.reference)
        quality = self.health.quality
        if quality is not None:
            met = self._limit is None or quality.brier <= self._limit
            self.judged[not met] += quality.flights

    def _remember(self, flights: NDArray[np.int32]) -> None:
        """The predictions from before the drill: each flight as it was last asked about."""
        data = self._service.world.data
        asked = data.departure[flights].astype(np.float64) - ASKED_BEFORE
        examples = Examples(data, flights, (np.floor(asked / 60.0) - 1).astype(np.int32))
        for name, model in self._service.models.items():
            scores = score_examples(self._service.trained[model][0], examples)
            self.window.answered(name, asked, flights, examples.features, scores)
