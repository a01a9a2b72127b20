"""The engine: numbers grow, faults end once, rejected commands change nothing, order is fixed."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.engine import Engine
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.events import Accepted, Audience, Changed, Cleared, Command, Completed, Event, Injected, Rejected
from drillbox.sandbox.model.scenario import Beat, Scenario
from drillbox.sandbox.model.service import Change
from drillbox.sandbox.model.stack import ApplySpec, Capabilities, ClearFault, InjectFault
from drillbox.sandbox.model.telemetry import Telemetry

ABLE = Capabilities(frozenset({"traffic.spike"}), frozenset(ACTIONS), paced=False)
SCENARIO = load_scenario(Library.packaged().find("monday-rush"))
VALUES = st.one_of(
    st.integers(-5, 100), st.floats(allow_nan=False), st.text(max_size=5), st.booleans(), st.sampled_from(["50%", "2s", "on"])
)
COMMANDS = st.builds(
    lambda actor, action, params: (actor, action, params),
    st.sampled_from(["ann", "bob"]),
    st.one_of(st.sampled_from(sorted(ACTIONS)), st.text(max_size=6)),
    st.dictionaries(
        st.sampled_from(["replicas", "share", "timeout", "mode", "minimum", "version", "alert", "x"]), VALUES, max_size=3
    ),
)


def with_beats(*beats: Beat) -> Scenario:
    return dataclasses.replace(SCENARIO, timeline=beats)


def play(engine: Engine, seconds: int) -> list[Event]:
    events = list(engine.begin())
    for second in range(seconds):
        events += engine.step(float(second)).events
        events += engine.observe(Telemetry(second + 1.0), None)
    return events + list(engine.end("finished"))


@given(st.lists(COMMANDS, max_size=12))
def test_any_commands_give_numbered_events_and_rejections_change_nothing(asked: list[tuple[str, str, dict[str, object]]]) -> None:
    engine = Engine(SCENARIO, ABLE)
    events: list[Event] = list(engine.begin())
    for number, (actor, action, params) in enumerate(asked):
        before = engine.spec
        engine.submit(Command(actor, number, action, params))
        due = engine.step(float(number))
        events += due.events
        bodies = [event.body for event in due.events]
        if any(isinstance(body, Rejected) for body in bodies):
            assert engine.spec == before
            assert not [effect for effect in due.effects if isinstance(effect, ApplySpec)]
            assert not any(isinstance(body, Changed | Completed) for body in bodies)
        else:
            assert isinstance(next(body for body in bodies if not isinstance(body, Injected)), Accepted)
    assert [event.number for event in events] == list(range(len(events)))
    assert [event.at for event in events] == sorted(event.at for event in events)


@given(st.lists(st.tuples(st.integers(0, 30), st.one_of(st.none(), st.integers(1, 30))), max_size=5))
def test_every_fault_begins_once_and_ends_once_if_it_ends(spans: list[tuple[int, int | None]]) -> None:
    beats = [
        Beat(
            f"beat-{n}",
            "traffic.spike",
            {"factor": 2.0, "ramp": 0.0},
            at=float(at),
            lasts=None if lasts is None else float(lasts),
        )
        for n, (at, lasts) in enumerate(spans)
    ]
    engine = Engine(with_beats(*beats), ABLE)
    events = play(engine, 70)
    begun = {event.body.beat: event.at for event in events if isinstance(event.body, Injected)}
    over = [(event.body.beat, event.at) for event in events if isinstance(event.body, Cleared)]
    assert begun == {beat.id: beat.at for beat in beats}
    assert sorted(over) == sorted((beat.id, (beat.at or 0.0) + beat.lasts) for beat in beats if beat.lasts is not None)
    assert all(event.audience is Audience.FACILITATOR for event in events if isinstance(event.body, Injected | Cleared))


def test_effects_come_in_the_order_end_begin_act() -> None:
    first = Beat("first", "traffic.spike", {"factor": 2.0, "ramp": 0.0}, at=0.0, lasts=5.0)
    second = Beat("second", "traffic.spike", {"factor": 2.0, "ramp": 0.0}, at=5.0)
    engine = Engine(with_beats(first, second), ABLE)
    engine.step(0.0)
    engine.submit(Command("you", 1, "shed", {"share": "10%"}))
    assert [type(effect) for effect in engine.step(5.0).effects] == [ClearFault, InjectFault, ApplySpec]


def test_commands_are_ordered_by_actor_and_number() -> None:
    engine = Engine(SCENARIO, ABLE)
    for actor, number in (("bob", 1), ("ann", 2), ("ann", 1)):
        engine.submit(Command(actor, number, "declare", {}))
    taken = [(event.body.actor, event.body.number) for event in engine.step(0.0).events if isinstance(event.body, Accepted)]
    assert taken == [("ann", 1), ("ann", 2), ("bob", 1)]


def test_a_conditional_beat_waits_for_its_condition_or_its_latest_time() -> None:
    beat = Beat("late", "traffic.spike", {"factor": 2.0, "ramp": 0.0}, when="saturation > 0.9", by=20.0)
    quiet = Engine(with_beats(beat), ABLE)
    assert [event.at for event in play(quiet, 30) if isinstance(event.body, Injected)] == [20.0]
    loud = Engine(with_beats(beat), ABLE)
    loud.slis = {"saturation": 0.95}
    assert [event.at for event in play(loud, 30) if isinstance(event.body, Injected)] == [0.0]


def test_changes_of_controllers_are_recorded_with_their_name() -> None:
    engine = Engine(SCENARIO, ABLE)
    (event,) = engine.observe(Telemetry(5.0, changes=(Change("champion.replicas", 3, 4, "autoscaler"),)), None)
    assert event.body == Changed("champion.replicas", 3, 4, "autoscaler")
    assert engine.spec.champion.replicas == 4
