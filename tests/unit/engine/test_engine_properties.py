"""The engine turns commands and facts into numbered events; what it refuses changes nothing."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace

import pytest
from core_kit import ABLE, REPLICAS, SPEC, Facts, Play, alert, bodies, fires, resolves, spike, toy
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.engine import Engine, Readings
from drillbox.sandbox.journal import encode
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.events import (
    Accepted,
    Alerted,
    Audience,
    Began,
    Changed,
    Cleared,
    Completed,
    Ended,
    Event,
    Failed,
    Injected,
    Logged,
    Observed,
    Rejected,
    Settled,
)
from drillbox.sandbox.model.params import Kind, Param
from drillbox.sandbox.model.service import Change, ServiceSpec, get, with_fields
from drillbox.sandbox.model.stack import ApplySpec, Capabilities, ClearFault, InjectFault
from drillbox.sandbox.model.telemetry import Ledger, LogLine, Telemetry

Asked = tuple[str, str, dict[str, object]]
Script = list[tuple[list[Asked], Facts]]

NONSENSE = (
    st.none()
    | st.text(max_size=5)
    | st.sampled_from([math.nan, math.inf, -1, 10**400, True, [1], {"a": [2]}, "5m", "50%", "1.5", "all", "\ud800", b"x"])
)


def sound(param: Param) -> st.SearchStrategy[object]:
    """Values that a parameter may have, as a program writes them."""
    if param.kind is Kind.SWITCH:
        return st.booleans()
    if param.choices:
        return st.sampled_from(param.choices)
    if param.kind is Kind.NAME:
        return st.sampled_from([*REPLICAS, "all", "v1", "v3", "v9", "Slow"])
    if param.kind is Kind.COUNT:
        return st.integers(int(param.minimum or 0), int(param.maximum or 10))
    return st.floats(param.minimum or 0.0, 1.0 if param.maximum is None else param.maximum)


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    """A command of somebody: mostly sensible, often not."""
    actor = draw(st.sampled_from(["ann", "bob"]))
    name = draw(st.sampled_from([*ACTIONS, "scal", "", "\ud800"]))
    params = {}
    if name in ACTIONS:
        params = {param.name: draw(sound(param)) for param in ACTIONS[name].params if draw(st.integers(0, 9))}
    if not draw(st.integers(0, 3)):
        params |= draw(st.dictionaries(st.sampled_from([*params, "nonsense"]), NONSENSE, max_size=2))
    return actor, name, params


FACTS = st.builds(
    Facts,
    slis=st.none() | st.fixed_dictionaries({"saturation": st.floats(0, 1)}),
    transitions=st.sampled_from([(), (), (fires(0.0),), (resolves(0.0),)]),
    changes=st.sampled_from([(), (), (Change("champion.replicas", 2, 7, "autoscaler"),)]),
)
SECONDS = st.lists(st.tuples(st.lists(asked(), max_size=3), FACTS), max_size=6)


def played(seconds: Script) -> Play:
    """A drill in which all of that happens."""
    numbers: Counter[str] = Counter()
    play = Play(toy(spike(at=1.0, lasts=2.0), spike("later", at=None, when="saturation > 0.5", by=4.0)))
    for commands, facts in seconds:
        for actor, name, params in commands:
            numbers[actor] += 1
            play.ask(name, params, actor, numbers[actor])
        play.second(facts)
    play.events += play.engine.end("finished", Telemetry(play.engine.now))
    return play


@given(SECONDS)
def test_event_numbers_grow_by_one_and_time_never_falls(seconds: Script) -> None:
    events = played(seconds).events
    assert [event.number for event in events] == list(range(len(events)))
    times = [event.at for event in events]
    assert times == sorted(times)
    assert isinstance(events[0].body, Began)
    assert isinstance(events[-1].body, Ended)


@given(SECONDS)
def test_every_command_comes_to_exactly_one_end(seconds: Script) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("scale", "shed", "stage"):
            patch.setitem(ACTIONS, name, replace(ACTIONS[name], duration=2.5))
        events = played(seconds).events
    submitted = Counter(actor for commands, _ in seconds for actor, _, _ in commands)
    asked_for = {(actor, number) for actor, most in submitted.items() for number in range(1, most + 1)}
    begun = [(body.actor, body.number) for body in bodies(events, Accepted) + bodies(events, Rejected)]
    assert sorted(begun) == sorted(asked_for)
    accepted = [(body.actor, body.number) for body in bodies(events, Accepted)]
    ended = [(body.actor, body.number) for body in bodies(events, Completed) + bodies(events, Failed)]
    assert sorted(accepted) == sorted(ended)


@given(SECONDS)
def test_the_changes_told_lead_to_the_desired_state(seconds: Script) -> None:
    play = played(seconds)
    spec = SPEC
    for body in bodies(play.events, Changed):
        assert get(spec, body.field) == body.before or body.by == "autoscaler"
        spec = with_fields(spec, {body.field: body.after})
    assert spec == play.engine.spec
    for _, effect in play.effects:
        if isinstance(effect, ApplySpec):
            assert effect.changes
            assert all(get(effect.spec, change.field) == change.after for change in effect.changes)


@given(SECONDS)
def test_whatever_is_asked_for_can_be_written_down(seconds: Script) -> None:
    for event in played(seconds).events:
        if isinstance(event.body, Rejected):
            json.dumps(encode(event), allow_nan=False)
            assert event.body.reason


@given(st.lists(asked(), min_size=1, max_size=5))
def test_a_rejected_command_changes_nothing(commands: list[Asked]) -> None:
    for actor, name, params in commands:
        play = Play(toy())
        play.ask(name, params, actor)
        happened = play.second()
        if not bodies(happened, Rejected):
            continue
        assert len(happened) == 1
        assert play.engine.spec is SPEC
        assert not play.effects
        assert play.engine.notifications == Engine(toy(), ABLE).notifications


@pytest.mark.parametrize(
    ("action", "params", "reason"),
    [
        ("scal", {}, "unknown action 'scal'; did you mean 'scale'?"),
        ("scale", {}, "parameter 'replicas' is missing: wanted number of replicas"),
        ("scale", {"replicas": 65}, "replicas: 65 is out of bounds: between 0 and 64"),
        ("scale", {"replicas": 1.5}, "replicas: 1.5 is not a whole number"),
        ("scale", {"replicas": math.nan}, "replicas: nan is not finite"),
        ("scale", {"replica": 3}, "unknown parameter 'replica'; did you mean 'replicas'?"),
        ("fallback", {"mode": "allways"}, "mode: unknown value 'allways'; did you mean 'always'?"),
        ("stage", {"version": "v5"}, "unknown version 'v5'; did you mean 'v4'?"),
        ("shadow", {"version": "nightly"}, "unknown version 'nightly'; choose one of v1, v2, v3, v4"),
        ("restart", {"replica": "model-champion-9"}, "unknown replica 'model-champion-9'; did you mean 'model-champion-2'?"),
        ("promote", {}, "there is no candidate to promote; start one with stage"),
        ("set-canary", {"weight": 0.1}, "there is no candidate to send traffic to; start one with stage"),
        ("set-autoscaler", {"minimum": 9}, "minimum 9 is above maximum 8"),
    ],
)
def test_a_rejection_says_what_would_be_valid(action: str, params: dict[str, object], reason: str) -> None:
    play = Play(toy())
    play.ask(action, params)
    (rejected,) = bodies(play.second(), Rejected)
    assert rejected.reason == reason
    assert rejected.action == action
    assert play.engine.spec is SPEC


def test_known_versions_and_replicas_are_accepted() -> None:
    play = Play(toy())
    for number, (action, params) in enumerate(
        [("stage", {"version": "v3"}), ("restart", {"replica": REPLICAS[1]}), ("restart", {}), ("roll-back", {})], 1
    ):
        play.ask(action, params, number=number)
    assert len(bodies(play.second(), Completed)) == 4
    assert play.engine.spec.champion.version == "v1"
    assert play.engine.spec.champion.restarted == "all#3"


def test_each_restart_is_a_new_one() -> None:
    play = Play(toy())
    play.ask("restart")
    play.second()
    play.ask("restart", number=2)
    (changed,) = bodies(play.second(), Changed)
    assert (changed.before, changed.after) == ("all#1", "all#2")


def test_a_stack_without_an_action_cannot_do_it() -> None:
    play = Play(toy(), Capabilities(ABLE.faults, frozenset({"scale"}), paced=False))
    play.ask("shed", {"share": 0.5})
    (rejected,) = bodies(play.second(), Rejected)
    assert rejected.reason == "this stack cannot do 'shed'"


@given(st.permutations([("ann", 1), ("ann", 2), ("bob", 1), ("bob", 2), ("bob", 3)]))
def test_commands_of_a_step_are_ordered_by_actor_and_number(order: list[tuple[str, int]]) -> None:
    play = Play(toy())
    for actor, number in order:
        play.ask("scale", {"replicas": number}, actor, number)
    accepted = [(body.actor, body.number) for body in bodies(play.second(), Accepted)]
    assert accepted == sorted(order)
    assert play.engine.spec.champion.replicas == 3


def test_a_command_is_effective_at_the_next_step() -> None:
    play = Play(toy())
    play.second()
    play.ask("scale", {"replicas": 4})
    assert play.engine.spec is SPEC
    happened = play.second()
    assert [type(event.body) for event in happened] == [Accepted, Changed, Completed]
    assert {event.at for event in happened} == {1.0}
    (at, effect) = play.effects[-1]
    assert at == 1.0
    assert effect == ApplySpec(play.engine.spec, (Change("champion.replicas", 2, 4, "you"),))


def test_what_changes_nothing_is_no_effect() -> None:
    play = Play(toy())
    play.ask("scale", {"replicas": 2})
    assert [type(event.body) for event in play.second()] == [Accepted, Completed]
    assert not play.effects


def test_parameters_are_recorded_in_base_units_with_their_defaults() -> None:
    play = Play(toy())
    play.ask("silence", {"alert": "Slow"})
    play.ask("set-timeout", {"timeout": "2500ms"}, number=2)
    silence, timeout = bodies(play.second(), Accepted)
    assert silence.params == {"alert": "Slow", "duration": 600.0}
    assert timeout.params == {"timeout": 2.5}


# Modelled durations


@pytest.fixture
def slow_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACTIONS, "scale", replace(ACTIONS["scale"], duration=5.0))


def when(events: list[Event], kind: type[object]) -> list[float]:
    return [event.at for event in events if isinstance(event.body, kind)]


def test_a_modelled_duration_passes_before_the_change(slow_scale: None) -> None:
    play = Play(toy())
    play.until(3.0)
    play.ask("scale", {"replicas": 6})
    happened = play.until(20.0)
    assert when(happened, Accepted) == [3.0]
    assert when(happened, Changed) == [8.0]
    assert when(happened, Completed) == [8.0]
    assert [at for at, _ in play.effects] == [8.0]


def test_what_became_inapplicable_meanwhile_fails(slow_scale: None) -> None:
    play = Play(toy())
    play.ask("scale", {"replicas": 6})
    play.second()
    play.ask("set-autoscaler", {"enabled": True, "maximum": 4}, number=2)
    play.second()
    spec, effects = play.engine.spec, len(play.effects)
    happened = play.until(10.0)
    assert when(happened, Failed) == [5.0]
    assert bodies(happened, Failed)[0].reason.startswith("the autoscaler keeps between 1 and 4 replicas")
    assert play.engine.spec is spec
    assert len(play.effects) == effects


def test_what_is_under_way_or_unread_at_the_end_comes_to_nothing(slow_scale: None) -> None:
    play = Play(toy())
    play.ask("scale", {"replicas": 6})
    play.second()
    play.ask("shed", {"share": 0.5}, number=2)
    last = play.engine.end("interrupted", Telemetry(1.0, ledger=Ledger(ok=7)))
    assert [type(event.body) for event in last] == [Failed, Rejected, Settled, Ended]
    assert bodies(last, Failed)[0].reason == bodies(last, Rejected)[0].reason == "the drill ended before"
    assert bodies(last, Settled)[0].ledger["ok"] == 7
    assert play.engine.ended
    assert play.engine.spec is SPEC


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 3)), min_size=1, max_size=6))
def test_commands_finish_in_the_order_of_their_time_then_actor_and_number(begun: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ACTIONS, "declare", replace(ACTIONS["declare"], duration=2.0))
        play = Play(toy())
        for second in range(4):
            for number, (actor, at) in enumerate(begun, 1):
                if at == second:
                    play.ask("declare", {}, actor, number)
            play.second()
        play.until(10.0)
    finished = [(event.at, event.body.actor, event.body.number) for event in play.events if isinstance(event.body, Completed)]
    assert finished == sorted((at + 2.0, actor, number) for number, (actor, at) in enumerate(begun, 1))


# Faults


@given(st.lists(st.tuples(st.floats(0, 25), st.none() | st.floats(0, 30)), max_size=5))
def test_each_fault_begins_once_and_ends_once_if_it_lasts(times: list[tuple[float, float | None]]) -> None:
    play = Play(toy(*(spike(f"beat-{number}", at, lasts) for number, (at, lasts) in enumerate(times))))
    play.until(60.0)
    for number, (at, lasts) in enumerate(times):
        name = f"beat-{number}"
        begun = [event.at for event in play.events if isinstance(event.body, Injected) and event.body.beat == name]
        ended = [event.at for event in play.events if isinstance(event.body, Cleared) and event.body.beat == name]
        assert begun == [math.ceil(at)]
        # It is in force for one step at least.
        assert ended == ([] if lasts is None else [max(begun[0] + 1.0, math.ceil(begun[0] + lasts))])
        effects = [(when, type(effect)) for when, effect in play.effects if getattr(effect, "beat", "") == name]
        assert effects == [(begun[0], InjectFault), *((moment, ClearFault) for moment in ended)]
    assert {event.audience for event in play.events if isinstance(event.body, (Injected, Cleared))} <= {Audience.FACILITATOR}


def test_a_conditional_fault_begins_once_its_condition_holds() -> None:
    play = Play(toy(spike(at=None, when="saturation > 0.8", by=50.0)))
    play.until(5.0)
    play.second(Facts({"saturation": 0.5}))
    assert not bodies(play.events, Injected)
    play.second(Facts({"saturation": 0.9}))
    play.until(60.0)
    assert when(play.events, Injected) == [7.0]


def test_a_conditional_fault_begins_at_its_latest_time() -> None:
    play = Play(toy(spike(at=None, when="saturation > 0.8", by=20.0, lasts=10.0)))
    play.until(60.0)
    assert when(play.events, Injected) == [20.0]
    assert when(play.events, Cleared) == [30.0]


def test_a_conditional_fault_without_latest_time_may_never_begin() -> None:
    play = Play(toy(spike(at=None, when="saturation > 0.8")))
    play.second(Facts({"queue_length": 99.0}))
    play.until(60.0)
    assert not play.effects


# Facts


def test_what_a_controller_changed_is_recorded_with_its_name() -> None:
    play = Play(toy())
    happened = play.second(Facts(changes=(Change("champion.replicas", 2, 5, "autoscaler"),)))
    assert bodies(happened, Changed) == [Changed("champion.replicas", 2, 5, "autoscaler")]
    assert play.engine.spec.champion.replicas == 5
    assert not play.effects  # the stack has done it already
    play.ask("scale", {"replicas": 6})
    assert bodies(play.second(), Changed) == [Changed("champion.replicas", 5, 6, "you")]


def test_log_lines_keep_their_own_time() -> None:
    play = Play(toy())
    (event,) = play.second(Facts(logs=(LogLine(0.25, "gateway", "error", "no upstream"),)))
    assert event.body == Logged(0.25, "gateway", "error", "no upstream")
    assert event.at == 1.0


def test_nothing_is_observed_without_a_scrape() -> None:
    play = Play(toy())
    assert play.second() == []
    (observed,) = bodies(play.second(Facts({"saturation": 0.5})), Observed)
    assert observed.slis == {"saturation": 0.5}
    assert observed.counts == {"available": (1.0, 1.0)}
    assert observed.ledger["ok"] == 1


def test_the_warm_up_is_where_the_drill_begins() -> None:
    engine = Engine(toy(), ABLE)
    change = Change("champion.replicas", 2, 4, "autoscaler")
    engine.warm_up(Telemetry(-5.0, changes=(change,), ledger=Ledger(failed=9)), Readings({"saturation": 0.1}, {}, (fires(-5.0),)))
    engine.warm_up(Telemetry(0.0, replicas=REPLICAS), Readings({"saturation": 0.4}, {"available": (9.0, 10.0)}))
    began, alerted, observed = (event.body for event in engine.begin())
    assert began == Began("toy", "Toy", "The toys are slow.")
    assert alerted == Alerted("Slow", {"severity": "page"}, "inactive", "firing", 2.0, "Slow for a test", told=True)
    assert isinstance(observed, Observed)
    assert observed.slis == {"saturation": 0.4}
    assert set(observed.ledger.values()) == {0}
    assert engine.spec.champion.replicas == 4


def test_a_change_of_what_only_one_stack_has_is_told_and_changes_no_field() -> None:
    image = Change("champion.image", "app:1", "app:2", "kubectl")
    play = Play(toy())
    before = play.engine.spec
    (told,) = bodies(play.second(Facts(changes=(image,))), Changed)
    assert (told.field, told.before, told.after, told.by) == ("champion.image", "app:1", "app:2", "kubectl")
    assert play.engine.spec == before
    engine = Engine(toy(), ABLE)
    engine.warm_up(Telemetry(-5.0, changes=(image,)), None)
    assert engine.spec == before


# Alerts


def test_to_acknowledge_changes_who_is_called_and_nothing_else() -> None:
    play = Play(toy())
    (told,) = bodies(play.second(Facts(transitions=(fires(1.0),))), Alerted)
    assert (told.state, told.told) == ("firing", True)
    calling = play.engine.notifications.calling(play.engine.firing.values(), 1.0)
    assert calling == [alert()]
    play.ask("acknowledge", {"alert": "Slow"}, "ann")
    assert [type(event.body) for event in play.second()] == [Accepted, Completed]
    assert list(play.engine.firing.values()) == [alert()]
    assert list(play.engine.notifications.acknowledged.values()) == ["ann"]
    assert not play.engine.notifications.calling(play.engine.firing.values(), 2.0)
    assert not play.effects


def test_an_acknowledgement_ends_with_its_alert() -> None:
    play = Play(toy())
    play.second(Facts(transitions=(fires(1.0), fires(1.0, "Failing"))))
    play.ask("acknowledge")
    play.second()
    assert len(play.engine.notifications.acknowledged) == 2
    play.second(Facts(transitions=(resolves(3.0),)))
    assert [name for name, _ in play.engine.notifications.acknowledged] == ["Failing"]
    play.second(Facts(transitions=(fires(4.0),)))
    assert [one.name for one in play.engine.notifications.calling(play.engine.firing.values(), 4.0)] == ["Slow"]


@pytest.mark.parametrize(
    ("name", "firing", "reason"),
    [
        ("Slo", True, "no firing alert 'Slo'; did you mean 'Slow'?"),
        ("Quality", True, "no firing alert 'Quality'; choose one of Slow"),
        ("Slow", False, "no alert is firing"),
        ("all", False, "no alert is firing"),
    ],
)
def test_only_a_firing_alert_can_be_acknowledged(name: str, firing: bool, reason: str) -> None:
    play = Play(toy())
    play.second(Facts(transitions=(fires(1.0),) if firing else ()))
    play.ask("acknowledge", {"alert": name})
    happened = play.second()
    assert [type(event.body) for event in happened] == [Accepted, Failed]
    assert bodies(happened, Failed)[0].reason == reason
    assert not play.engine.notifications.acknowledged


def test_a_silenced_alert_fires_untold_until_the_silence_is_over() -> None:
    play = Play(toy())
    play.ask("silence", {"alert": "Slow", "duration": "10s"})
    play.second()
    (silenced, other) = bodies(play.second(Facts(transitions=(fires(9.0), fires(9.0, "Failing")))), Alerted)
    assert (silenced.state, silenced.told) == ("firing", False)
    assert (other.state, other.told) == ("firing", True)
    assert {one.name for one in play.engine.firing.values()} == {"Slow", "Failing"}
    (resolved,) = bodies(play.second(Facts(transitions=(resolves(10.0),))), Alerted)
    assert (resolved.state, resolved.told) == ("resolved", True)
    assert {one.name for one in play.engine.firing.values()} == {"Failing"}


def test_the_spec_of_the_scenario_is_the_first_one() -> None:
    assert Play(toy(service=ServiceSpec())).engine.spec == ServiceSpec()
