"""A session: one drill being played. In-process for headless runs; the session host serves the same protocol to others."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from .engine import STEP, Engine, Readings
from .interruptions import Interruptions
from .logbook import ChangeEntry, changes_of, logs_of
from .model.actions import ACTIONS, Action
from .model.errors import AbortedError, StackError, UsageError
from .model.events import Audience, Command, Event, Logged, Role
from .model.faults import FAULTS, Fault
from .model.params import Params
from .model.scenario import Objective, Prices, Scenario
from .model.service import ServiceSpec
from .model.stack import Progress, Stack
from .model.telemetry import SCRAPE_INTERVAL, AlertState, Scrape, Telemetry
from .model.views import Table
from .operators import Operator, View


class Phase(StrEnum):
    """Where a session stands."""

    NEW = "new"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The present state, as far as an on-call may see it."""

    scenario: str
    title: str
    pager: str
    phase: Phase
    now: float
    duration: float
    calendar: str
    speed: float
    slis: Mapping[str, float]
    spec: ServiceSpec
    events: int
    objectives: tuple[Objective, ...] = ()
    prices: Prices | None = None
    bringing_up: str = ""  # while the phase is new: the step that is under way, ...
    done: float = 1.0  # ... and the share of it that is finished
    hints: int = 0  # how many there are
    error: str = ""  # why it could not be brought up, or broke


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What can be asked of a session: actions that its stack can do, and metrics that can be queried; faults for facilitators."""

    actions: tuple[Action, ...]
    metrics: tuple[str, ...]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """A metric over time: `values[i]` at drill second `times[i]`; None where there was no data."""

    expr: str
    times: tuple[float, ...]
    values: tuple[float | None, ...]


class Session(Protocol):
    """What a user interface talks to; it cannot tell where the session runs."""

    def snapshot(self) -> Snapshot:
        """The present state."""

    def events(self, after: int = -1, role: Role = Role.OPERATOR) -> Sequence[Event]:
        """Events with a number above `after` that the role may see."""

    def submit(self, action: str, params: Mapping[str, object], actor: str = "you") -> Command:
        """Ask for an action; effective at the next step."""

    def query(self, expr: str, start: float, end: float, step: float = SCRAPE_INTERVAL) -> Range:
        """A metric or an arithmetic expression over metrics, in drill seconds."""

    def logs(self, component: str = "", text: str = "", severity: str = "") -> Sequence[Logged]:
        """Log lines: of components whose name begins so, that contain a text, of that severity or a graver one."""

    def changes(self, field: str = "", by: str = "") -> Sequence[ChangeEntry]:
        """Changes of the service's desired state: of fields whose name begins so, by somebody."""

    def look(self, view: str, subject: str = "") -> Table:
        """What a view of `model.views` shows now, of a feature or a version where it asks for one."""

    def control(self, *, pause: bool | None = None, speed: float | None = None) -> None:
        """Pause or resume, or change the speed."""

    def abort(self) -> None:
        """Give up: the drill ends as aborted."""

    def catalogue(self, role: Role = Role.OPERATOR) -> Catalogue:
        """Actions and metrics, and for a facilitator the faults."""


class Observer(Protocol):
    """The monitor, as the session uses it."""

    def observe(self, scrape: Scrape, alerts: Sequence[AlertState] | None = None) -> Readings:
        """What a scrape tells. `alerts` are those of a real Prometheus; None where there is none."""

    def query(self, expr: str, start: float, end: float, step: float) -> Range:
        """A metric over time."""

    def metrics(self) -> tuple[str, ...]:
        """Names that can be queried."""


Sink = Callable[[Event], None]


