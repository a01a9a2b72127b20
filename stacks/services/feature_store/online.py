"""What the store serves: one look-up at a time, from the values that the pipeline has put there.

Values, event times and what can go wrong with them are those of the simulation's store. Only serving differs: here each
look-up is a request that is answered, refused or late by itself.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ....sandbox.model.features import ONLINE
from ....sandbox.model.params import Params
from ....sandbox.world.calendar import minutes_of, moment_of
from ....sandbox.world.data import OBSERVED_AFTER, FlightData
from ....sandbox.world.streams import Stream
from ...sim.feature_store import FeatureStore
from ..common.logs import Log
from ..common.times import DrillClock

_HOUR = 60
_SOON = 1e-9  # hours; a float of calendar time may fall short of the hour that it stands for


class RefusedError(Exception):
    """The look-up failed."""


@dataclass(frozen=True, slots=True)
class Values:
    """What is known of an airport."""

    origin: str
    features: Mapping[str, float | None]
    event_time: dt.datetime | None  # of the record, naive calendar time; None: there is none yet
    age: float  # calendar seconds since the record was to be known


class OnlineStore:
    """The store and the pipeline that fills it.

    Args:
        data: the weather.
        clock: drill time.
        start: calendar time at t = 0.
        pace: calendar seconds in a second of drill time.
        seed: of the drill.
        log: of the service; the pipeline's lines name their own component.
    """

    def __init__(self, data: FlightData, clock: DrillClock, start: dt.datetime, pace: float, seed: int, log: Log) -> None:
        self._clock = clock
        self._start = minutes_of(start)
        self._pace = pace / 60.0
        self._origins = [str(name) for name in data.origins]
        # What quarantine serves is the model servers' business: the medians here are never read.
        self._store = FeatureStore(data, seed, np.zeros(len(ONLINE)), lambda component, *told: Log(component)(*told))
        self._log = log
        self._luck = Stream(seed, "features/lookups/online")
        self._asked = 0
        self._beats: dict[str, tuple[str, Params]] = {}
        self.results: Counter[str] = Counter({"ok": 0, "refused": 0})
        self.filled = 0
        """How often the pipeline has put an hour's records into the store."""

    @property
    def minute(self) -> float:
        """The calendar minute."""
        return self._start + self._pace * self._clock.now()

    @property
    def origins(self) -> tuple[str, ...]:
        """The airports."""
        return tuple(self._origins)

    @property
    def delay(self) -> float:
        """Seconds that a look-up takes beyond the ordinary."""
        return sum(self._store.trouble.delays.values())

    def ages(self) -> Mapping[str, float]:
        """Calendar seconds, by airport, since its values were to be known."""
        return self._store.ages(self.minute)

    def look_up(self, origin: str) -> Values:
        """The values of an airport.

        Raises:
            KeyError: there is no such airport.
            RefusedError: the look-up fails.
        """
        if origin not in self._origins:
            raise KeyError(origin)
        luck = self._luck.uniform(self._asked * (1 + len(ONLINE)), 1 + len(ONLINE)).tolist()
        self._asked += 1
        trouble, place = self._store.trouble, self._origins.index(origin)
        if luck[0] < sum(trouble.refused.values()):
            self.results["refused"] += 1
            raise RefusedError
        found = dict(zip(ONLINE, self._store.values[place].tolist(), strict=True))
        for names, share in trouble.missing.values():
            for name, drawn in zip(ONLINE, luck[1:], strict=True):
                if name in names and drawn < share:
                    found[name] = math.nan
        self.results["ok"] += 1
        hour = int(self._store.hours[place])
        return Values(
            origin,
            {name: value if math.isfinite(value) else None for name, value in found.items()},
            moment_of(hour * _HOUR) if hour >= 0 else None,
            float(self.ages()[origin]),
        )

    # ------------------------------------------------------------------------------------------------------------- pipeline

    def materialise(self) -> float:
        """Put the latest known records into the store; seconds of drill time until the next are known."""
        self._store.materialise(self._known_hour)
        self.filled += 1
        next_hour = (math.floor(self.minute / _HOUR + _SOON) + 1) * _HOUR
        return max(0.0, (next_hour - self.minute) / self._pace)

    def start(self, origin: float) -> None:
        """The drill's t = 0 is at `origin` (CLOCK_MONOTONIC, seconds): the store has what is known by then."""
        self._clock.start(origin)
        self._store.reload(self._known_hour)

    def begin(self, beat: str, fault: str, params: Params) -> None:
        """A fault begins; if it is in force under this name, or a restart has ended it since, it stays so.

        Raises:
            ValueError: it is none of the store or the pipeline.
        """
        if self._beats.get(beat) == (fault, params):
            return
        self.end(beat)
        self._store.begin(beat, fault, params)
        self._beats[beat] = (fault, params)

    def end(self, beat: str) -> None:
        """It ends by itself, if it has not ended before: streams catch up, and values are read in the units of now."""
        if self._beats.pop(beat, None) is not None:
            self._store.end(beat)
            self._store.reload(self._known_hour)

    @property
    def feed(self) -> str:
        """The version of the suppliers' interface that the pipeline reads."""
        return self._store.spec.feed

    @property
    def restarted(self) -> str:
        """The last restart of the pipeline that was asked for."""
        return self._store.spec.restarted

    def read_feed(self, version: str) -> None:
        """Read another version of the suppliers' interface from now on."""
        if version != self.feed:
            self._store.spec = replace(self._store.spec, feed=version)
            self._store.reload(self._known_hour)

    def restart(self, name: str) -> None:
        """Restart the pipeline's consumers, if that restart is a new one."""
        if name != self.restarted:
            self._store.spec = replace(self._store.spec, restarted=name)
            self._store.restart(self._known_hour)

    @property
    def _known_hour(self) -> int:
        return math.floor(self.minute / _HOUR + _SOON) - OBSERVED_AFTER // _HOUR
