"""Who trains: the process of the control plane itself, or somebody that it asks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from ...sandbox.learning import snapshots
from ...sandbox.learning.snapshots import Snapshot
from ...sandbox.learning.version import TREES, ModelVersion


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is taken for training: of how many days, of flights before which hour of the day, whether labels are waited for."""

    days: int
    before_hour: int = 24
    hasty: bool = False  # up to now, and a flight without a label counts as one on time


@dataclass(frozen=True, slots=True)
class Order:
    """A model that is wanted.

    Attributes:
        run: number of the run that wants it.
        snapshot: what it is to be trained on.
        recipe: how the snapshot was taken.
        threshold: score from which it is to call a flight late.
    """

    run: int
    snapshot: Snapshot
    recipe: Recipe
    threshold: float


class Training(Protocol):
    """A training that was begun."""

    @property
    def where(self) -> str:
        """For people; empty if there is nothing to say."""

    @property
    def done(self) -> bool:
        """Whether its end, good or bad, is there to be had."""

    def result(self) -> ModelVersion:
        """The model, which is in the store.

        Raises:
            UsageError: it could not be trained.
        """

    def cancel(self) -> None:
        """Nobody wants it any more."""


class Trainer(Protocol):
    """Trains models."""

    def begin(self, order: Order) -> Training:
        """Begin to train a model, and do not wait for it."""


@dataclass(frozen=True, slots=True)
class _Here:
    """Trains when the model is asked for: that takes about a second."""

    order: Order
    where: str = ""
    done: bool = True

    def result(self) -> ModelVersion:
        """As `Training`."""
        return snapshots.train(self.order.snapshot, self.order.threshold, TREES)

    def cancel(self) -> None:
        """As `Training`: nothing was begun."""


class InProcess:
    """Trains in this process."""

    def begin(self, order: Order) -> Training:
        """As `Trainer`."""
        return _Here(order)


@dataclass(frozen=True, slots=True)
class Terms:
    """How models are trained.

    Attributes:
        time: seconds of drill time that a training takes, at least.
        trainer: who trains.
        aside: entered around work that takes real time, so that others may get on meanwhile; what they may change, that work does
            not read.
    """

    time: float
    trainer: Trainer = field(default_factory=InProcess)
    aside: Callable[[], AbstractContextManager[object]] = nullcontext
