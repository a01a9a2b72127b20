"""The load generator sends the simulation's requests: the same times, rows and luck for a seed, also under a spike."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from load_kit import CONFIG, SEED, new_world

from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.scenario import Traffic
from drillbox.sandbox.model.traffic import Burst, Constant, Diurnal, Flow, Ramp, Replay, Spike, Step
from drillbox.sandbox.world.flights import World
from drillbox.stacks.deploy.envoy.names import WHOLE
from drillbox.stacks.services.common.settings import read
from drillbox.stacks.services.load.config import dump_world, load_world
from drillbox.stacks.services.load.luck import Luck
from drillbox.stacks.services.load.plan import SLICE, Plan
from drillbox.stacks.services.load.settings import ClientsOrder, LoadSettings
from drillbox.stacks.sim import layout as lay
from drillbox.stacks.sim.traffic import Rate

SHAPES = (
    Constant(1.5),
    Ramp(5.0, 10.0, 2.0),
    Spike(3.0, 4.0, 3.0, 1.0),
    Step(8.0, 0.5, 5.0),
    Step(9.0, 0.7),
    Replay((0.0, 5.0, 10.0), (1.0, 2.0, 1.0), steps=True, repeat=True),
    Diurnal(),
    Burst(3.0, 4.0, 2.0),
)
SHAPED = dataclasses.replace(CONFIG, traffic=Traffic(100.0, (Flow(60.0, SHAPES[:4]), Flow(40.0, SHAPES[4:]))))


def of_plan(plan: Plan, spikes: dict[float, Any]) -> tuple[list[float], list[int], list[int]]:
    """All requests of a plan; spikes are told when the plan gets there."""
    times: list[float] = []
    examples: list[int] = []
    indices: list[int] = []
    while not plan.finished:
        for at in [at for at in spikes if at <= plan.now + 1e-9]:
            spikes.pop(at)(plan.rate, at)
        batch = plan.next()
        times += batch.times.tolist()
        examples += batch.examples.tolist()
        indices += range(batch.first, batch.first + len(batch.times))
    return times, examples, indices


def of_simulation(world: World, spikes: dict[float, Any], warmup: float, duration: float) -> tuple[list[float], list[int]]:
    """As `SimStack` does it: a second at a time."""
    rate, arrivals = Rate(world.config.traffic, world.rate_curve(-warmup)), world.arrivals()
    times: list[float] = []
    examples: list[int] = []
    for second in np.arange(-warmup, duration).tolist():
        if second in spikes:
            spikes[second](rate, second)
        for start, end, wanted in rate.pieces(second, second + 1.0):
            first, found = arrivals.step(start, end, wanted)
            times += found.tolist()
            examples += world.examples_for(first, found).tolist()
    return times, examples


def spikes() -> dict[float, Any]:
    return {4.0: lambda rate, at: rate.begin_spike("b", 5.0, 3.0, at), 15.0: lambda rate, at: rate.end_spike("b", at)}


@pytest.mark.parametrize("config", [CONFIG, SHAPED], ids=["constant", "shaped"])
def test_times_and_rows_are_those_of_the_simulation(config: Any) -> None:
    world = new_world(config)
    times, examples, indices = of_plan(Plan(world, Luck(SEED), 5.0, 30.0), spikes())
    expected_times, expected_examples = of_simulation(world, spikes(), 5.0, 30.0)
    assert len(times) > 2000
    assert indices == list(range(len(times)))
    assert times == pytest.approx(expected_times, abs=1e-9)
    assert examples == expected_examples


def test_a_spike_moves_requests_but_not_their_rows_luck(world: World) -> None:
    plain = of_plan(Plan(world, Luck(SEED), 0.0, 10.0), {})
    spiked = of_plan(Plan(world, Luck(SEED), 0.0, 10.0), spikes())
    before = sum(time < 4.0 for time in plain[0])
    assert spiked[0][:before] == plain[0][:before]
    assert len(spiked[0]) > 2 * len(plain[0])


def test_a_change_of_the_rate_takes_effect_within_a_slice(world: World) -> None:
    plan = Plan(world, Luck(SEED), 0.0, 2.0)
    plan.next()
    plan.rate.begin_spike("b", 0.0, 0.0, plan.now)
    assert len(plan.next().times) == 0
    assert plan.now == pytest.approx(2 * SLICE)


@settings(max_examples=30)
@given(st.integers(0, 2**40), st.integers(0, 20), st.integers(0, 2**31))
def test_luck_is_that_of_the_simulations_kernel(index: int, attempt: int, seed: int) -> None:
    from drillbox.stacks.sim import kernel_memory as mem

    keys = np.random.SeedSequence([seed, 0x706C616E]).generate_state(lay.N_S, np.uint64).astype(np.uint64)
    luck = Luck(seed)

    def uniform(key: np.uint64, entity: int, k: int) -> float:
        return float(mem.unit(np.uint64(mem.draw(key, np.uint64(entity), k))))

    assert luck.backoff(index, attempt) == uniform(keys[lay.S_BACKOFF], index, attempt)
    routes = [int(uniform(keys[lay.S_ROUTE], index + k, 0) * WHOLE) for k in range(3)]
    assert luck.routes(index, 3, WHOLE).tolist() == routes


def test_keys_are_those_of_the_simulations_plane() -> None:
    from drillbox.stacks.sim.plane import ClientPolicy, Model, Plane, ServiceTime

    plane = Plane(
        seed=9,
        start=0.0,
        latency_bounds=(1.0,),
        slow_bound=1.0,
        clients=ClientPolicy(),
        models=[Model(ServiceTime.constant(1.0))],
    )
    luck = Luck(9)
    assert luck._backoff == int(plane.state.keys[lay.S_BACKOFF])
    assert int(luck._route) == int(plane.state.keys[lay.S_ROUTE])


@pytest.mark.parametrize("config", [CONFIG, SHAPED])
def test_a_world_comes_back_as_it_was(config: Any) -> None:
    assert load_world(dump_world(config)) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no configuration of a world"),
        ("{}", "no configuration of a world: KeyError('traffic')"),
        (dump_world(SHAPED).replace('"kind":"burst"', '"kind":"bursts"'), "unknown shape 'bursts'; did you mean 'burst'?"),
        (dump_world(CONFIG).replace('"pace":600.0', '"pace":"fast"'), "pace: Input should be a valid number"),
    ],
)
def test_a_broken_world_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_world(text)
    assert message in str(caught.value)


GOOD = {"LOAD_TARGET": "http://127.0.0.1:8000", "LOAD_WORLD": dump_world(CONFIG), "LOAD_DURATION": "60"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"LOAD_TARGET": "127.0.0.1:8000"}, "LOAD_TARGET='127.0.0.1:8000' is wrong (the gateway, as http://HOST:PORT)"),
        ({"LOAD_WORLD": "{}"}, "LOAD_WORLD='{}' is wrong"),
        ({"LOAD_DURATION": "long"}, "LOAD_DURATION='long' is wrong (seconds of requests after t = 0)"),
        ({"LOAD_WARMUP": "-1"}, "LOAD_WARMUP='-1' is wrong"),
        ({"LOAD_SLOW_BOUND": "0"}, "LOAD_SLOW_BOUND='0' is wrong"),
        ({"LOAD_WARMUPS": "60"}, "LOAD_WARMUPS is no setting of this service: did you mean LOAD_WARMUP?"),
    ],
)
def test_wrong_settings_name_their_variable(change: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(LoadSettings, GOOD | change)
    assert message in str(caught.value)


def test_what_an_order_leaves_out_stays_as_usual() -> None:
    usual = dataclasses.replace(CONFIG.clients, timeout=3.0, retries=1)
    assert ClientsOrder(retries=4, backoff=0.0).over(usual) == dataclasses.replace(usual, retries=4, backoff=0.0)
