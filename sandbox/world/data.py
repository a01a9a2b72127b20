"""`FlightData`: the flights and the weather as columns, and the features of a question about a flight."""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..model.features import ONLINE

FLIGHT_FEATURES = ("carrier", "origin", "dest", "hour", "weekday", "distance")
WEATHER_FEATURES = ONLINE
FEATURES = FLIGHT_FEATURES + WEATHER_FEATURES
"""Names of the columns of a feature matrix, in order. Units are the source's: miles, °F, %, mph, inches, hPa."""

CATEGORICAL = ("carrier", "origin", "dest")
"""Features that are codes of names."""

OBSERVED_AFTER = 60
"""Minutes after the start of an hour at which its weather record is known.

The source labels a record with the hour in which it was taken, as late as 51 minutes past, and gives it the hour's whole
precipitation. Using it within its own hour would be a leak from the future.
"""

Rows = NDArray[np.int32]

DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    OverflowError,
    MemoryError,
    SyntaxError,
    struct.error,
    BadZipFile,
)
"""What reading a missing or damaged NumPy file raises, depending on which of its bytes are wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class FlightData:
    """All flights with a known arrival delay, by scheduled departure, and the hourly weather at their origins.

    Times are whole minutes of the calendar. `weather` is float64 [origin, hour of the year, weather feature]; what the source
    does not have is NaN.
    """

    departure: NDArray[np.int32]  # scheduled, never falls
    carrier: NDArray[np.uint8]  # index into `carriers`
    origin: NDArray[np.uint8]
    dest: NDArray[np.uint8]
    hour: NDArray[np.uint8]  # of the scheduled departure
    weekday: NDArray[np.uint8]  # of the scheduled departure, Monday is 0
    distance: NDArray[np.uint16]  # miles
    label: NDArray[np.uint8]  # 1: arrived more than 15 minutes late
    known_at: NDArray[np.int32]  # actual arrival, when the label becomes known
    weather: NDArray[np.float64]
    carriers: NDArray[np.str_]
    origins: NDArray[np.str_]
    dests: NDArray[np.str_]
    data_hash: str = ""  # of the source's files
    code_version: str = ""  # of the code that read them

    def __len__(self) -> int:
        """The number of flights."""
        return len(self.departure)

    @property
    def hours(self) -> int:
        """The number of hours that `weather` spans."""
        return int(self.weather.shape[1])

    def features(self, rows: Rows, weather_hours: NDArray[np.int32] | NDArray[np.int64]) -> NDArray[np.float64]:
        """Feature matrix [n, len(FEATURES)] of flights with the weather at their origin in the given hours.

        An hour outside the data, such as -1, has no weather: NaN.
        """
        matrix = np.empty((len(rows), len(FEATURES)))
        for column, name in enumerate(FLIGHT_FEATURES):
            matrix[:, column] = getattr(self, name)[rows]
        inside = (weather_hours >= 0) & (weather_hours < self.hours)
        matrix[:, len(FLIGHT_FEATURES) :] = self.weather[self.origin[rows], np.where(inside, weather_hours, 0)]
        matrix[~inside, len(FLIGHT_FEATURES) :] = np.nan
        return matrix

    def departing(self, start: float, end: float) -> Rows:
        """Rows of the flights scheduled to leave in [start, end) minutes."""
        first, last = np.searchsorted(self.departure, [start, end])
        return np.arange(first, last, dtype=np.int32)

    def learnable(self, start: float, until: float) -> Rows:
        """Rows of the flights that leave in [start, until) of which both label and departure hour's weather are known then."""
        rows = self.departing(start, until)
        weather_known = departure_hour(self, rows) * 60 + OBSERVED_AFTER
        return rows[(self.known_at[rows] <= until) & (weather_known <= until)]


def known_hour(minutes: NDArray[np.float64]) -> NDArray[np.int32]:
    """The hour whose weather is the latest known at calendar `minutes`; -1 before the first.

    Where the station reported nothing for that hour the features are NaN: the value is missing, not silently old.
    """
    return (np.floor((minutes - OBSERVED_AFTER) / 60.0)).astype(np.int32)


def departure_hour(data: FlightData, rows: Rows) -> NDArray[np.int32]:
    """The hour of the year in which each flight is scheduled to leave."""
    return data.departure[rows] // 60


def save(data: FlightData, file: BinaryIO) -> None:
    """Write all columns, uncompressed."""
    columns = {column.name: np.asarray(getattr(data, column.name)) for column in fields(data)}
    np.savez(file, allow_pickle=False, **columns)


def load(path: Path) -> FlightData:
    """Read what `save` wrote.

    Raises:
        DAMAGED: the file is missing or damaged.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:  # np.load would leak its own handle
        columns = {column.name: stored[column.name] for column in fields(FlightData)}
    data_hash, code_version = (str(columns.pop(name)) for name in ("data_hash", "code_version"))
    return FlightData(**columns, data_hash=data_hash, code_version=code_version)
