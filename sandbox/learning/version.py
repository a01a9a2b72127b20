"""`ModelVersion`: what is known about one trained model, without loading it or any learning library."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..model.errors import UsageError
from ..model.scenario import WorldConfig
from ..world.cache import code_version
from ..world.calendar import FIRST, validate_window
from ..world.data import FlightData
from ..world.prices import decision_threshold

DEFAULT_WINDOW = dt.timedelta(days=60)
"""Length of the training window where a scenario names no beginning."""

PACKAGES = ("scikit-learn", "numpy", "skops")
"""Distributions whose versions belong to a model's lineage."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good scores were on some flights."""

    flights: int
    late: float  # share of them
    mean_score: float
    auc: float  # area under the ROC curve
    brier: float  # mean squared error of the score as a probability


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model, its decision threshold and its lineage. `id` follows from the lineage, `sha256` is that of the stored file."""

    id: str
    data_hash: str
    code_version: str
    train_from: dt.datetime
    train_until: dt.datetime
    threshold: float  # a score of at least this predicts late
    quality: Quality  # in sample, on the training window
    packages: Mapping[str, str]
    sha256: str
    predictions: str = ""  # SHA-256 of its scores of the training rows: the same run again gives the same


@dataclass(frozen=True, slots=True)
class Lineage:
    """What decides a model before it is trained; the key under which trained models are cached."""

    data_hash: str
    code_version: str
    train_from: dt.datetime
    train_until: dt.datetime
    threshold: float
    trees: int

    @property
    def id(self) -> str:
        """The version's name, such as `flights-20130301-1f0c9a2b`: the window's end, and a hash of everything."""
        parts = (
            self.data_hash,
            self.code_version,
            self.train_from.isoformat(),
            self.train_until.isoformat(),
            repr(self.threshold),
            str(self.trees),
        )
        return f"flights-{self.train_until:%Y%m%d}-{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:8]}"


TREES = 60
"""Boosted trees of an ordinary model."""


def lineage(config: WorldConfig, data: FlightData, trees: int = TREES) -> Lineage:
    """The lineage of the model that serves at the start of a drill, or of one as large as `trees` of the same window.

    The window ends at the drill's start unless the scenario says otherwise, and begins 60 days earlier.

    Raises:
        UsageError: the window is empty, leaves the data, or ends after the drill's start: a leak from the future.
    """
    until = config.train_until or config.start
    start = config.train_from or max(FIRST, until - DEFAULT_WINDOW)
    validate_window(start, until)
    if until > config.start:
        raise UsageError(
            f"the training window ends at {until:%Y-%m-%d %H:%M}, after the drill's start at {config.start:%Y-%m-%d %H:%M}: "
            "the model would know the future"
        )
    return Lineage(data.data_hash, code_of(data), start, until, decision_threshold(config.prices), trees)


def code_of(data: FlightData) -> str:
    """The code that read the data and trains on them, and the libraries that decide the result."""
    return f"{data.code_version}-{_version()}"


@cache
def package_versions() -> Mapping[str, str]:
    """Installed versions of `PACKAGES`."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


@cache
def _version() -> str:
    """Training code and the libraries that decide its result."""
    source = code_version([Path(__file__).parent / "training.py"])
    libraries = "/".join(f"{name}={version}" for name, version in package_versions().items())
    return f"{source}-{hashlib.sha256(libraries.encode()).hexdigest()[:8]}"
