"""What an on-call can look into of features, versions, quality, runs and lineage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

import numpy as np

from ...sandbox.learning.entries import Alias, Entry, described
from ...sandbox.learning.windows import SLICES
from ...sandbox.model.errors import UsageError, nearest
from ...sandbox.model.features import ONLINE
from ...sandbox.model.views import VIEWS, Cell, Table
from ...sandbox.world.calendar import moment_of
from ...sandbox.world.data import FEATURES
from .interfaces import Versions
from .model_book import ModelBook
from .quality import QualityMonitor
from .retraining import RetrainingLoop

ROWS = 10
"""Flights that are shown."""
Freshness = Iterable[tuple[str, dt.datetime | None, float]]
"""Source, the hour that its values are from (None: there are none), and their age in calendar seconds."""
Maker = Callable[[str], Table]
"""Makes the table of a subject."""


def look(makers: Mapping[str, Maker], view: str, subject: str) -> Table:
    """What a view shows now.

    Raises:
        UsageError: there is no such view, or not of that.
    """
    if view not in makers:
        raise UsageError(f"unknown view {view!r}; {nearest(view, [name for name in VIEWS if name in makers])}")
    if not VIEWS[view].subject and subject:
        raise UsageError(f"the view {view!r} is of nothing in particular: leave {subject!r} out")
    return makers[view](subject)


class ModelViews:
    """Tables of the present state of model and loop.

    Args:
        versions: that there are.
        monitor: of the model's health.
        book: the registry.
        loop: of retraining.
        freshness: reads how old the values in the feature store are.
    """

    def __init__(
        self,
        versions: Versions,
        monitor: QualityMonitor,
        book: ModelBook,
        loop: RetrainingLoop,
        freshness: Callable[[], Freshness],
    ) -> None:
        self._versions = versions
        self._monitor = monitor
        self._book = book
        self._loop = loop
        self._ages = freshness

    def makers(self) -> Mapping[str, Maker]:
        """The views by name."""
        return {
            "feature": self._feature,
            "rows": self._rows,
            "freshness": self._freshness,
            "slices": self._slices,
            "version": self._version,
            "runs": self._runs,
        }

    def _feature(self, name: str) -> Table:
        if name not in ONLINE:
            raise UsageError(f"unknown feature {name!r}; {nearest(name, ONLINE)}")
        _, features, _ = self._monitor.recent()
        values, known = features[:, FEATURES.index(name)], self._monitor.reference.feature(name)
        now = known.shares_of(values) if len(values) else np.full(len(known.shares), np.nan)
        rows = tuple(
            (label, _percent(share), _percent(present))
            for label, share, present in zip(_bins(known.edges), known.shares, now, strict=True)
        )
        present = values[~np.isnan(values)]
        low, high = known.limits
        facts: dict[str, Cell] = {
            "flights": len(values),
            "psi": _number(known.psi(values)) if len(values) else None,
            "ks": _number(known.ks(values)) if len(values) else None,
            "median now": _number(float(np.median(present))) if len(present) else None,
            "median in training": _number(known.imputation),
            "range in training": f"{low:.4g} to {high:.4g}",
            "lowest now": _number(float(present.min())) if len(present) else None,
            "highest now": _number(float(present.max())) if len(present) else None,
            "missing now": _percent(float(np.mean(np.isnan(values)))) if len(values) else None,
            "missing in training": _percent(known.null_rate),
        }
        return Table(f"{name} as served, against the training data", ("values", "in training", "now"), rows, facts)

    def _rows(self, _subject: str) -> Table:
        flights, features, scores = self._monitor.recent()
        data, now = self._monitor.world.data, self._monitor.now
        chosen = np.argsort(data.departure[flights], kind="stable")[-ROWS:]
        rows = []
        for place in chosen:
            flight = flights[place]
            label = None
            if data.known_at[flight] <= now:
                label = "late" if data.label[flight] else "on time"
            route = f"{data.carriers[data.carrier[flight]]} {data.origins[data.origin[flight]]}-{data.dests[data.dest[flight]]}"
            leaves = moment_of(float(data.departure[flight])).isoformat(sep=" ", timespec="minutes")
            values = [_number(float(features[place, FEATURES.index(name)])) for name in ONLINE]
            rows.append((route, leaves, *values, _number(float(scores[place])), label))
        threshold = _number(self._monitor.version.threshold)
        facts: dict[str, Cell] = {"version": self._monitor.champion, "threshold": threshold, "flights": len(flights)}
        return Table(
            "The flights asked about that leave last", ("flight", "leaves", *ONLINE, "score", "label"), tuple(rows), facts
        )

    def _freshness(self, _subject: str) -> Table:
        rows = []
        for source, moment, age in self._ages():
            known = None if moment is None else moment.isoformat(sep=" ", timespec="minutes")
            rows.append((source, known, round(age / 60.0)))
        now = moment_of(self._monitor.now).isoformat(sep=" ", timespec="minutes")
        return Table("Values in the feature store", ("source", "of the hour", "minutes old"), tuple(rows), {"now": now})

    def _slices(self, _subject: str) -> Table:
        rows = []
        for by in SLICES:
            for name, found in self._monitor.quality_by(by).items():
                if found is not None:
                    auc = None if found.auc is None else _number(found.auc)
                    bias = _number(found.calibration_in_the_large)
                    rows.append((by, name, found.flights, _percent(found.late), _number(found.brier), auc, bias))
        columns = ("by", "slice", "flights", "late", "brier", "auc", "mean score - late")
        return Table(
            "Quality of the champion per slice", columns, tuple(rows), {"matured": self._monitor.health.maturity.matured}
        )

    def _version(self, name: str) -> Table:
        if name not in self._versions.names:
            raise UsageError(f"unknown version {name!r}; {nearest(name, self._versions.names)}")
        registry = self._book.registry()
        model = self._book.model(name).id
        rows = (("model", model), *described(registry.lineage(model)).items())
        aliased = {alias.value: registry.resolve(alias) for alias in Alias}
        facts: dict[str, Cell] = {alias: self._called(entry) for alias, entry in aliased.items() if entry is not None}
        return Table(f"Lineage of {name}", ("what", "is"), rows, facts)

    def _runs(self, _subject: str) -> Table:
        rows = tuple(
            (
                f"run-{run.number}", run.trigger.value, _clock(run.began), run.days, run.rows,
                None if run.late is None else _percent(run.late), run.data[:12] or None, run.version or None, run.result,
                run.reason or None,
            )
            for run in self._loop.runs
        )  # fmt: skip
        columns = ("run", "trigger", "began", "days", "rows", "late", "data", "version", "result", "reason")
        age = self._loop.age / 86400.0
        return Table("Runs of the retraining loop", columns, rows, {"runs": len(rows), "days since the last": _number(age)})

    def _called(self, entry: Entry) -> str:
        """What the drill calls a registered version."""
        return next(name for name in self._versions.names if self._book.model(name).id == entry.model.id)


def _bins(edges: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[str]:
    """Labels of a number's bins, and that of missing values."""
    if not len(edges):
        return ["any", "missing"]
    inner = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]:.4g}", *inner, f"above {edges[-1]:.4g}", "missing"]


def _clock(t: float) -> str:
    """Drill time as minutes and seconds."""
    return f"{int(t) // 60:02d}:{int(t) % 60:02d}"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.4g}")


def _percent(share: float) -> str | None:
    return None if np.isnan(share) else f"{share:.1%}"