class DrillSession:
    """A drill in this process. `advance` plays one step; whoever drives it decides on the pace.

    One thread drives it; others may read it and submit commands at any time. They do not wait for a stack that takes its time.
    """

    def __init__(self, scenario: Scenario, seed: int, stack: Stack, monitor: Observer, sinks: Iterable[Sink] = ()) -> None:
        self.scenario = scenario
        self.seed = seed
        self._stack = stack
        self._monitor = monitor
        self._engine = Engine(scenario, stack.capabilities)
        self._sinks = tuple(sinks)
        self._events: list[Event] = []
        self._numbers: dict[str, int] = {}
        self._now = 0.0 - scenario.warmup  # without a warm-up 0, not -0
        self._phase = Phase.NEW
        self._speed = 0.0
        self._fresh_logs: list[str] = []
        self._lock = threading.RLock()
        self._at_stack = threading.Lock()  # a stack is asked one thing at a time
        self._interruptions = Interruptions()
        self._visible: list[Event] = []  # to an operator
        self._bringing_up, self._done, self.error = "", 0.0, ""
        self.last_scrape: Scrape | None = None
        """What a Prometheus would find now; for `exposition`."""

    @property
    def now(self) -> float:
        """Drill time in seconds."""
        return self._now

    @property
    def over(self) -> bool:
        """Whether the drill has ended."""
        return self._phase is Phase.ENDED

    @property
    def paused(self) -> bool:
        """Whether whoever drives it should hold it."""
        return self._phase is Phase.PAUSED

    @property
    def speed(self) -> float:
        """Drill seconds per wall second that whoever drives it should keep to; 0 is unpaced."""
        return self._speed

    @property
    def paced(self) -> bool:
        """Whether drill time follows the wall clock by itself: it can be neither paused nor sped up."""
        return self._stack.capabilities.paced

    def start(self, progress: Progress) -> None:
        """Bring the stack up and let the warm-up pass, which fills the monitor's windows.

        Raises:
            StackError: the stack cannot play this scenario, or could not be brought up; nothing is left behind.
        """
        self._check_capabilities()
        try:
            self._stack.up(self.scenario, self.seed, self._noting(progress))
            while self._now < 0:
                self._warm_up(min(0.0, self._now + SCRAPE_INTERVAL))
                self._noting(progress)("warm-up", 1.0 + self._now / self.scenario.warmup)
        except BaseException as error:
            self.error = str(error)
            self._stack.down()
            raise
        with self._lock, self._interruptions.held():
            self._phase = Phase.RUNNING
            self._publish(self._engine.begin())

    def advance(self, operator: Operator | None = None) -> None:
        """Play one step of drill time; after the last one the drill has ended and the stack is down."""
        if operator is not None:
            for ask in operator.decide(self._view()):
                self.submit(ask.action, ask.params, operator.name)
        self.take_step()
        with self._at_stack:
            telemetry = self._stack.advance(min(self._now + STEP, self.scenario.duration))
        with self._lock, self._interruptions.held():
            self._now = telemetry.at
            self._publish(self._engine.observe(telemetry, self._read(telemetry)))
            self._fresh_logs = [line.text for line in telemetry.logs]
        if self._now >= self.scenario.duration:
            self._finish("finished", self._stack.finish())

    def take_step(self) -> None:
        """The first half of `advance`: what is due now. The stack does not go on."""
        with self._lock, self._interruptions.held():
            due = self._engine.step(self._now)
            self._publish(due.events)
        with self._at_stack:
            for effect in due.effects:
                self._stack.apply(effect)

    def run(self, operator: Operator) -> None:
        """Play to the end, unpaced. An interruption or a broken stack ends the drill with that reason, and is passed on."""
        try:
            with self._interruptions.watched():
                while not self.over:
                    self.advance(operator)
        except KeyboardInterrupt:
            self.end("interrupted")
            raise
        except StackError:
            self.end("broken")
            raise
        except AbortedError:
            self.end("aborted")
            raise
        except BaseException:
            self._phase = Phase.ENDED
            self._stack.down()
            raise

    def end(self, reason: str) -> None:
        """End the drill before its time."""
        if not self.over:
            self._finish(reason, None)

    def fail(self, error: str) -> None:
        """Tell all who look why the drill cannot go on; one that has not begun is over by that."""
        with self._lock:
            self.error = error
            if self._phase is Phase.NEW:
                self._phase = Phase.ENDED

    def snapshot(self) -> Snapshot:
        """The present state."""
        engine = self._engine
        with self._lock:
            return self._snapshot(engine)

    def _snapshot(self, engine: Engine) -> Snapshot:
        return Snapshot(
            scenario=self.scenario.id,
            title=self.scenario.title,
            pager=self.scenario.pager,
            phase=self._phase,
            now=self._now,
            duration=self.scenario.duration,
            calendar=self.scenario.calendar(self._now).isoformat(sep=" ", timespec="minutes"),
            speed=self._speed,
            slis=dict(engine.slis),
            spec=engine.spec,
            events=len(self._events),
            objectives=self.scenario.objectives,
            prices=self.scenario.world.prices,
            bringing_up=self._bringing_up if self._phase is Phase.NEW else "",
            done=self._done if self._phase is Phase.NEW else 1.0,
            hints=len(self.scenario.hints),
            error=self.error,
        )

    def events(self, after: int = -1, role: Role = Role.OPERATOR) -> Sequence[Event]:
        """Events with a number above `after` that the role may see."""
        with self._lock:
            known = self._events if role is Role.FACILITATOR else self._visible
            return known[bisect_right(known, after, key=_number) :]

    def submit(self, action: str, params: Mapping[str, object] | Params, actor: str = "you") -> Command:
        """Ask for an action; effective at the next step.

        Raises:
            UsageError: the drill is over.
        """
        with self._lock:
            if self.over:
                raise UsageError("the drill is over: nothing can be changed any more")
            number = self._numbers[actor] = self._numbers.get(actor, 0) + 1
            command = Command(actor, number, action, dict(params))
            self._engine.submit(command)
            return command

    def query(self, expr: str, start: float, end: float, step: float = SCRAPE_INTERVAL) -> Range:
        """A metric over time.

        Raises:
            UsageError: the expression cannot be read, or the step is not positive.
        """
        with self._lock:
            try:
                return self._monitor.query(expr, start, end, step)
            except ValueError as error:  # an expression that cannot be read, or a step that is none
                raise UsageError(str(error)) from None

    def look(self, view: str, subject: str = "") -> Table:
        """What a view shows now.

        Raises:
            UsageError: there is no such view, not of that, or the stack is not up.
        """
        if self._phase not in (Phase.RUNNING, Phase.PAUSED):
            raise UsageError("there is nothing to look into before the drill begins and after its end")
        with self._at_stack:
            return self._stack.look(view, subject)

    def logs(self, component: str = "", text: str = "", severity: str = "") -> Sequence[Logged]:
        """Log lines since t = 0; see `logbook.logs_of`."""
        return logs_of(self.events(), component, text, severity)

    def changes(self, field: str = "", by: str = "") -> Sequence[ChangeEntry]:
        """Changes since t = 0; see `logbook.changes_of`."""
        return changes_of(self.events(), field, by)

    def control(self, *, pause: bool | None = None, speed: float | None = None) -> None:
        """Note a pause or a speed for whoever drives this session.

        Raises:
            UsageError: the stack runs on the wall clock.
        """
        if self.paced and (pause or speed not in (None, 1.0)):
            raise UsageError("this drill runs on the wall clock: it can be neither paused nor sped up")
        with self._lock:
            if speed is not None:
                self._speed = speed
            if pause is not None and self._phase in (Phase.RUNNING, Phase.PAUSED):
                self._phase = Phase.PAUSED if pause else Phase.RUNNING

    def abort(self) -> None:
        """Give up: the drill ends as aborted. Only for whoever drives it."""
        self.end("aborted")

    def catalogue(self, role: Role = Role.OPERATOR) -> Catalogue:
        """Actions that the stack can do, and metrics; for a facilitator also the faults that it can realise."""
        able = self._stack.capabilities
        faults = tuple(fault for fault in FAULTS.values() if fault.name in able.faults) if role is Role.FACILITATOR else ()
        return Catalogue(tuple(one for one in ACTIONS.values() if one.name in able.actions), self._monitor.metrics(), faults)

    def _noting(self, progress: Progress) -> Progress:
        """Progress that the snapshot shows, too."""

        def note(step: str, done: float) -> None:
            self._bringing_up, self._done = step, done
            progress(step, done)

        return note

    def _warm_up(self, until: float) -> None:
        telemetry = self._stack.advance(until)
        with self._lock:
            self._now = until
            self._engine.warm_up(telemetry, self._read(telemetry))

    def _check_capabilities(self) -> None:
        able = self._stack.capabilities
        missing = sorted({beat.fault for beat in self.scenario.timeline} - able.faults)
        if missing:
            told = ", ".join(f"{name}{able.why(name)}" for name in missing)
            raise StackError(f"this stack cannot realise {told}; nothing was brought up")

    def _view(self) -> View:
        alerts = frozenset(alert.name for alert in self._engine.firing.values())
        return View(self._now, self._engine.slis, alerts, self._fresh_logs)

    def _read(self, telemetry: Telemetry) -> Readings | None:
        """The last scrape's readings, with the transitions of all scrapes since the last step."""
        alerts = () if telemetry.alerts is None else (telemetry.alerts,)
        readings = [self._monitor.observe(scrape, *alerts) for scrape in telemetry.scrapes]
        if telemetry.scrapes:
            self.last_scrape = telemetry.scrapes[-1]
        if not readings:
            return None
        transitions = tuple(transition for reading in readings for transition in reading.transitions)
        return replace(readings[-1], transitions=transitions)

    def _publish(self, events: Iterable[Event]) -> None:
        """All of them have happened, also those after one that a sink cannot take, as on a full disk."""
        fresh = tuple(events)
        self._events += fresh
        self._visible += [event for event in fresh if event.audience is Audience.ALL]
        for event in fresh:
            for sink in self._sinks:
                sink(event)

    def _finish(self, reason: str, settled: Telemetry | None) -> None:
        try:
            with self._lock, self._interruptions.held():
                self._phase = Phase.ENDED
                self._publish(self._engine.end(reason, settled))
        finally:
            self._stack.down()


def _number(event: Event) -> int:
    return event.number
