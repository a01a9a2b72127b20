"""What the model servers answered, from their prediction logs, as the quality monitor takes it in."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....sandbox.world.data import FEATURES
from ....sandbox.world.flights import World
from ...control_plane.interfaces import Answered, Floats
from ..common.jsons import loads

HOURS_BACK = 3
"""Calendar hours before an answer in which its question may have been asked: on the way to it the hour may change."""
ON_TIME = 30.0
"""Seconds of drill time within which an answer is taken for one of now; an older one is one of its own time."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A line of a prediction log."""

    version: str
    time: float  # seconds of drill time
    row: int
    features: list[float | None]  # as served
    score: float


class UnreadableError(Exception):
    """A line is none of a prediction log."""


def parse(line: bytes) -> Prediction | None:
    """A line of a prediction log; None for an answer of the rules, or one about a flight that is not named.

    Raises:
        UnreadableError: it is something else, such as a line that was torn.
    """
    try:
        return _prediction(loads(line))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UnreadableError(str(error)) from None


def _prediction(raw: Any) -> Prediction | None:
    version, time, row, features, score = (raw[name] for name in ("version", "time", "row", "features", "score"))
    if raw["source"] != "model" or row is None:
        return None
    fits = isinstance(version, str) and type(row) is int and _is_number(time) and _is_number(score) and 0.0 <= score <= 1.0
    if not fits or len(features) != len(FEATURES) or not all(one is None or _is_number(one) for one in features):
        raise ValueError("values of other types")
    return Prediction(version, float(time), row, features, float(score))


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value)


class LoggedAnswers:
    """The latest answer of each version to each question since the last look.

    A question is what the simulation calls an example: a flight, and the hour of the weather at which it is asked about.

    Args:
        world: of the drill.
        offline: gives a version's scores of all examples; raises KeyError for a version that is not known.
    """

    def __init__(self, world: World, offline: Callable[[str], Floats]) -> None:
        self._world = world
        self._offline = offline
        self._waiting: dict[str, dict[int, Prediction]] = defaultdict(dict)

    def take(self, predictions: Iterable[Prediction]) -> None:
        """Take in what has come; of two answers to the same question the later one counts."""
        for one in predictions:
            example = self._example(one)
            if example is None:
                continue
            known = self._waiting[one.version].get(example)
            if known is None or one.time >= known.time:
                self._waiting[one.version][example] = one

    def collect(self, now: float) -> Mapping[str, Answered]:
        """As `Answers`."""
        taken, self._waiting = self._waiting, defaultdict(dict)
        found = {}
        for version, answers in taken.items():
            try:
                offline = self._offline(version)
            except KeyError:
                continue  # nobody has told of it yet, or it is none of this drill
            found[version] = self._answered(answers, offline, now)
        return found

    def _answered(self, answers: Mapping[int, Prediction], offline: Floats, now: float) -> Answered:
        ids: NDArray[np.int64] = np.array(sorted(answers), np.int64)
        given = [answers[example] for example in ids.tolist()]
        minutes = np.array([self._world.draws.calendar(one.time) for one in given])
        late = now - ON_TIME * self._world.config.pace / 60.0
        scores = np.array([one.score for one in given])
        return Answered(
            np.where(minutes < late, minutes, now),
            self._world.examples.rows[ids],
            np.array([one.features for one in given], np.float64),
            scores,
            float(np.mean(np.abs(scores - offline[ids]))),
        )

    def _example(self, one: Prediction) -> int | None:
        """The question that was answered; None if nobody in the drill asks it."""
        hour = math.floor(self._world.draws.calendar(one.time) / 60.0 + 1e-9)
        for back in range(HOURS_BACK + 1):
            ids = self._world.draws.of_hour(hour - back)
            if ids.stop > ids.start:
                place = one.row - int(self._world.examples.rows[ids.start])
                if 0 <= place < ids.stop - ids.start:
                    return ids.start + place
        return None
