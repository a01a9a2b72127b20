"""The plane's interface: what it refuses, how it grows, what it costs to import."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from plane_kit import SECOND, make

from drillbox.sandbox.model.service import Fallback, Gateway
from drillbox.stacks.sim import kernel
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.plane import ClientPolicy, Model, Plane, ServiceTime

ONE = np.zeros(1)


def test_importing_the_plane_does_not_load_the_compiler() -> None:
    code = "import sys, drillbox.stacks.sim.plane, drillbox.stacks.sim.metrics; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def _kill_twice(plane: Plane) -> None:
    plane.remove_replica(0)
    plane.kill_replica(0)


REFUSED: dict[str, Callable[[Plane], object]] = {
    "time goes back": lambda plane: plane.advance(0.5),
    "no end": lambda plane: plane.advance(math.inf),
    "not a time": lambda plane: plane.advance(math.nan),
    "an arrival in the past": lambda plane: plane.advance(2.0, np.array([0.5])),
    "an arrival after the end": lambda plane: plane.advance(2.0, np.array([1.5, 2.5])),
    "arrivals that fall": lambda plane: plane.advance(2.0, np.array([1.5, 1.25, 1.75])),
    "an arrival at no time": lambda plane: plane.advance(2.0, np.array([1.5, math.nan, 1.75])),
    "too few examples": lambda plane: plane.advance(2.0, np.array([1.5, 1.6]), 0, np.zeros(1, np.int32)),
    "an unknown example": lambda plane: plane.advance(2.0, np.array([1.5]), 0, np.ones(1, np.int32)),
    "a negative example": lambda plane: plane.advance(2.0, np.array([1.5]), 0, np.full(1, -1, np.int32)),
    "an unknown pool": lambda plane: plane.add_replica(3, 0, 1, 1),
    "an unknown model": lambda plane: plane.add_replica(0, 1, 1, 1),
    "no slots": lambda plane: plane.add_replica(0, 0, 0, 1),
    "a queue below zero": lambda plane: plane.set_capacity(0, 1, -1),
    "a slot without a replica": lambda plane: plane.set_ready(1, True),
    "a slot below zero": lambda plane: plane.kill_replica(-64),
    "a removed replica": _kill_twice,
    "no slowness": lambda plane: plane.set_slowness(0, 0.0),
    "no timeout": lambda plane: plane.set_gateway(Gateway(timeout=0.0), Fallback.OFF),
    "no budget": lambda plane: plane.set_gateway(Gateway(retry_budget=math.nan), Fallback.OFF),
    "costs of other examples": lambda plane: plane.add_model(Model(SECOND, np.zeros(3))),
}  # fmt: skip


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_and_changes_nothing(act: Callable[[Plane], object]) -> None:
    plane = make()
    plane.advance(1.0, ONE)
    with pytest.raises(ValueError, match=r"."):
        act(plane)
    assert plane.now == 1.0
    assert plane.counts().ok == 1


@pytest.mark.parametrize(
    "make_it",
    [
        lambda: ClientPolicy(timeout=0.0),
        lambda: ClientPolicy(retries=-1),
        lambda: ClientPolicy(backoff=math.inf),
        lambda: ServiceTime.constant(-1.0),
        lambda: ServiceTime.exponential(math.nan),
        lambda: ServiceTime.lognormal(math.inf, 0.5),
        lambda: ServiceTime.quantiles([1.0]),
        lambda: ServiceTime.quantiles([1.0, 0.5]),
        lambda: make(models=[]),
        lambda: make(latency_bounds=(0.5, 0.1)),
        lambda: make(models=[Model(SECOND, np.zeros(3))]),
    ],
)
def test_policies_and_distributions_that_make_no_sense_are_refused(make_it: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        make_it()


def test_slots_are_limited() -> None:
    plane = make(replicas=lay.MAX_REPLICAS, record=0)
    with pytest.raises(ValueError, match=str(lay.MAX_REPLICAS)):
        plane.add_replica(0, 0, 1, 1)
    plane.advance(10.0, np.linspace(0.0, 5.0, 4000))
    assert (plane.state.r[:, lay.R_ACCEPTED] > 0).all()


def test_models_may_come_later_and_have_tables_of_any_length() -> None:
    plane = make(
        models=[Model(ServiceTime.quantiles([1.0, 1.0]), np.array([1.0, 2.0]))],
        rules_costs=np.array([100.0, 200.0]),
        count_answers=True,
        fallback=Fallback.OVERFLOW,
        replicas=0,
    )
    longer = plane.add_model(Model(ServiceTime.quantiles([2.0, 2.0, 2.0, 2.0]), np.array([4.0, 8.0])))
    same_for_all = plane.add_model(Model(ServiceTime.constant(3.0), np.array([16.0])))
    assert (longer, same_for_all) == (1, 2)
    for model in range(3):
        slot = plane.add_replica(0, model, 1, 0)
        plane.set_ready(slot, True)
        plane.advance(plane.now, np.full(2, plane.now), 2 * model, np.array([0, 1], np.int32))
        plane.drain_replica(slot)
    plane.finish()
    assert plane.answers_by_example.tolist() == [[1, 0], [1, 0], [1, 0], [0, 3]]
    assert plane.counts().prediction_cost == 1.0 + 4.0 + 16.0 + 3 * 200.0
    assert [end - start for start, end in plane.jobs[3:, 4:6]] == [1.0, 2.0, 3.0]


def test_any_array_of_numbers_will_do() -> None:
    plane = make(concurrency=10)
    plane.advance(10, np.arange(10)[::2], 0, np.zeros(5, np.int64))  # type: ignore[arg-type]
    plane.advance(20, np.linspace(10.0, 20.0, 21)[::2].astype(np.float32), 5)
    plane.finish()
    assert plane.counts().ok == 16
    assert len(kernel.run.signatures) == 1  # type: ignore[attr-defined]


def test_indices_go_beyond_32_bits() -> None:
    planes = [make(ServiceTime.exponential(1.0), replicas=1) for _ in range(2)]
    for plane, first in zip(planes, (1, 1 + 2**40), strict=True):
        plane.advance(0.0, ONE, first)
        plane.finish()
    assert planes[1].records[0, 0] == 1 + 2**40
    assert planes[0].busy_seconds(0) != planes[1].busy_seconds(0)


def test_the_table_of_addresses_lists_the_arrays_in_order() -> None:
    names = {name.removeprefix("T_").lower(): place for name, place in vars(lay).items() if name.startswith("T_")}
    assert names == {name: place for place, name in enumerate(lay.State._fields)}


def test_the_cache_of_the_kernel_depends_on_all_its_parts() -> None:
    cells = [cell.cell_contents for cell in kernel.run.py_func.__closure__]  # type: ignore[attr-defined]
    assert cells == [kernel._sources()]


def test_finish_stops_at_its_limit() -> None:
    plane = make(ServiceTime.constant(1e6))
    plane.advance(0.0, ONE)
    plane.finish(limit=5.0)
    assert (plane.now, plane.in_flight) == (5.0, 1)
