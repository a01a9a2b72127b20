from __future__ import annotations

import datetime as dt
import signal
import time
from typing import Any

import numpy as np
import pytest

from drillbox.sandbox.model.features import ONLINE
from drillbox.sandbox.world.data import FlightData
from drillbox.stacks.services.feature_store.online import OnlineStore, RefusedError
from drillbox.stacks.services.model_server.questions import request_body

START = dt.datetime(2013, 3, 1, 8, 30)
HOUR = 59 * 24 + 7  # of the year: 07:00 on 1 March, known from 08:00


class Now:
    """Drill time that tests set."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds


class Quiet:
    component = "feature-store"

    def __call__(self, severity: str, text: str) -> None:
        pass


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def store(flight_data: FlightData, now: Now) -> OnlineStore:
    one = OnlineStore(flight_data, now, START, 60.0, 1, Quiet())  # type: ignore[arg-type]
    one.materialise()
    return one


def values(store: OnlineStore, origin: str = "EWR") -> list[float]:
    return [np.nan if value is None else value for value in store.look_up(origin).features.values()]


def test_values_are_those_of_the_latest_known_hour(store: OnlineStore, now: Now, flight_data: FlightData) -> None:
    found = store.look_up("EWR")
    np.testing.assert_array_equal(values(store), flight_data.weather[0, HOUR])
    assert (found.event_time, found.age) == (dt.datetime(2013, 3, 1, 7), 1800.0)
    assert store.materialise() == pytest.approx(30.0)  # half an hour of the calendar, at a minute a second
    now.seconds = 30.0
    assert store.materialise() == pytest.approx(60.0)
    np.testing.assert_array_equal(values(store), flight_data.weather[0, HOUR + 1])


def test_a_stalled_source_grows_old_until_its_pipeline_restarts(store: OnlineStore, now: Now) -> None:
    store.begin("b", "features.stale", {"source": "JFK"})
    now.seconds = 150.0
    store.materialise()
    assert (store.ages()["JFK"], store.ages()["EWR"]) == (10800.0, 0.0)
    store.restart("all#1")
    assert store.ages()["JFK"] == 0.0


def test_a_fault_that_is_ordered_twice_is_the_same(store: OnlineStore, now: Now) -> None:
    store.begin("b", "features.stale", {"source": "JFK"})
    now.seconds = 150.0
    store.begin("b", "features.stale", {"source": "JFK"})
    store.materialise()
    assert store.ages()["JFK"] == 10800.0
    store.restart("all#1")
    store.begin("b", "features.stale", {"source": "JFK"})
    now.seconds = 300.0
    store.materialise()
    assert store.ages()["JFK"] == store.ages()["EWR"], "who has restarted the pipeline has repaired it"
    store.begin("b", "features.stale", {"source": "EWR"})
    now.seconds = 450.0
    store.materialise()
    assert store.ages()["JFK"] < store.ages()["EWR"]


def test_another_feed_gives_customary_units_again(store: OnlineStore, now: Now, flight_data: FlightData) -> None:
    store.begin("b", "features.unit_change", {"feature": "all"})
    now.seconds = 30.0
    store.materialise()
    fahrenheit = flight_data.weather[0, HOUR + 1, 0]
    assert values(store)[0] == pytest.approx((fahrenheit - 32.0) * 5.0 / 9.0)
    store.read_feed("v1")
    assert values(store)[0] == fahrenheit


def test_a_share_is_refused_or_missing(store: OnlineStore) -> None:
    store.begin("a", "features.nulls", {"feature": "temp", "share": 0.5})
    missing = np.mean([np.isnan(values(store)[ONLINE.index("temp")]) for _ in range(400)])
    assert 0.4 < missing < 0.6
    store.begin("b", "features.outage", {"share": 1.0})
    with pytest.raises(RefusedError):
        store.look_up("EWR")
    store.end("b")
    assert store.look_up("EWR").origin == "EWR"


def test_the_service_answers_and_a_model_server_does_without_it_in_time(start: Any) -> None:
    settings = {"DRILL_START": "2013-03-01T08:30", "DRILL_PACE": "60", "DRILL_ORIGIN": str(time.monotonic())}
    features = start("feature_store", **settings)
    server = start(MODEL_FEATURES_URL=features.url).ready()
    features.ready()
    unknown = features.client.get("/v1/features", params={"origin": "EWX"})
    assert (unknown.status_code, unknown.json()["error"]) == (404, "there is no such airport: did you mean 'EWR'?")
    body = request_body(np.array([[1.0, 0.0, 3.0, 18.0, 2.0, 1000.0]]))

    def score() -> float:
        return float(server.client.post("/v2/models/flights/infer", content=body).json()["outputs"][0]["data"][0])

    server.control({"lookup_timeout": 5.0})
    informed = score()
    path = "/control/beats/b"
    assert features.control({"fault": "features.slow", "params": {"delay": 3.0}}, path, "PUT").status_code == 204
    server.control({"lookup_timeout": 0.05})
    blind = score()
    assert blind != informed
    features.client.delete(path, headers={"Authorization": "Bearer token-of-the-tests"})
    assert features.control({"fault": "features.outage", "params": {}}, path, "PUT").status_code == 204
    server.control({"lookup_timeout": 5.0})
    assert score() == blind
    found = server.metrics()
    results = [found[f'model_server_lookups_total{{result="{result}"}}'] for result in ("ok", "timeout", "failed")]
    assert results == [1, 1, 1]
    assert features.metrics()['feature_store_age_seconds{source="EWR"}'] >= 1800.0
    wrong = features.control({"fault": "features.slo", "params": {}}, path, "PUT")
    assert (wrong.status_code, "did you mean 'features.slow'?" in wrong.json()["error"]) == (422, True)
    features.process.send_signal(signal.SIGTERM)
    assert features.process.wait(15) == 0
