"""What the control plane sees of a data plane, simulated or real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # the names of the pools are wanted by those, too, who need no learning
    from ...sandbox.control.canary import Tally
    from ...sandbox.learning.references import Reference
    from ...sandbox.learning.snapshots import Snapshot
    from ...sandbox.learning.version import ModelVersion
    from ...sandbox.world.data import Rows

Floats = NDArray[np.float64]

POOLS = ("model-champion", "model-candidate", "model-shadow")
"""Deployments of model servers, in the order of their pools."""
CHAMPION, CANDIDATE = 0, 1
"""Places among the pools."""


class Log(Protocol):
    """Takes what a component has to say, at the present drill time."""

    def __call__(self, component: str, severity: str, text: str, /) -> None:
        """Severities are info, warning and error."""


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What a version has answered since it was last asked about; the answers of the rules are no version's."""

    times: Floats  # [n] calendar minutes
    rows: Rows  # [n] flights that were asked about
    features: Floats  # [n, len(FEATURES)] as served
    scores: Floats  # [n]
    skew: float  # mean distance of the scores from what the version says offline about the same flights; 0 of none


class Answers(Protocol):
    """What model servers answered."""

    def collect(self, now: float) -> Mapping[str, Answered]:
        """By version, what was answered since the last call; `now` is the calendar minute."""


class Replicas(Protocol):
    """What is observed of the pods of each pool."""

    def ready(self, pool: int) -> int:
        """The number of pods that take requests."""

    def busy(self, pool: int) -> Mapping[str, float]:
        """Slot-seconds in which each ready pod has worked so far, by its name."""

    def tallies(self, pool: int) -> Mapping[str, Tally]:
        """What each pod of the pool has done so far, by its name."""


class Versions(Protocol):
    """The versions that there are, under the names that they have in the drill."""

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which they came."""

    def model(self, name: str) -> ModelVersion:
        """The model behind a version.

        Raises:
            KeyError: there is none of that name.
        """

    def trees(self, name: str) -> int:
        """The size of a version."""

    def reference(self, name: str) -> Reference:
        """What the training data of a version looked like.

        Raises:
            UsageError: the stored model is damaged, or the cache cannot be written.
        """

    def add(self, model: ModelVersion, snapshot: Snapshot) -> str:
        """A version that was trained in the drill, and on what; the name that it gets."""
