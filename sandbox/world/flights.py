"""The world `flights` of one drill: when requests come, what they ask, what the truth is and when it is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..model.errors import UsageError, nearest
from ..model.scenario import WorldConfig
from . import prices, rules
from .cache import load_data
from .calendar import minutes_of, moment_of, validate_calendar
from .data import FlightData
from .draws import Draws, Examples
from .rates import RateCurve
from .source import Progress
from .streams import Stream
from .traffic import Arrivals

WORLDS = ("flights",)
"""Names of the worlds that there are."""


@dataclass(frozen=True, eq=False)
class World:
    """The world of one drill. Everything about request i is a pure function of seed, i and the time at which it is sent."""

    config: WorldConfig
    data: FlightData
    draws: Draws
    seed: int

    @property
    def examples(self) -> Examples:
        """Every question that can come up."""
        return self.draws.examples

    @cached_property
    def rule_scores(self) -> NDArray[np.float64]:
        """What the rules answer to each example: 1.0 late, 0.0 on time."""
        return rules.rule_scores(self.examples.features)

    @cached_property
    def known_at(self) -> NDArray[np.float64]:
        """Drill time in seconds at which the label of each example becomes known."""
        minutes = self.examples.known_at.astype(np.float64) - minutes_of(self.config.start)
        return minutes * (60.0 / self.config.pace)

    @cached_property
    def _rows(self) -> Stream:
        return Stream(self.seed, "rows")

    def arrivals(self) -> Arrivals:
        """The requests of the drill, from the beginning of the warm-up."""
        return Arrivals(self.seed)

    def rate_curve(self, begin: float) -> RateCurve:
        """Requests per second over drill time, of a drill whose warm-up begins at drill time `begin`."""
        return RateCurve(self.config, self.data, self.seed, begin)

    def examples_for(self, first: int, times: NDArray[np.float64]) -> NDArray[np.int32]:
        """Example ids of the requests first, first + 1, … that are sent at `times` (seconds of drill time)."""
        return self.draws.examples_for(times, self._rows.uniform(first, len(times)))

    def calendar(self, t: float) -> dt.datetime:
        """Calendar time at drill time `t` (seconds)."""
        return moment_of(self.draws.calendar(t))

    def rule_costs(self) -> NDArray[np.float64]:
        """Dollars that the rules' answer to each example costs."""
        return self.costs(self.rule_scores, rules.RULES_THRESHOLD)

    def costs(self, scores: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
        """Dollars that a prediction for each example costs, from the scores of all examples and the version's threshold."""
        return prices.prediction_costs(scores, self.examples.labels, threshold, self.config.prices)

    def validate_prices(self) -> None:
        """Check the price list against the labels of the drill.

        Raises:
            UsageError: a failed request does not cost more than the best constant prediction is expected to.
        """
        prices.validate_prices(self.examples.labels, self.config.prices)


def validate_world(config: WorldConfig, duration: float, warmup: float) -> None:
    """Check a world's name and calendar without reading any data.

    Raises:
        UsageError: there is no such world, or the calendar leaves the data.
    """
    if config.name not in WORLDS:
        raise UsageError(f"unknown world {config.name!r}; {nearest(config.name, WORLDS)}")
    validate_calendar(config.start, config.pace, duration, warmup)


def open_world(config: WorldConfig, duration: float, warmup: float, seed: int, progress: Progress | None = None) -> World:
    """The world of one drill; the first time, the data is read and cached, which takes about a second.

    Args:
        config: the scenario's world.
        duration: seconds of drill time after t = 0.
        warmup: seconds of drill time before t = 0.
        seed: of the drill.
        progress: told of the step and the share of it that is done.

    Raises:
        UsageError: there is no such world, the calendar leaves the data, or the data cannot be read or cached.
    """
    validate_world(config, duration, warmup)
    data = load_data(progress)
    draws = Draws(data, minutes_of(config.start), config.pace, -warmup, duration)
    return World(config, data, draws, seed)
