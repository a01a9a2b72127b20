"""The feature store of the simulation: online weather by station, materialised on the calendar, and what goes wrong with it.

Each hour the pipeline reads every station's record as soon as it is known and puts it into the store. A model server looks up the
values of the flight's origin. What it gets is what the model scores: wrong values make wrong scores by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...sandbox.model.features import ALL, METRIC, ONLINE, SOURCES, names_in
from ...sandbox.model.params import Params
from ...sandbox.model.service import Features
from ...sandbox.world.data import FLIGHT_FEATURES, OBSERVED_AFTER, FlightData
from ...sandbox.world.draws import Examples
from ...sandbox.world.streams import Stream
from ..control_plane.interfaces import Log

Floats = NDArray[np.float64]

FIRST = len(FLIGHT_FEATURES)
"""The first column of the online features in a feature matrix."""
PIPELINE = "feature-pipeline"
_PLACES = {name: place for place, name in enumerate(ONLINE)}


@dataclass(slots=True)
class Trouble:
    """What faults do to the store at present, by beat."""

    metric: dict[str, frozenset[str]] = field(default_factory=dict)  # features that `latest` gives in metric units
    stalled: dict[str, frozenset[str]] = field(default_factory=dict)  # sources whose stream stands still
    missing: dict[str, tuple[frozenset[str], float]] = field(default_factory=dict)  # features, share of their values
    refused: dict[str, float] = field(default_factory=dict)  # share of the look-ups
    delays: dict[str, float] = field(default_factory=dict)  # seconds added to a look-up


class FeatureStore:
    """Values, when they are from, and how they are served.

    Args:
        data: the weather.
        seed: of the drill, for the luck of look-ups.
        medians: [len(ONLINE)] what a quarantined feature is served as.
        log: takes component, severity and text.
    """

    def __init__(self, data: FlightData, seed: int, medians: Floats, log: Log) -> None:
        self._data = data
        self._medians = medians
        self._log = log
        self._luck = Stream(seed, "features/lookups")
        self._gaps = Stream(seed, "features/gaps")
        self._stations = [list(data.origins).index(name) for name in SOURCES]
        self.trouble = Trouble()
        self.spec = Features()
        self.hours = np.full(len(data.origins), -1, np.int64)  # of the year, of the record that each origin's values are from
        self.values = np.full((len(data.origins), len(ONLINE)), np.nan)

    # ------------------------------------------------------------------------------------------------------------- pipeline

    def materialise(self, hour: int) -> None:
        """Put the records of an hour into the store, but for those of streams that stand still."""
        stalled = self._stalled()
        for name, station in zip(SOURCES, self._stations, strict=True):
            if name not in stalled and hour > self.hours[station]:
                self._load(station, hour)

    def reload(self, hour: int) -> None:
        """Read the present records again, as after a restart or through another version of the interface."""
        stalled = self._stalled()
        for name, station in zip(SOURCES, self._stations, strict=True):
            self._load(station, int(self.hours[station]) if name in stalled else hour)

    def restart(self, hour: int) -> None:
        """Restart the consumers: streams that stood still go on, and what they missed is there."""
        self.trouble.stalled.clear()
        self.reload(hour)
        self._log(PIPELINE, "info", "consumers started; all partitions assigned, lag 0")

    def _load(self, station: int, hour: int) -> None:
        inside = 0 <= hour < self._data.hours
        values = self._data.weather[station, hour].copy() if inside else np.full(len(ONLINE), np.nan)
        if self.spec.feed == "latest":
            for name in frozenset().union(*self.trouble.metric.values()):
                factor, offset = METRIC[name]
                values[_PLACES[name]] = values[_PLACES[name]] * factor + offset
        self.values[station], self.hours[station] = values, hour

    def _stalled(self) -> frozenset[str]:
        return frozenset[str]().union(*self.trouble.stalled.values())

    def ages(self, minute: float) -> Mapping[str, float]:
        """Calendar seconds, by source, since its values were to be known; never negative."""
        return {
            name: max(0.0, (minute - (self.hours[station] * 60 + OBSERVED_AFTER)) * 60.0)
            for name, station in zip(SOURCES, self._stations, strict=True)
        }

    # -------------------------------------------------------------------------------------------------------------- serving

    def served(self, examples: Examples, ids: slice[int, int, None]) -> Floats:
        """What model servers get when they are asked for some examples now: feature matrix [n, len(FEATURES)]."""
        matrix: Floats = examples.features[ids].copy()
        online = matrix[:, FIRST:]
        online[:] = self.values[self._data.origin[examples.rows[ids]]]
        self._leave_gaps(online, ids)
        for name in names_in(self.spec.quarantined):
            online[:, _PLACES[name]] = self._medians[_PLACES[name]]
        return matrix

    def is_faithful(self, examples: Examples, ids: slice[int, int, None]) -> bool:
        """Whether that is just what is known about them."""
        return bool(np.array_equal(self.served(examples, ids), examples.features[ids], equal_nan=True))

    @property
    def delay(self) -> float:
        """Seconds that a look-up takes beyond the ordinary: at most the model servers' patience."""
        return min(sum(self.trouble.delays.values()), self.spec.lookup_timeout)

    @property
    def gives_up(self) -> bool:
        """Whether look-ups run into their timeout."""
        return sum(self.trouble.delays.values()) > self.spec.lookup_timeout

    def _leave_gaps(self, online: Floats, ids: slice[int, int, None]) -> None:
        """Take out what is missing: by value, or the whole look-up."""
        count = len(online)
        for names, share in self.trouble.missing.values():
            for name in sorted(names):
                place = _PLACES[name]
                luck = self._gaps.uniform(ids.start * len(ONLINE) + place * count, count) if share < 1.0 else np.zeros(count)
                online[luck < share, place] = np.nan
        refused = 1.0 if self.gives_up else min(1.0, sum(self.trouble.refused.values()))
        if refused > 0.0:
            online[self._luck.uniform(ids.start, count) < refused] = np.nan

    # --------------------------------------------------------------------------------------------------------------- faults

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault begins; what it does to values shows when they are read the next time."""
        trouble = self.trouble
        match fault:
            case "features.unit_change":
                trouble.metric[beat] = _chosen(str(params["feature"]), METRIC)
                self._log(PIPELINE, "info", "weather feed: the supplier announces version v2 of its interface as the latest")
            case "features.stale":
                trouble.stalled[beat] = _chosen(str(params["source"]), SOURCES)
            case "features.nulls":
                trouble.missing[beat] = (_chosen(str(params["feature"]), ONLINE), float(params["share"]))
            case "features.outage":
                trouble.refused[beat] = float(params["share"])
            case "features.slow":
                trouble.delays[beat] = float(params["delay"])
            case _:
                raise ValueError(f"{fault} is no fault of the feature store")

    def end(self, beat: str) -> None:
        """A fault ends by itself."""
        trouble = self.trouble
        for kind in (trouble.metric, trouble.stalled, trouble.missing, trouble.refused, trouble.delays):
            kind.pop(beat, None)


def _chosen(name: str, names: Mapping[str, object] | tuple[str, ...]) -> frozenset[str]:
    return frozenset(names if name == ALL else (name,))
