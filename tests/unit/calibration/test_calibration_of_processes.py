"""Measuring: what is counted and what is not, and once for real, with few requests."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from pathlib import Path

import pytest

from drillbox.sandbox.learning.models import ensure_model
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.scenario import WorldConfig
from drillbox.sandbox.world.data import FlightData
from drillbox.stacks.local.calibration import WARM, RealServer, measure, variation


@pytest.fixture(scope="module")
def config() -> WorldConfig:
    return load_scenario(Library.packaged().find("monday-rush")).world


class Pretended:
    """A server on which each answer takes 3 ms, but for the first ones, and every fourth 7 ms; it counts what is asked of it."""

    def __init__(self, number: int, closed: list[int]) -> None:
        self.start_time, self.load_time = 1.0 + number, 5.0 - number
        self._asked, self._busy, self._cpu, self._closed = 0, 0.0, 0.0, closed
        self._work = self._cost = 0.0
        self._plan((0.003, 0.003, 0.003, 0.007), 0.002)

    def _plan(self, times: tuple[float, ...], cost: float) -> None:
        self._times, self._cost, self._fresh = itertools.cycle(times), cost, WARM

    def ask(self) -> None:
        self._fresh -= 1
        self._busy += 1.0 if self._fresh >= 0 else next(self._times)
        self._cpu += 5.0 if self._fresh >= 0 else self._cost

    def busy(self) -> float:
        return self._busy

    def cpu(self) -> float:
        return self._cpu

    def answer_by_rules(self) -> None:
        self._plan((0.0001,), 0.001)

    def fill(self) -> None:
        self._plan((0.0,), 0.0004)

    def close(self) -> None:
        self._closed.append(1)


def test_what_is_counted(config: WorldConfig, flight_data: FlightData, warm_home: Path, tmp_path: Path) -> None:
    assert warm_home.is_dir()
    closed: list[int] = []
    numbers = itertools.count()
    ticks = itertools.count(0.0, 2.5)
    steps: list[str] = []
    found = measure(
        config,
        tmp_path,
        lambda step, _done: steps.append(step),
        requests=40,
        starts=3,
        serve=lambda _version, _data, _folder: Pretended(next(numbers), closed),
        clock=lambda: next(ticks),
    )
    assert found.answer == pytest.approx(0.003)
    assert found.answer_cv == pytest.approx(variation([0.003, 0.003, 0.003, 0.007]))
    assert found.answer_cpu == pytest.approx(0.002)
    assert found.refusal_cpu == pytest.approx(0.0004)
    assert found.rules == pytest.approx(0.0001)
    assert (found.start, found.load, found.training) == (2.0, 4.0, 2.5)
    assert (found.requests, found.starts, len(closed)) == (40, 3, 3)
    assert set(steps) >= {"training a model", "starting a model server", "asking a model server"}


def test_a_server_that_fails_is_closed(config: WorldConfig, flight_data: FlightData, warm_home: Path, tmp_path: Path) -> None:
    assert warm_home.is_dir()
    closed: list[int] = []

    class Failing(Pretended):
        def ask(self) -> None:
            raise StackError("the model server answered 500: it failed")

    with pytest.raises(StackError, match="answered 500"):
        measure(config, tmp_path, lambda *_: None, starts=1, serve=lambda *_: Failing(0, closed))
    assert closed == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="the local stack runs on Linux")
@pytest.mark.slow
def test_real_processes_are_measured_and_nothing_is_left(
    config: WorldConfig, flight_data: FlightData, warm_home: Path, tmp_path: Path
) -> None:
    found = measure(config, tmp_path / "calibrate", lambda *_: None, requests=8, starts=1)
    assert 0.0 < found.answer < 5.0
    assert found.rules < found.answer
    assert found.answer_cpu >= 0.0
    assert min(found.start, found.load, found.training) > 0.0
    assert warm_home.is_dir()
    assert not (tmp_path / "calibrate").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the local stack runs on Linux")
def test_a_process_that_does_not_come_up_says_why(flight_data: FlightData, warm_home: Path, tmp_path: Path) -> None:
    config = load_scenario(Library.packaged().find("monday-rush")).world
    unknown = dataclasses.replace(ensure_model(config, flight_data), id="gone")
    with pytest.raises(StackError, match="did not come up: model v1 cannot be loaded: there is no model gone"):
        RealServer(unknown, flight_data, tmp_path / "calibrate")
    assert warm_home.is_dir()
    assert not (tmp_path / "calibrate").exists()
