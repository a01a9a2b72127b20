"""A session on a small fake stack: what is seen, how it ends, and the pace at which a clock lets it go on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillbox.sandbox.clock import Pacer
from drillbox.sandbox.engine import Readings
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.errors import AbortedError, StackError, UsageError
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
    Injected,
    Observed,
    Rejected,
    Role,
    Settled,
)
from drillbox.sandbox.model.scenario import (
    Answer,
    Beat,
    Debrief,
    Objective,
    Prices,
    Runbook,
    Runtime,
    Scenario,
    Traffic,
    WorldConfig,
)
from drillbox.sandbox.model.service import Autoscaler, Change, ServiceSpec, Workload
from drillbox.sandbox.model.stack import ApplySpec, Capabilities, ClearFault, Effect, InjectFault, Progress
from drillbox.sandbox.model.telemetry import Ledger, LogLine, Scrape, Series, Telemetry
from drillbox.sandbox.monitor.alerts import Alert, State, Transition
from drillbox.sandbox.operators import Ask, Idle, View
from drillbox.sandbox.session import DrillSession, Phase, Range

SERIES = (Series.of("up", job="gateway"),)
SCENARIO = Scenario(
    id="toy",
    title="Toy",
    group="traffic",
    difficulty=1,
    skills=(),
    pager="The toys are slow.",
    world=WorldConfig("flights", dt.datetime(2013, 7, 8, 6), 12.0, Traffic(10.0), Prices(0.1, 0.03, 0.05, 0.01, 0.6)),
    service=ServiceSpec(champion=Workload("v1", replicas=2), autoscaler=Autoscaler(minimum=1, maximum=8)),
    runtime=Runtime(),
    duration=30.0,
    warmup=20.0,
    verdict_window=10.0,
    timeline=(Beat("crowd", "traffic.spike", {"factor": 4.0, "ramp": 0.0}, at=5.0, lasts=10.0),),
    objectives=(Objective("available", "availability", 0.99),),
    answer=Answer("clients", "traffic.spike"),
    reference=Runbook("reference", ()),
    tempting=(),
    debrief=Debrief("It was full."),
)


class FakeStack:
    """Plays what it is told and keeps a diary. `trouble` is raised by `advance` at drill time `when`."""

    def __init__(self, trouble: BaseException | None = None, when: float = 10.0) -> None:
        self.capabilities = Capabilities(frozenset({"traffic.spike"}), frozenset(ACTIONS), paced=False)
        self.diary: list[str] = []
        self.effects: list[tuple[float, Effect]] = []
        self.changes: dict[float, Change] = {}
        self.trouble, self.when, self.now = trouble, when, 0.0

    def up(self, scenario: Scenario, seed: int, progress: Progress) -> None:
        self.diary.append(f"up {scenario.id} {seed}")
        self.now = -scenario.warmup
        progress("starting", 1.0)

    def apply(self, effect: Effect) -> None:
        self.effects.append((self.now, effect))

    def advance(self, until: float) -> Telemetry:
        if self.trouble is not None and until >= self.when:
            raise self.trouble
        before, self.now = self.now, until
        due = [float(at) for at in range(int(before) + 1, int(until) + 1) if at % 5 == 0]
        scrapes = tuple(Scrape(at, SERIES, np.ones(1)) for at in due)
        logs = (LogLine(until, "gateway", "info", f"at {until:g}"),)
        changes = tuple(change for at, change in self.changes.items() if before < at <= until)
        ledger = Ledger(ok=max(0, int(until)))
        return Telemetry(until, scrapes, logs, changes, ledger, ("model-champion-1", "model-champion-2"))

    def finish(self) -> Telemetry:
        self.diary.append("finish")
        return Telemetry(self.now, ledger=Ledger(ok=99))

    def down(self) -> None:
        self.diary.append("down")


PAGE = Alert("Slow", (("severity", "page"),), State.FIRING, 0.0, 2.0, "it is slow")


class FakeMonitor:
    """Tells the time as an SLI, and an alert that fires when the test says."""

    def __init__(self, fires_at: float | None = None) -> None:
        self._fires_at = fires_at

    def observe(self, scrape: Scrape) -> Readings:
        fires = (Transition(scrape.at, State.PENDING, PAGE),) if scrape.at == self._fires_at else ()
        return Readings({"request_rate": scrape.at}, {"available": (scrape.at, scrape.at)}, fires)

    def query(self, expr: str, start: float, end: float, step: float) -> Range:
        times = tuple(np.arange(start, end + step / 2, step).tolist())
        return Range(expr, times, times)

    def metrics(self) -> tuple[str, ...]:
        return ("request_rate",)


def quiet(_step: str, _done: float, /) -> None:
    """Progress that nobody watches."""


def begun(stack: FakeStack, scenario: Scenario = SCENARIO, monitor: FakeMonitor | None = None) -> DrillSession:
    session = DrillSession(scenario, 7, stack, monitor or FakeMonitor())
    session.start(quiet)
    return session


def everything(session: DrillSession) -> list[Event]:
    return list(session.events(role=Role.FACILITATOR))


def test_a_drill_from_beginning_to_end() -> None:
    stack, sink = FakeStack(), list[Event]()
    session = DrillSession(SCENARIO, 7, stack, FakeMonitor(), [sink.append])
    steps: list[tuple[str, float]] = []
    session.start(lambda step, done, /: steps.append((step, done)))
    assert steps == [("starting", 1.0), *(("warm-up", share) for share in (0.25, 0.5, 0.75, 1.0))]
    session.run(Idle())
    events = everything(session)
    assert sink == events
    assert [event.number for event in events] == list(range(len(events)))
    assert isinstance(events[0].body, Began)
    assert [type(event.body) for event in events[-2:]] == [Settled, Ended]
    assert events[-1].body == Ended("finished")
    assert [event.at for event in events if isinstance(event.body, Observed)] == [0, 5, 10, 15, 20, 25, 30]
    assert stack.diary == ["up toy 7", "finish", "down"]
    assert [(at, type(effect)) for at, effect in stack.effects] == [(5.0, InjectFault), (15.0, ClearFault)]
    assert session.over
    assert session.snapshot().phase is Phase.ENDED


def test_the_operator_never_sees_the_injector() -> None:
    session = begun(FakeStack())
    session.run(Idle())
    assert {type(event.body) for event in everything(session) if event.audience is Audience.FACILITATOR} == {Injected, Cleared}
    seen = session.events()
    assert not [event for event in seen if isinstance(event.body, Injected | Cleared)]
    assert len(seen) == len(everything(session)) - 2


@given(st.integers(-5, 60))
def test_events_after_a_number_are_those_above_it(after: int) -> None:
    session = begun(FakeStack())
    session.run(Idle())
    assert [event.number for event in session.events(after)] == [
        event.number for event in session.events() if event.number > after
    ]


def test_a_drill_begins_where_the_warm_up_left_it() -> None:
    """The autoscaler went from 2 to 3 replicas, and a page has fired: both hold at t = 0."""
    stack = FakeStack()
    stack.changes[-10.0] = Change("champion.replicas", 2, 3, "autoscaler")
    session = begun(stack, monitor=FakeMonitor(fires_at=-5.0))
    assert session.snapshot().spec.champion.replicas == 3
    assert session.snapshot().slis == {"request_rate": 0.0}
    began = [event.body for event in session.events()]
    assert [type(body) for body in began] == [Began, Alerted, Observed]
    assert began[1] == Alerted("Slow", {"severity": "page"}, "inactive", "firing", 2.0, "it is slow", told=True)
    session.submit("scale", {"replicas": 2})
    session.submit("restart", {"replica": "model-champion-2"})
    session.submit("acknowledge", {"alert": "Slow"})
    session.advance()
    applied = [effect for _, effect in stack.effects if isinstance(effect, ApplySpec)]
    assert applied[0].changes == (Change("champion.replicas", 3, 2, "you"),)
    assert len([event for event in session.events() if isinstance(event.body, Completed)]) == 3


def test_commands_take_effect_at_the_next_step_and_are_numbered_by_actor() -> None:
    stack = FakeStack()
    session = begun(stack)
    assert session.submit("shed", {"share": "50%"}).number == 1
    assert session.submit("shed", {"share": 2}, "ann").number == 1
    assert session.submit("declare", {}).number == 2
    assert stack.effects == []
    session.advance()
    bodies = [event.body for event in session.events(1)]
    assert [type(body) for body in bodies[:6]] == [Rejected, Accepted, Changed, Completed, Accepted, Completed]
    assert bodies[2] == Changed("gateway.shed", 0.0, 0.5, "you")
    assert session.snapshot().spec.gateway.shed == 0.5


def test_parameters_that_no_journal_can_hold_are_told_as_text() -> None:
    session = begun(FakeStack())
    session.submit("shed", {"share": float("nan"), "x": 3})
    session.submit("shed", {"share": [1]})
    session.submit("scale", {"replicas": 10**400})
    session.advance()
    rejected = [event.body for event in session.events() if isinstance(event.body, Rejected)]
    assert [body.params for body in rejected] == [{"share": "nan", "x": 3}, {"share": "[1]"}, {"replicas": 10**400}]


class Curious:
    """Keeps what it sees, and asks for one thing at 12 s."""

    name = "curious"

    def __init__(self) -> None:
        self.views: list[View] = []

    def decide(self, view: View) -> tuple[Ask, ...]:
        self.views.append(view)
        return (Ask("declare", {}),) if view.now == 12.0 else ()


def test_an_operator_is_asked_every_second_with_what_an_on_call_sees() -> None:
    session, operator = begun(FakeStack(), monitor=FakeMonitor(fires_at=10.0)), Curious()
    session.run(operator)
    assert [view.now for view in operator.views] == [float(at) for at in range(30)]
    assert [view.slis["request_rate"] for view in operator.views][:7] == [0, 0, 0, 0, 0, 5, 5]
    assert [view.now for view in operator.views if view.alerts] == [float(at) for at in range(10, 30)]
    assert operator.views[3].logs == ["at 3"]
    declared = [event for event in session.events() if isinstance(event.body, Accepted)]
    assert [(event.at, event.body.actor) for event in declared if isinstance(event.body, Accepted)] == [(12.0, "curious")]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(KeyboardInterrupt(), "interrupted"), (StackError("Envoy died"), "broken"), (AbortedError("out of time"), "aborted")],
)
def test_trouble_ends_the_drill_with_its_reason_and_takes_the_stack_down(trouble: BaseException, reason: str) -> None:
    stack = FakeStack(trouble)
    session = begun(stack)
    session.submit("shed", {"share": 0.5})
    with pytest.raises(type(trouble)):
        session.run(Idle())
    assert session.events()[-1].body == Ended(reason)
    assert session.over
    assert stack.diary == ["up toy 7", "down"]


def test_an_error_of_our_own_takes_the_stack_down_too() -> None:
    stack = FakeStack(RuntimeError("a bug"))
    session = begun(stack)
    with pytest.raises(RuntimeError, match="a bug"):
        session.run(Idle())
    assert session.over
    assert stack.diary == ["up toy 7", "down"]


def test_a_journal_that_cannot_be_written_takes_the_stack_down() -> None:
    def full(event: Event) -> None:
        if event.number == 10:
            raise UsageError("the disk is full")

    stack = FakeStack()
    session = DrillSession(SCENARIO, 7, stack, FakeMonitor(), [full])
    session.start(quiet)
    with pytest.raises(UsageError, match="the disk is full"):
        session.run(Idle())
    assert stack.diary == ["up toy 7", "down"]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), StackError("no room"), ValueError("a bug")])
def test_trouble_in_the_warm_up_leaves_nothing_behind(trouble: BaseException) -> None:
    stack = FakeStack(trouble, when=-5.0)
    session = DrillSession(SCENARIO, 7, stack, FakeMonitor())
    with pytest.raises(type(trouble)):
        session.start(quiet)
    assert stack.diary == ["up toy 7", "down"]
    assert everything(session) == []


def test_a_stack_that_lacks_a_fault_says_so_before_anything_is_brought_up() -> None:
    stack = FakeStack()
    stack.capabilities = Capabilities(frozenset(), frozenset(ACTIONS), paced=False)
    with pytest.raises(StackError, match="this stack cannot realise traffic.spike; nothing was brought up"):
        begun(stack)
    assert stack.diary == []


def test_an_action_that_the_stack_lacks_is_rejected_and_not_in_the_catalogue() -> None:
    stack = FakeStack()
    stack.capabilities = Capabilities(frozenset({"traffic.spike"}), frozenset({"declare"}), paced=False)
    session = begun(stack)
    assert [action.name for action in session.catalogue().actions] == ["declare"]
    session.submit("shed", {"share": 0.5})
    session.advance()
    rejected = [event.body for event in session.events() if isinstance(event.body, Rejected)]
    assert [body.reason for body in rejected] == ["this stack cannot do 'shed'"]


def test_what_a_machine_lacks_is_told_with_what_is_missing() -> None:
    stack = FakeStack()
    able = Capabilities(frozenset({"traffic.spike"}), frozenset({"declare", "shed"}), paced=False)
    stack.capabilities = able.without({"shed": "no gateway here", "scale": "no cluster here"})
    session = begun(stack)
    session.submit("shed", {"share": 0.5})
    session.advance()
    rejected = [event.body for event in session.events() if isinstance(event.body, Rejected)]
    assert [body.reason for body in rejected] == ["this stack cannot do 'shed' (no gateway here)"]
    stack = FakeStack()
    stack.capabilities = able.without({"traffic.spike": "no network here"})
    with pytest.raises(StackError, match=r"cannot realise traffic.spike \(no network here\); nothing was brought up"):
        begun(stack)
    assert stack.diary == []


def test_after_the_end_nothing_more_is_asked_for_or_happens() -> None:
    stack = FakeStack()
    session = begun(stack)
    session.submit("declare", {})
    session.end("aborted")
    session.end("aborted")
    assert [type(event.body) for event in session.events(1)] == [Rejected, Ended]
    with pytest.raises(UsageError, match="the drill is over"):
        session.submit("declare", {})
    assert stack.diary == ["up toy 7", "down"]


def test_without_a_warm_up_the_drill_begins_at_plain_zero() -> None:
    session = begun(FakeStack(), replace(SCENARIO, warmup=0.0))
    session.submit("declare", {})
    session.advance()
    assert [str(event.at) for event in session.events() if event.at < 1.0] == ["0.0", "0.0", "0.0"]
    assert str(DrillSession(replace(SCENARIO, warmup=0.0), 7, FakeStack(), FakeMonitor()).now) == "0.0"


def test_a_duration_of_a_fraction_ends_there() -> None:
    session = begun(FakeStack(), replace(SCENARIO, duration=7.5))
    session.run(Idle())
    assert session.now == 7.5


def test_pause_speed_and_calendar_show_in_the_snapshot() -> None:
    session = DrillSession(SCENARIO, 7, FakeStack(), FakeMonitor())
    session.control(pause=True)
    assert session.snapshot().phase is Phase.NEW
    session.start(quiet)
    session.control(pause=True, speed=10.0)
    paused = session.snapshot()
    assert (paused.phase, paused.speed, paused.calendar, paused.now) == (Phase.PAUSED, 10.0, "2013-07-08 06:00", 0.0)
    session.control(pause=False)
    session.advance()
    assert session.snapshot().phase is Phase.RUNNING
    assert session.query("request_rate", 0.0, 10.0).times == (0.0, 5.0, 10.0)


class FakeClock:
    """Wall time that only sleeping lets go by."""

    def __init__(self) -> None:
        self.wall = 1000.0

    def now(self) -> float:
        return self.wall

    def sleep(self, seconds: float) -> None:
        self.wall += seconds


def paced(clock: FakeClock, pacer: Pacer, steps: range, work: Callable[[], None] = lambda: None) -> list[float]:
    """Wall times at which steps of drill time were taken, beginning with 0."""
    taken = []
    for second in steps:
        clock.sleep(pacer.delay(float(second)))
        taken.append(clock.wall - 1000.0)
        work()
    return taken


@given(st.floats(0.5, 600.0))
def test_drill_time_keeps_to_its_speed(speed: float) -> None:
    clock = FakeClock()
    taken = paced(clock, Pacer(clock, speed), range(10))
    assert taken == pytest.approx([second / speed for second in range(10)])


def test_slow_steps_are_caught_up_with() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 1.0)
    paced(clock, pacer, range(3), lambda: clock.sleep(2.5))
    assert clock.wall == 1007.5
    assert paced(clock, pacer, range(3, 10))[-1] == 9.0


def test_a_new_speed_holds_from_now_on() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 1.0)
    paced(clock, pacer, range(6))
    pacer.set_speed(10.0)
    assert pacer.speed == 10.0
    assert paced(clock, pacer, range(6, 9)) == pytest.approx([5.1, 5.2, 5.3])


def test_a_pause_holds_drill_time() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 1.0)
    paced(clock, pacer, range(6))
    clock.sleep(100.0)
    pacer.restart()
    assert paced(clock, pacer, range(6, 8)) == [106.0, 107.0]


def test_unpaced_nothing_waits() -> None:
    clock = FakeClock()
    assert set(paced(clock, Pacer(clock, 0.0), range(1000))) == {0.0}
