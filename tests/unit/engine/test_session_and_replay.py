"""A session plays a drill on any stack, takes it down however it ends, and can be replayed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from core_kit import ABLE, HEADER, REPLICAS, bodies, fires, resolves, spike, toy
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.engine import Readings
from drillbox.sandbox.journal import Journal
from drillbox.sandbox.model.errors import AbortedError, StackError, UsageError
from drillbox.sandbox.model.events import (
    Accepted,
    Alerted,
    Cleared,
    Ended,
    Event,
    Failed,
    Injected,
    Logged,
    Observed,
    Rejected,
    Role,
    Settled,
)
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.stack import ApplySpec, Capabilities, Effect, InjectFault, Progress
from drillbox.sandbox.model.telemetry import Ledger, LogLine, Scrape, Series, Telemetry
from drillbox.sandbox.monitor.alerts import Transition
from drillbox.sandbox.operators import Ask, Idle, View
from drillbox.sandbox.replaying import first_difference, replay
from drillbox.sandbox.session import DrillSession, Phase, Range, Sink

SERIES = (Series("load"),)


class ToyStack:
    """The load follows faults and replicas at once. `trouble` maps a call to what it raises: ("advance", 30.0), ("up", 0.0)."""

    def __init__(self, capabilities: Capabilities = ABLE) -> None:
        self.capabilities = capabilities
        self.trouble: dict[tuple[str, float], BaseException] = {}
        self.calls: list[str] = []
        self.effects: list[tuple[float, Effect]] = []
        self._now, self._load, self._replicas = 0.0, 0.5, 2

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        self.calls.append(f"up {seed}")
        self._now = -scenario.warmup
        progress("up", 1.0)
        self._raise("up", 0.0)

    def apply(self, effect: Effect) -> None:
        self.effects.append((self._now, effect))
        self._raise("apply", self._now)
        if isinstance(effect, ApplySpec):
            self._replicas = effect.spec.champion.replicas
        else:
            self._load = 0.5 * 4 if isinstance(effect, InjectFault) else 0.5

    def advance(self, until: float) -> Telemetry:
        self._raise("advance", self._now)
        scrapes = tuple(
            Scrape(float(at), SERIES, np.array([min(1.0, self._load / max(1, self._replicas))]))
            for at in range(int(self._now // 5 + 1) * 5, int(until) + 1, 5)
        )
        logs = (LogLine(until - 0.5, "gateway", "warning", "upstream is slow"),) if self._load > 1 else ()
        self._now = until
        return Telemetry(until, scrapes, logs, (), self._ledger(), REPLICAS)

    def finish(self) -> Telemetry:
        self.calls.append("finish")
        self._raise("finish", self._now)
        return Telemetry(self._now, ledger=self._ledger(), replicas=REPLICAS)

    def down(self) -> None:
        self.calls.append("down")

    def _ledger(self) -> Ledger:
        return Ledger(ok=max(0, int(10 * self._now)))

    def _raise(self, call: str, at: float) -> None:
        if (call, at) in self.trouble:
            raise self.trouble[call, at]


class ToyMonitor:
    """One SLI, and one page: fires above a load of 0.9."""

    def __init__(self) -> None:
        self._firing = False

    def observe(self, scrape: Scrape) -> Readings:
        load = float(scrape.values[0])
        transitions: tuple[Transition, ...] = ()
        if (load > 0.9) != self._firing:
            self._firing = load > 0.9
            transitions = (fires(scrape.at) if self._firing else resolves(scrape.at),)
        return Readings({"saturation": load}, {"available": (scrape.at, scrape.at)}, transitions)

    def query(self, expr: str, start: float, end: float, step: float) -> Range:
        return Range(expr, (start, end), (None, step))

    def metrics(self) -> tuple[str, ...]:
        return ("saturation",)


@dataclass
class Watcher:
    """An operator that remembers what it saw, and asks for what it is told to."""

    orders: dict[float, Ask] = field(default_factory=dict)
    views: list[View] = field(default_factory=list)
    name: str = "watcher"

    def decide(self, view: View) -> tuple[Ask, ...]:
        self.views.append(replace(view, logs=tuple(view.logs), slis=dict(view.slis)))
        return (self.orders[view.now],) if view.now in self.orders else ()


def silent(_step: str, _done: float) -> None:
    """Progress that nobody looks at."""


SCENARIO = toy(
    spike("crowd", at=10.0, lasts=20.0), spike("again", at=None, when="saturation > 0.28 and saturation < 0.3", by=45.0)
)


def session(stack: ToyStack, scenario: Scenario = SCENARIO, *sinks: Sink) -> DrillSession:
    return DrillSession(scenario, 7, stack, ToyMonitor(), sinks)


@pytest.fixture
def stack() -> ToyStack:
    return ToyStack()


@pytest.fixture
def begun(stack: ToyStack) -> DrillSession:
    drill = session(stack)
    drill.start(silent)
    return drill


def reason(drill: DrillSession) -> str:
    """How it ended."""
    (ended,) = bodies(drill.events(), Ended)
    return ended.reason


# What is seen


def test_the_operator_never_sees_what_the_facilitator_does(begun: DrillSession) -> None:
    watcher = Watcher()
    begun.run(watcher)
    everything = begun.events(role=Role.FACILITATOR)
    assert [event.number for event in everything] == list(range(len(everything)))
    assert [one.beat for one in bodies(everything, Injected)] == ["crowd", "again"]
    assert len(bodies(everything, Cleared)) == 1
    seen = begun.events()
    assert not bodies(seen, Injected)
    assert not bodies(seen, Cleared)
    assert [event for event in everything if event in seen] == list(seen)
    assert len(everything) - len(seen) == 3
    told = " ".join(str(view) for view in watcher.views)
    assert not {"crowd", "again", "spike"} & set(told.replace("'", " ").split())


def test_the_operator_sees_slis_alerts_and_new_log_lines(begun: DrillSession) -> None:
    watcher = Watcher()
    begun.run(watcher)
    views = {view.now: view for view in watcher.views}
    assert list(views) == [float(now) for now in range(60)]
    assert views[0.0].slis == {"saturation": 0.25}  # of the warm-up's last scrape
    assert not views[14.0].alerts
    assert views[15.0].alerts == {"Slow"}
    assert views[15.0].slis == {"saturation": 1.0}
    assert not views[10.0].logs
    assert views[11.0].logs == ("upstream is slow",)
    assert not views[35.0].alerts


def test_events_after_a_number(begun: DrillSession) -> None:
    begun.run(Idle())
    everything = begun.events(role=Role.FACILITATOR)
    assert begun.events(after=5, role=Role.FACILITATOR) == everything[6:]
    assert begun.events(after=len(everything)) == []
    assert begun.events(after=-3, role=Role.FACILITATOR) == everything


def test_sinks_are_told_of_every_event_as_it_comes(stack: ToyStack) -> None:
    first: list[Event] = []
    second: list[Event] = []
    drill = session(stack, SCENARIO, first.append, second.append)
    drill.start(silent)
    assert len(first) == 2
    drill.run(Idle())
    assert first == second == drill.events(role=Role.FACILITATOR)


def test_a_snapshot_says_where_the_drill_stands(stack: ToyStack) -> None:
    drill = session(stack)
    assert (drill.snapshot().phase, drill.snapshot().now) == (Phase.NEW, -20.0)
    drill.control(pause=True)
    assert drill.snapshot().phase is Phase.NEW
    drill.start(silent)
    drill.control(speed=10.0)
    drill.control(pause=True)
    assert drill.snapshot().phase is Phase.PAUSED
    drill.control(pause=False)
    for _ in range(5):
        drill.advance()
    snapshot = drill.snapshot()
    assert (snapshot.phase, snapshot.now, snapshot.speed, snapshot.duration) == (Phase.RUNNING, 5.0, 10.0, 60.0)
    assert snapshot.calendar == "2013-07-08 06:01"  # 5 s at a pace of 12
    assert (snapshot.scenario, snapshot.title, snapshot.pager) == ("toy", "Toy", "The toys are slow.")
    assert snapshot.slis == {"saturation": 0.25}
    assert snapshot.events == len(drill.events())
    drill.end("aborted")
    assert drill.snapshot().phase is Phase.ENDED


def test_only_what_the_stack_can_do_is_in_the_catalogue() -> None:
    drill = session(ToyStack(replace(ABLE, actions=frozenset({"scale", "shed"}))))
    assert [action.name for action in drill.catalogue().actions] == ["scale", "shed"]
    assert drill.catalogue().metrics == ("saturation",)
    assert drill.query("saturation", 0.0, 9.0) == Range("saturation", (0.0, 9.0), (None, 5.0))


def test_logs_and_changes_can_be_looked_through(begun: DrillSession) -> None:
    begun.run(Watcher({20.0: Ask("scale", {"replicas": 7})}))
    assert begun.logs("gate", "UPSTREAM", "warning")[0] == Logged(10.5, "gateway", "warning", "upstream is slow")
    assert begun.logs(severity="error") == []
    (entry,) = begun.changes("champion", "watcher")
    assert (entry.at, entry.change.after) == (20.0, 7)
    assert begun.changes(by="you") == []
    with pytest.raises(UsageError, match="unknown severity 'warn'; did you mean 'warning'"):
        begun.logs(severity="warn")


# From the warm-up to the end


def test_the_warm_up_tells_its_progress_and_no_event(stack: ToyStack) -> None:
    told: list[tuple[str, float]] = []
    drill = session(stack)
    drill.start(lambda step, done: told.append((step, done)))
    assert told == [("up", 1.0), ("warm-up", 0.25), ("warm-up", 0.5), ("warm-up", 0.75), ("warm-up", 1.0)]
    assert drill.now == 0.0
    assert {event.at for event in drill.events()} == {0.0}
    assert stack.calls == ["up 7"]
    assert drill.last_scrape is not None
    assert drill.last_scrape.at == 0.0


def test_without_a_warm_up_it_begins_at_once(stack: ToyStack) -> None:
    drill = session(stack, toy(warmup=0.0))
    drill.start(silent)
    assert str(drill.now) == "0.0"
    assert not bodies(drill.events(), Observed)


def test_a_drill_that_is_played_through_is_finished_and_taken_down(begun: DrillSession, stack: ToyStack) -> None:
    begun.run(Idle())
    assert begun.over
    assert reason(begun) == "finished"
    assert begun.now == 60.0
    assert stack.calls == ["up 7", "finish", "down"]
    (settled,) = bodies(begun.events(), Settled)
    assert settled.ledger["ok"] == 600
    assert [event.at for event in begun.events() if isinstance(event.body, Observed)] == [float(at) for at in range(0, 61, 5)]
    begun.end("aborted")
    assert reason(begun) == "finished"
    with pytest.raises(UsageError, match="the drill is over"):
        begun.submit("scale", {"replicas": 3})


def test_the_last_step_is_no_longer_than_the_drill(stack: ToyStack) -> None:
    drill = session(stack, toy(duration=7.5))
    drill.start(silent)
    drill.run(Idle())
    assert drill.now == 7.5
    assert drill.events()[-1].at == 7.5


def test_effects_reach_the_stack_at_their_time(begun: DrillSession, stack: ToyStack) -> None:
    begun.run(Watcher({20.0: Ask("scale", {"replicas": 7})}))
    assert [(at, type(effect).__name__) for at, effect in stack.effects] == [
        (10.0, "InjectFault"),
        (20.0, "ApplySpec"),
        (25.0, "InjectFault"),  # with seven replicas the condition holds
        (30.0, "ClearFault"),
    ]


def test_commands_count_from_one_for_each_actor(begun: DrillSession) -> None:
    numbers = [begun.submit("declare", {}, actor).number for actor in ("you", "you", "ann", "you", "ann")]
    assert numbers == [1, 2, 1, 3, 2]
    begun.advance()
    accepted = [(body.actor, body.number) for body in bodies(begun.events(), Accepted)]
    assert accepted == [("ann", 1), ("ann", 2), ("you", 1), ("you", 2), ("you", 3)]


def test_parameters_are_those_of_the_moment_of_asking(begun: DrillSession) -> None:
    params: dict[str, object] = {"replicas": 3}
    begun.submit("scale", params)
    params["replicas"] = 9
    begun.advance()
    assert begun.snapshot().spec.champion.replicas == 3


# When things go wrong


@pytest.mark.parametrize(
    ("error", "ends"),
    [(KeyboardInterrupt(), "interrupted"), (StackError("a server is gone"), "broken"), (AbortedError("no time left"), "aborted")],
    ids=["interrupted", "broken", "aborted"],
)
@pytest.mark.parametrize("call", [("advance", 30.0), ("apply", 10.0)], ids=["advance", "apply"])
def test_a_drill_that_cannot_go_on_says_so_and_is_taken_down(
    begun: DrillSession, stack: ToyStack, error: BaseException, ends: str, call: tuple[str, float]
) -> None:
    stack.trouble[call] = error
    with pytest.raises(type(error)):
        begun.run(Idle())
    assert reason(begun) == ends
    assert begun.events()[-1].at == call[1]
    assert begun.over
    assert stack.calls == ["up 7", "down"]
    numbers = [event.number for event in begun.events(role=Role.FACILITATOR)]
    assert numbers == list(range(len(numbers)))


def test_a_stack_that_breaks_while_it_settles_breaks_the_drill(begun: DrillSession, stack: ToyStack) -> None:
    stack.trouble["finish", 60.0] = StackError("gone")
    with pytest.raises(StackError):
        begun.run(Idle())
    assert reason(begun) == "broken"
    assert stack.calls[-1] == "down"


def test_a_bug_leaves_no_stack_behind(begun: DrillSession, stack: ToyStack) -> None:
    stack.trouble["advance", 30.0] = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        begun.run(Idle())
    assert begun.over
    assert stack.calls == ["up 7", "down"]
    assert not bodies(begun.events(), Ended)


def test_a_sink_that_fails_at_the_end_leaves_no_stack_behind(stack: ToyStack) -> None:
    def full(event: Event) -> None:
        if isinstance(event.body, Ended):
            raise UsageError("the disk is full")

    drill = session(stack, SCENARIO, full)
    drill.start(silent)
    with pytest.raises(UsageError, match="the disk is full"):
        drill.run(Idle())
    assert "down" in stack.calls


def test_what_was_asked_for_last_is_rejected_when_the_drill_is_ended(begun: DrillSession, stack: ToyStack) -> None:
    begun.advance()
    begun.submit("scale", {"replicas": 3})
    begun.end("aborted")
    assert [type(event.body) for event in begun.events()[-2:]] == [Rejected, Ended]
    assert reason(begun) == "aborted"
    assert stack.calls == ["up 7", "down"]


def test_a_stack_that_lacks_a_fault_is_not_brought_up() -> None:
    stack = ToyStack(replace(ABLE, faults=frozenset()))
    with pytest.raises(StackError, match=r"cannot realise traffic\.spike; nothing was brought up"):
        session(stack).start(silent)
    assert stack.calls == []


@pytest.mark.parametrize(
    "error", [StackError("no engine"), KeyboardInterrupt(), ZeroDivisionError()], ids=lambda error: type(error).__name__
)
@pytest.mark.parametrize("call", [("up", 0.0), ("advance", -10.0)], ids=["up", "warm-up"])
def test_what_fails_before_the_beginning_is_taken_down(stack: ToyStack, error: BaseException, call: tuple[str, float]) -> None:
    stack.trouble[call] = error
    drill = session(stack)
    with pytest.raises(type(error)):
        drill.start(silent)
    assert stack.calls == ["up 7", "down"]
    assert drill.events() == []
    assert drill.snapshot().phase is Phase.NEW


# Replay


def recorded(stop: float | None = None, ends: str = "") -> Journal:
    """The journal of a drill with good and bad commands, ended or broken off at a time."""
    drill = session(ToyStack())
    drill.start(silent)
    watcher = Watcher({20.0: Ask("scale", {"replicas": 7}), 21.0: Ask("scale", {"replicas": 99}), 40.0: Ask("acknowledge", {})})
    while not drill.over and (stop is None or drill.now < stop):
        drill.advance(watcher)
    if ends:
        drill.submit("shed", {"share": 0.5})
        drill.end(ends)
    return Journal(HEADER, tuple(drill.events(role=Role.FACILITATOR)))


@pytest.mark.parametrize(
    ("stop", "ends"),
    [(None, ""), (33.0, "interrupted"), (20.0, "aborted"), (25.0, "broken"), (0.0, "aborted"), (33.0, ""), (20.0, "")],
)
def test_a_replay_gives_the_same_events(stop: float | None, ends: str) -> None:
    journal = recorded(stop, ends)
    assert journal.complete == (stop is None or bool(ends))
    stack = ToyStack()
    new = replay(session(stack), journal.events, silent)
    assert first_difference(journal, new) is None
    assert stack.calls[-1] == "down"
    if stop is None:
        assert len(bodies(new, Accepted)) == 2
        assert len(bodies(new, Rejected)) == 1
        assert len(bodies(new, Failed)) + len(bodies(new, Alerted)) >= 2


@pytest.mark.parametrize("at", [9.0, 10.0, 20.0, 21.0, 30.0, 40.0])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), StackError("gone")], ids=["interrupted", "broken"])
def test_a_drill_that_ended_within_a_step_is_replayed(at: float, error: BaseException) -> None:
    stack = ToyStack()
    stack.trouble["advance", at] = error
    drill = session(stack)
    drill.start(silent)
    with pytest.raises(type(error)):
        drill.run(Watcher({20.0: Ask("scale", {"replicas": 7}), 21.0: Ask("scale", {"replicas": 99})}))
    journal = Journal(HEADER, tuple(drill.events(role=Role.FACILITATOR)))
    assert first_difference(journal, replay(session(ToyStack()), journal.events, silent)) is None


def test_a_drill_that_an_effect_broke_is_replayed_on_a_stack_that_it_breaks_too() -> None:
    broken, again = ToyStack(), ToyStack()
    broken.trouble["apply", 10.0] = again.trouble["apply", 10.0] = StackError("gone")
    drill = session(broken)
    drill.start(silent)
    with pytest.raises(StackError):
        drill.run(Idle())
    journal = Journal(HEADER, tuple(drill.events(role=Role.FACILITATOR)))
    assert first_difference(journal, replay(session(again), journal.events, silent)) is None
    assert again.calls == ["up 7", "down"]


@given(cut=st.integers(0, 10_000))
def test_a_journal_that_breaks_off_anywhere_is_replayed_as_far_as_it_goes(cut: int) -> None:
    whole = recorded()
    part = replace(whole, events=whole.events[: cut % len(whole.events)], truncated=True)
    assert first_difference(part, replay(session(ToyStack()), part.events, silent)) is None


def test_a_replay_on_another_stack_is_told_by_its_first_difference() -> None:
    journal = recorded()
    new = replay(session(ToyStack(replace(ABLE, actions=frozenset()))), journal.events, silent)
    found = first_difference(journal, new)
    assert found is not None
    number, then, now = found
    assert then is not None
    assert now is not None
    assert (number, then.at) == (now.number, 20.0)
    assert isinstance(then.body, Accepted)
    assert isinstance(now.body, Rejected)
    assert journal.events[:number] == tuple(new[:number])


def test_first_differences() -> None:
    journal = recorded()
    events = journal.events
    assert first_difference(journal, events) is None
    assert first_difference(journal, events[:-1]) == (len(events) - 1, events[-1], None)
    more = replace(events[-1], number=len(events))
    assert first_difference(journal, [*events, more]) == (len(events), None, more)
    later = replace(events[3], at=events[3].at + 0.5)
    assert first_difference(journal, [*events[:3], later, *events[4:]]) == (3, events[3], later)
    assert first_difference(replace(journal, events=events[:9]), events) is None
    assert first_difference(Journal(HEADER, ()), events) is None
