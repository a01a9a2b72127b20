"""The online features of the service and where they come from: names that faults, actions and views share with the world."""

from __future__ import annotations

from collections.abc import Iterable

ONLINE = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
"""Features that the feature store serves, in the order of its columns: the weather at the origin."""

SOURCES = ("EWR", "JFK", "LGA")
"""The weather stations, one for each origin."""

METRIC = {
    "temp": (5.0 / 9.0, -160.0 / 9.0),  # °F to °C
    "dewp": (5.0 / 9.0, -160.0 / 9.0),
    "wind_speed": (1.609344, 0.0),  # mph to km/h
    "wind_gust": (1.609344, 0.0),
    "precip": (25.4, 0.0),  # inches to mm
    "visib": (1.609344, 0.0),  # miles to km
}
"""Factor and offset from the customary units of the data to metric ones. Percent and hPa are the same in both."""

ALL = "all"
"""Stands for every feature, or every source."""


def listed(names: Iterable[str]) -> str:
    """Names as one field of `ServiceSpec` holds them: sorted, separated by commas."""
    return ",".join(sorted(set(names)))


def names_in(field: str) -> tuple[str, ...]:
    """The names in such a field."""
    return tuple(name for name in field.split(",") if name)
