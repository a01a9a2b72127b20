"""What services on several machines need: t = 0 by the wall clock, and a token that gets through proxies."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from drillbox.sandbox.model.errors import UsageError
from drillbox.stacks.services.common.http import TOKEN_HEADER, add_start, new_app
from drillbox.stacks.services.common.settings import Settings, read
from drillbox.stacks.services.common.times import DrillClock, origin_of

TOKEN = "of-the-tests"  # noqa: S105 -- of an application that lives as long as a test
NEAR = 0.5
"""Seconds within which two readings of clocks are the same on a slow machine."""


@pytest.fixture
def started() -> list[float]:
    return []


@pytest.fixture
def client(started: list[float]) -> Iterator[TestClient]:
    app = new_app("a service", lambda: "", CollectorRegistry())
    add_start(app, TOKEN, started.append)
    with TestClient(app) as found:
        yield found


# ----------------------------------------------------------------------------------------------------------------------- time


@given(ago=st.floats(-1e6, 1e6))
def test_the_wall_clock_and_the_monotonic_one_give_the_same_drill_time(ago: float) -> None:
    by_wall = DrillClock(origin_of(time.time() - ago))
    by_own = DrillClock(time.monotonic() - ago)
    assert by_wall.now() == pytest.approx(by_own.now(), abs=NEAR)


def test_settings_take_either_beginning() -> None:
    assert read(Settings, {}).origin is None
    assert read(Settings, {"DRILL_ORIGIN": "12.5"}).origin == 12.5
    settings = read(Settings, {"DRILL_EPOCH": repr(time.time() - 30.0)})
    origin = settings.origin
    assert origin is not None
    assert time.monotonic() - origin == pytest.approx(30.0, abs=NEAR)
    assert settings.origin == origin, "it is put into monotonic time once"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"DRILL_ORIGIN": "1", "DRILL_EPOCH": "2"}, "give either DRILL_ORIGIN or DRILL_EPOCH"),
        ({"DRILL_EPOCH": "soon"}, "DRILL_EPOCH='soon' is wrong"),
        ({"DRILL_EPOCH": "nan"}, "a number is wanted"),
        ({"DRILL_EPOC": "1"}, "did you mean DRILL_EPOCH?"),
    ],
)
def test_a_wrong_beginning_says_so(environ: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as wrong:
        read(Settings, environ)
    assert message in str(wrong.value)


def test_a_drill_can_be_started_by_either_clock(client: TestClient, started: list[float]) -> None:
    headers = {TOKEN_HEADER: TOKEN}
    assert client.put("/control/start", json={"origin": 12.5}, headers=headers).status_code == 204
    assert client.put("/control/start", json={"epoch": time.time() - 30.0}, headers=headers).status_code == 204
    assert started[0] == 12.5
    assert time.monotonic() - started[1] == pytest.approx(30.0, abs=NEAR)


@pytest.mark.parametrize("order", [{}, {"origin": 1.0, "epoch": 2.0}, {"epoch": None}, {"epoch": "soon"}, {"begin": 1.0}])
def test_a_start_at_no_time_or_two_is_refused(client: TestClient, started: list[float], order: dict[str, object]) -> None:
    answer = client.put("/control/start", json=order, headers={TOKEN_HEADER: TOKEN})
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert started == []


# ---------------------------------------------------------------------------------------------------------------------- token


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({TOKEN_HEADER: TOKEN}, 204),
        ({"Authorization": f"Bearer {TOKEN}"}, 204),
        ({"Authorization": "Bearer of-the-proxy", TOKEN_HEADER: TOKEN}, 204),
        ({"Authorization": f"Bearer {TOKEN}", TOKEN_HEADER: "wrong"}, 204),
        ({TOKEN_HEADER: "wrong"}, 401),
        ({TOKEN_HEADER: ""}, 401),
        ({TOKEN_HEADER: f"Bearer {TOKEN}"}, 401),
        ({TOKEN_HEADER: "tök".encode("latin-1")}, 401),
        ({}, 401),
    ],
)
def test_the_token_may_stand_in_a_header_of_its_own(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.put("/control/start", json={"origin": 1.0}, headers=headers).status_code == status


def test_without_a_token_controls_are_off_whatever_is_given() -> None:
    app = new_app("a service", lambda: "", CollectorRegistry())
    add_start(app, "", lambda _origin: None)
    with TestClient(app) as client:
        for headers in ({}, {TOKEN_HEADER: ""}, {"Authorization": "Bearer "}):
            assert client.put("/control/start", json={"origin": 1.0}, headers=headers).status_code == 403
