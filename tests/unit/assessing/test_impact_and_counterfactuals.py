"""Impact, counterfactuals and times on the simulation: what must hold of every drill."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.assessing import Assessor
from drillbox.sandbox.baselines import BaselineCache, Baselines
from drillbox.sandbox.counterfactuals import MOST, costliest, counterfactuals, harm_without
from drillbox.sandbox.drill import Result, compared, header_of, result_of
from drillbox.sandbox.journal import Journal
from drillbox.sandbox.loading import load_scenario
from drillbox.sandbox.model.events import Event, Rejected, Role
from drillbox.sandbox.model.params import Value
from drillbox.sandbox.model.scenario import Answer, Runbook, Scenario, Step, Trigger
from drillbox.sandbox.operators import Idle, Operator, Scripted
from drillbox.sandbox.scoring.harm import harm_of
from drillbox.sandbox.scoring.impact import control_impact, impact
from drillbox.sandbox.scoring.record import record_of
from drillbox.sandbox.scoring.times import times_of
from drillbox.sandbox.scoring.verdict import Verdict
from drillbox.sandbox.session import DrillSession
from drillbox.wiring import Wiring

WIRING = Wiring()
SEED = 3
Ask = tuple[int, str, dict[str, Value]]


def make(scenario: Scenario, seed: int = SEED) -> DrillSession:
    return WIRING.session(scenario, seed, "sim")


def play(scenario: Scenario, operator: Operator) -> Sequence[Event]:
    session = make(scenario)
    session.start(quiet)
    session.run(operator)
    return session.events(role=Role.FACILITATOR)


def quiet(_step: str, _done: float) -> None:
    pass


def typing(asks: Iterable[Ask], name: str = "typist") -> Scripted:
    steps = tuple(Step(Trigger(at=float(at)), action, params) for at, action, params in sorted(asks, key=lambda ask: ask[0]))
    return Scripted(Runbook(name, steps, notice=0.0, step=0.0))


def scenario_of(name: str) -> Scenario:
    entry = next(entry for entry in WIRING.library().entries() if entry.id == name)
    return load_scenario(entry.path, "short" if "short" in entry.profiles else "")


def judged(scenario: Scenario, events: Sequence[Event], name: str = "typist") -> Result:
    return result_of(Journal(header_of(scenario, "", SEED, "sim", name, ""), tuple(events)), None, scenario)


@pytest.fixture(scope="module")
def rush() -> Scenario:
    return scenario_of("monday-rush")


@pytest.fixture(scope="module")
def baselines(rush: Scenario) -> Baselines:
    return BaselineCache(rush, SEED, ("test",), play).baselines(quiet)


@pytest.mark.parametrize("name", [entry.id for entry in WIRING.library().entries()])
def test_idle_is_0_and_the_reference_100(name: str) -> None:
    scenario = scenario_of(name)
    assess = Assessor(make, WIRING.code_hash(), "data")
    idle = assess.compare(judged(scenario, play(scenario, Idle()), "idle"), quiet)
    reference = assess.compare(judged(scenario, play(scenario, Scripted(scenario.reference)), "reference"), quiet)
    if scenario.control:
        assert (idle.impact, reference.impact) == (100.0, 100.0)
    else:
        assert (idle.impact, reference.impact) == (0.0, pytest.approx(100.0))


@given(idle=st.floats(0, 1e6), reference=st.floats(0, 1e6), you=st.floats(0, 1e6))
def test_worse_than_idle_is_negative_and_better_than_the_reference_above_100(idle: float, reference: float, you: float) -> None:
    points = impact(you, idle, reference)
    assert (points is None) == (idle <= reference)
    if points is not None and idle - reference > 1e-3:
        assert (points < 0) == (you > idle) or abs(you - idle) < 1e-9
        assert (points > 100) == (you < reference) or abs(you - reference) < 1e-6


@given(idle=st.floats(0, 1e6), worst=st.floats(0, 1e6), you=st.floats(0, 1e6))
def test_in_a_control_idle_is_100_and_nothing_is_better(idle: float, worst: float, you: float) -> None:
    assert control_impact(idle, idle, worst) == (100.0 if worst > idle else None)
    points = control_impact(you, idle, worst)
    assert points is None or points <= 100.0


def test_a_harmful_drill_is_negative_and_fails_for_that(rush: Scenario, baselines: Baselines) -> None:
    harmful = typing(
        [(10, "shed", {"share": 1.0}), (150, "shed", {"share": 0.0}), (151, "set-autoscaler", {"maximum": 12, "minimum": 12})]
    )
    result = compared(judged(rush, play(rush, harmful)), baselines)
    assert result.impact is not None
    assert result.impact < 0
    assert any(reason.startswith("impact -") for reason in result.judgement.reasons)


BAD = st.sampled_from(
    [
        ("scael", {"replicas": 5}),
        ("scale", {"replicas": 65}),
        ("scale", {"replicas": 9}),  # beyond the autoscaler's bounds
        ("shed", {}),
        ("shed", {"share": 1.5}),
        ("stage", {"version": "v9"}),
        ("restart", {"replica": "nobody"}),
        ("diagnose", {"component": "model-server", "cause": "gremlins"}),
    ]
)


@settings(max_examples=8)
@given(bad=st.lists(st.tuples(st.integers(0, 200), BAD), min_size=1, max_size=6))
def test_rejected_commands_change_nothing(rush: Scenario, bad: list[tuple[int, tuple[str, dict[str, Value]]]]) -> None:
    good: list[Ask] = [(60, "shed", {"share": 0.4})]
    alone = play(rush, typing(good))
    among = play(rush, typing([*good, *((at, name, params) for at, (name, params) in bad)]))
    assert sum(isinstance(event.body, Rejected) for event in among) == len(bad)
    assert [(event.at, bare(event)) for event in among if not isinstance(event.body, Rejected)] == [
        (event.at, bare(event)) for event in alone
    ]


def bare(event: Event) -> object:
    """An event without the number of its command, which counts the rejected ones, too."""
    body = event.body
    return dataclasses.replace(body, number=0) if hasattr(body, "number") else body  # type: ignore[call-arg]


NO_EFFECT = st.sampled_from(
    [
        ("shed", {"share": 0.0}),
        ("set-retries", {"retries": 1}),
        ("set-timeout", {"timeout": 0.6}),
        ("fallback", {"mode": "off"}),
        ("set-canary", {"weight": 0.0}),
        ("declare", {}),
        ("resolve", {}),
        ("diagnose", {"component": "clients", "cause": "traffic.spike"}),
        ("silence", {"alert": "AvailabilityBurnRate"}),
    ]
)


@settings(max_examples=6)
@given(at=st.integers(0, 49), useless=NO_EFFECT)
def test_leaving_out_a_command_without_effect_is_worth_nothing(
    rush: Scenario, at: int, useless: tuple[str, dict[str, Value]]
) -> None:
    events = play(rush, typing([(at, *useless), (50, "set-autoscaler", {"maximum": 8, "minimum": 8})]))
    record = record_of(events)
    useless_one, useful = record.commands
    with_all = harm_of(record.ledger, rush.world.prices).total
    assert harm_without(useless_one, record.commands, rush, make(rush)) == with_all
    assert harm_without(None, record.commands, rush, make(rush)) == with_all
    assert harm_without(useful, record.commands, rush, make(rush)) > with_all


def test_each_action_has_its_price(rush: Scenario, baselines: Baselines) -> None:
    events = play(rush, typing([(40, "set-autoscaler", {"maximum": 8, "minimum": 8}), (100, "shed", {"share": 0.9})]))
    found = counterfactuals(events, rush, lambda: make(rush), quiet)
    assert [one.command.action for one in found] == ["set-autoscaler", "shed"]
    scaling, shedding = found
    assert scaling.saved > 0 > shedding.saved
    alone = record_of(play(rush, typing([(100, "shed", {"share": 0.9})])))
    with_all = harm_of(record_of(events).ledger, rush.world.prices).total
    assert scaling.saved == pytest.approx(harm_of(alone.ledger, rush.world.prices).total - with_all)
    assert baselines.harm(baselines.idle) > baselines.harm(baselines.reference)


def test_an_action_that_needed_another_is_rejected_without_it_and_costs_nothing(rush: Scenario) -> None:
    """Without the wider bounds the scaling is inapplicable: then leaving the first out is leaving both out."""
    events = play(rush, typing([(40, "set-autoscaler", {"maximum": 9}), (41, "scale", {"replicas": 9})]))
    record = record_of(events)
    idle = harm_of(record_of(play(rush, Idle())).ledger, rush.world.prices).total
    assert harm_without(record.commands[0], record.commands, rush, make(rush)) == idle


def test_the_eight_costliest_are_looked_at_in_their_order(rush: Scenario) -> None:
    asks: list[Ask] = [(20 * number, "shed", {"share": 0.01 + number / 100}) for number in range(11)]
    asks.append((15, "declare", {}))
    events = play(rush, typing(asks))
    chosen = costliest(events, record_of(events), rush)
    assert len(chosen) == MOST
    assert {one.action for one in chosen} == {"shed"}
    assert [one.at for one in chosen] == sorted(one.at for one in chosen)
    assert 0.0 not in [one.at for one in chosen], "before the crowd little harm was done"


def test_the_times_of_the_reference(rush: Scenario) -> None:
    times = times_of(record_of(play(rush, Scripted(rush.reference))), rush)
    assert times.injected == 20.0
    assert times.broken is not None
    assert times.detected is not None
    assert times.mitigated is not None
    assert times.injected < times.broken <= times.detected < times.mitigated < rush.duration
    assert times.diagnosed == 155.0


def test_who_does_nothing_sees_it_end_with_the_fault_or_never(rush: Scenario) -> None:
    times = times_of(record_of(play(rush, Idle())), rush)
    assert (times.detected, times.diagnosed) == (None, None)
    assert times.mitigated is not None
    assert times.mitigated >= 220.0, "when the crowd has gone"
    [crowd] = rush.timeline
    lasting = dataclasses.replace(rush, timeline=(dataclasses.replace(crowd, lasts=None),))
    assert times_of(record_of(play(lasting, Idle())), lasting).mitigated is None


def test_without_a_fault_nothing_was_broken(rush: Scenario) -> None:
    calm = dataclasses.replace(rush, timeline=())
    times = times_of(record_of(play(calm, Idle())), calm)
    assert (times.injected, times.broken, times.mitigated) == (None, None, None)


RIGHT: Ask = (40, "diagnose", {"component": "clients", "cause": "traffic.spike"})
WRONG: Ask = (60, "diagnose", {"component": "model-server", "cause": "release.slow_model"})


@pytest.mark.parametrize(
    ("asks", "diagnosed"), [([RIGHT], 40.0), ([WRONG], None), ([RIGHT, WRONG], None), ([WRONG, (80, *RIGHT[1:])], 80.0)]
)
def test_the_last_diagnosis_counts(rush: Scenario, asks: list[Ask], diagnosed: float | None) -> None:
    assert times_of(record_of(play(rush, typing(asks))), rush).diagnosed == diagnosed


@pytest.mark.parametrize(
    ("asks", "reason"),
    [([], "component and cause were not named"), ([WRONG], "the diagnosis is not right"), ([RIGHT], "")],
)
def test_a_scenario_may_require_the_diagnosis(rush: Scenario, asks: list[Ask], reason: str) -> None:
    strict = dataclasses.replace(rush, answer=Answer("clients", "traffic.spike", required=True))
    mend: list[Ask] = [(25, "set-autoscaler", {"maximum": 9, "minimum": 9})]
    judgement = judged(strict, play(strict, typing([*mend, *asks]))).judgement
    assert judgement.reasons == ((reason,) if reason else ())
    assert judgement.verdict is (Verdict.FAILED if reason else Verdict.PASSED)


def test_an_unfinished_drill_has_no_impact(rush: Scenario, baselines: Baselines) -> None:
    events = play(rush, Idle())
    broken_off = judged(rush, [event for event in events if event.at < 100])
    result = compared(broken_off, baselines)
    assert result.impact is None
    assert result.judgement.verdict is Verdict.ABORTED
    assert Assessor(make, "code", "data").explain(result, events, quiet).counterfactuals is None


def test_drills_of_another_stack_are_not_compared(rush: Scenario) -> None:
    elsewhere = dataclasses.replace(judged(rush, play(rush, Idle())), stack="kind")
    assess = Assessor(make, "code", "data")
    assert assess.compare(elsewhere, quiet) is elsewhere
    assert assess.explain(elsewhere, (), quiet) is elsewhere
    assert elsewhere.impact is None


class TestCache:
    @pytest.fixture
    def plays(self) -> list[str]:
        return []

    @pytest.fixture
    def cache(self, rush: Scenario, plays: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaselineCache:
        monkeypatch.setattr("drillbox.sandbox.baselines.cache_dir", lambda: tmp_path)

        def noted(scenario: Scenario, operator: Operator) -> Sequence[Event]:
            plays.append(operator.name)
            return play(scenario, operator)

        return BaselineCache(rush, SEED, ("here",), noted)

    def test_nothing_is_played_twice(self, cache: BaselineCache, plays: list[str]) -> None:
        first = cache.baselines(quiet)
        assert plays == ["idle", "reference"]
        assert cache.baselines(quiet) == first
        assert plays == ["idle", "reference"]

    @pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08broken"])
    def test_what_is_damaged_is_made_again(self, cache: BaselineCache, plays: list[str], tmp_path: Path, content: bytes) -> None:
        first = cache.baselines(quiet)
        for path in (tmp_path / "baselines").iterdir():
            path.write_bytes(content)
        assert cache.baselines(quiet) == first
        assert plays == ["idle", "reference"] * 2

    def test_another_origin_is_another_baseline(self, rush: Scenario, cache: BaselineCache, tmp_path: Path) -> None:
        cache.baselines(quiet)
        BaselineCache(rush, SEED, ("there",), play).baselines(quiet)
        BaselineCache(rush, SEED + 1, ("here",), play).baselines(quiet)
        assert len(list((tmp_path / "baselines").iterdir())) == 6

    def test_a_full_disk_only_costs_time(self, cache: BaselineCache, plays: list[str], tmp_path: Path) -> None:
        (tmp_path / "baselines").write_text("a file in the way of the folder")
        assert cache.baselines(quiet).impact_of(0.0) is not None
        assert plays == ["idle", "reference"]

    def test_old_ones_are_thrown_away(self, cache: BaselineCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("drillbox.sandbox.baselines.KEPT", 1)
        cache.baselines(quiet)
        assert len(list((tmp_path / "baselines").iterdir())) == 1
