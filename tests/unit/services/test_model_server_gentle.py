"""A thread that loads a model rests between imports, for as long as it may; other threads do not."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbox.stacks.services.model_server import gentle

COST = 0.5
"""Seconds of CPU between two imports."""


class Machine:
    """A process that is so old, whose thread uses `COST` between two looks, and that sleeps at no cost.

    Attributes:
        spare: processors that are idle.
    """

    def __init__(self) -> None:
        self.old, self.used, self.cost, self.spare = 1.0, 0.0, COST, 1.0
        self.rests: list[float] = []

    def age(self) -> float:
        return self.old

    def monotonic(self) -> float:
        return 700.0 + self.old

    def thread_time(self) -> float:
        self.used += self.cost / 2  # it is looked at twice for each import after which it rests
        return self.used

    def idle(self) -> float:
        return 9000.0 + self.spare * self.old

    def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.old += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(gentle, "age", found.age)
    monkeypatch.setattr(gentle, "_idle", found.idle)
    monkeypatch.setattr(gentle.time, "process_time", lambda: 0.0)
    monkeypatch.setattr(gentle.time, "thread_time", found.thread_time)
    monkeypatch.setattr(gentle.time, "sleep", found.sleep)
    monkeypatch.setattr(gentle.time, "monotonic", found.monotonic)
    return found


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Modules that nobody has imported."""
    names = [f"gentle_{tmp_path.name}_{number}".replace("-", "_") for number in range(8)]
    for name in names:
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield names
    for name in names:
        sys.modules.pop(name, None)


def test_it_rests_for_what_it_has_used_until_it_has_to_hurry(machine: Machine, modules: list[str]) -> None:
    before = list(sys.meta_path)
    with gentle.gently(load_time=10.0):
        for name in modules:
            importlib.import_module(name)
    rest = COST / 2 * (1.0 / gentle.SHARE - 1.0)
    assert machine.rests[:4] == [pytest.approx(rest)] * 4
    assert machine.old == pytest.approx(gentle.HURRY * 10.0), "and not longer"
    assert sum(machine.rests) == pytest.approx(gentle.HURRY * 10.0 - 1.0)
    assert sys.meta_path == before


def test_where_others_need_the_processors_it_hurries_later(machine: Machine, modules: list[str]) -> None:
    machine.spare = 0.9 * gentle.SPARE
    with gentle.gently(load_time=4.0):
        for name in modules:
            importlib.import_module(name)
    assert machine.old == pytest.approx(gentle.LATEST * 4.0), "and not longer"


def test_where_it_is_not_known_what_others_need_it_is_in_time(
    machine: Machine, modules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gentle, "_idle", lambda: float("inf"))
    with gentle.gently(load_time=4.0):
        for name in modules:
            importlib.import_module(name)
    assert machine.old == pytest.approx(gentle.HURRY * 4.0)


def test_what_is_idle_is_read_from_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    monkeypatch.setattr(gentle, "_STAT", stat)
    assert gentle._idle() == float("inf")
    stat.write_text("cpu  100 20 30 4000 500 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n")
    assert gentle._idle() == pytest.approx(4500 / os.sysconf("SC_CLK_TCK"))
    stat.write_text("no such thing")
    assert gentle._idle() == float("inf")


def test_what_it_uses_itself_is_nobody_elses(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.spare = 0.25
    monkeypatch.setattr(gentle.time, "process_time", lambda: 0.5 * machine.old)
    processors = gentle._Processors()
    assert processors.spare() == float("inf"), "nothing is known yet"
    machine.old += 1.0
    assert processors.spare() == pytest.approx(0.75)


def test_short_rests_are_taken_together(machine: Machine, modules: list[str]) -> None:
    machine.cost = gentle.LEAST / 4.0
    with gentle.gently(load_time=4.0):
        for name in modules:
            importlib.import_module(name)
    assert 0 < len(machine.rests) < len(modules)
    assert min(machine.rests) >= gentle.LEAST
    used = machine.cost / 2 * len(modules)
    assert sum(machine.rests) == pytest.approx(used * (1.0 / gentle.SHARE - 1.0), rel=0.3)


def test_without_a_time_it_hurries(machine: Machine, modules: list[str]) -> None:
    with gentle.gently(load_time=0.0):
        importlib.import_module(modules[0])
    assert machine.rests == []


def test_what_is_known_already_costs_nothing(machine: Machine) -> None:
    with gentle.gently(load_time=10.0):
        importlib.import_module("json")
    assert machine.rests == []


def test_other_threads_go_on(machine: Machine, modules: list[str]) -> None:
    with gentle.gently(load_time=10.0):
        other = threading.Thread(target=importlib.import_module, args=(modules[0],))
        other.start()
        other.join()
    assert modules[0] in sys.modules
    assert machine.rests == []


def test_a_failure_leaves_imports_as_they_were(machine: Machine) -> None:
    del machine
    before = list(sys.meta_path)
    with pytest.raises(ModuleNotFoundError), gentle.gently(load_time=10.0):
        importlib.import_module("there_is_no_such_module")
    assert sys.meta_path == before
