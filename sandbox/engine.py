"""The engine: a drill as a pure function of scenario and commands. It does no I/O and owns no clock.

Each step of drill time the session asks what is due (`step`), applies the effects to the stack, lets the stack advance, and hands
back what was observed (`observe`). All that happened comes out as numbered events.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from .model.actions import ACKNOWLEDGE, ACTIONS, HINT, SILENCE, Action, InapplicableError
from .model.errors import nearest
from .model.events import (
    Accepted,
    Alerted,
    Audience,
    Began,
    Body,
    Changed,
    Cleared,
    Command,
    Completed,
    Ended,
    Event,
    Failed,
    Hinted,
    Injected,
    Logged,
    Observed,
    Registered,
    Rejected,
    Settled,
)
from .model.expr import Expression
from .model.params import ParamError, Params, parse_params
from .model.scenario import Beat, Scenario
from .model.service import Change, ServiceSpec, differences, fields_of, with_fields
from .model.stack import ApplySpec, Capabilities, ClearFault, Effect, InjectFault
from .model.telemetry import Ledger, LogLine, Telemetry
from .monitor.alerts import Alert, Notifications, State, Transition

STEP = 1.0
"""Seconds of drill time between steps."""
TOO_LATE = "the drill ended before"
"""Why commands that the end overtook came to nothing."""
_FIELDS = frozenset(path for path, _ in fields_of(ServiceSpec()))


@dataclass(frozen=True, slots=True)
class Readings:
    """What the monitor makes of the telemetry.

    SLIs by name, cumulative (good, total) events per objective, and the alerts whose state changed.
    """

    slis: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """What a step asks of the session: effects for the stack, in order."""

    effects: tuple[Effect, ...]
    events: tuple[Event, ...]


@dataclass(order=True, slots=True)
class _Pending:
    """An accepted command whose modelled duration is still running."""

    due: float
    actor: str
    number: int
    action: Action = field(compare=False)
    params: Params = field(compare=False)
    serial: int = field(compare=False)  # among all commands of the drill


class Engine:
    """One drill. Events that it returns are final; their numbers grow by one."""

    def __init__(self, scenario: Scenario, capabilities: Capabilities) -> None:
        self.scenario = scenario
        self.spec: ServiceSpec = scenario.service
        self.now = 0.0
        self.slis: Mapping[str, float] = {}
        self.firing: dict[tuple[str, tuple[tuple[str, str], ...]], Alert] = {}
        self.notifications = Notifications()
        self.ended = False
        self._capabilities = capabilities
        self._number = 0
        self._inbox: list[Command] = []
        self._pending: list[_Pending] = []
        self._beats: list[Beat] = list(scenario.timeline)
        self._conditions = {beat.id: Expression(beat.when) for beat in scenario.timeline if beat.when}
        self._clearing: list[tuple[float, str]] = []
        self._commands = 0
        self._versions = scenario.deployable
        self._replicas: tuple[str, ...] = ()
        self._registered: tuple[Registered, ...] = ()
        self._hints = 0
        self._first: Readings | None = None

    def warm_up(self, telemetry: Telemetry, readings: Readings | None) -> None:
        """Take in what was observed before t = 0: it is where the drill begins, and no event of it."""
        self._replicas = telemetry.replicas
        self._registered += telemetry.versions
        for change in telemetry.changes:
            self._desire(change)
        if readings is not None:
            self.slis, self._first = readings.slis, readings
            for transition in readings.transitions:
                self._keep(transition.alert)

    def begin(self) -> tuple[Event, ...]:
        """The first events, at t = 0: the drill began, what fires already, and what the warm-up's last scrape told."""
        scenario = self.scenario
        events = [self._event(Began(scenario.id, scenario.title, scenario.pager))]
        for version in self._registered:
            self._register(version, events)
        events += [self._event(_alerted(alert, State.INACTIVE, told=True)) for alert in self.firing.values()]
        if self._first is not None:
            events.append(self._event(_observed(self._first, Ledger())))
        return tuple(events)

    def submit(self, command: Command) -> None:
        """Queue a command: effective at the next step, ordered by (actor, number)."""
        self._inbox.append(command)

    def step(self, now: float) -> Due:
        """Everything that is due at drill time `now`: faults end and begin, commands finish and start."""
        self.now = now
        effects: list[Effect] = []
        events: list[Event] = []
        self._end_faults(effects, events)
        self._begin_faults(effects, events)
        while self._pending and self._pending[0].due <= now:
            self._complete(heapq.heappop(self._pending), effects, events)
        inbox, self._inbox = sorted(self._inbox, key=_order), []
        for command in inbox:
            self._take(command, effects, events)
        return Due(tuple(effects), tuple(events))

    def observe(self, telemetry: Telemetry, readings: Readings | None) -> tuple[Event, ...]:
        """Facts from the stack since the last step; `readings` is given whenever there was a scrape."""
        self.now = telemetry.at
        self._replicas = telemetry.replicas
        events: list[Event] = []
        for version in telemetry.versions:
            self._register(version, events)
        for change in telemetry.changes:
            self._record(change, events)
        events.extend(self._event(_logged(line)) for line in telemetry.logs)
        if readings is not None:
            self.slis = readings.slis
            events.extend(self._alert(transition) for transition in readings.transitions)
            events.append(self._event(_observed(readings, telemetry.ledger)))
        return tuple(events)

    def end(self, reason: str, settled: Telemetry | None = None) -> tuple[Event, ...]:
        """The last events. `settled` carries the ledger after all that was in flight came to its end.

        Every command has come to its end by then: what is still under way fails, what was not yet looked at is rejected.
        """
        self.ended = True
        events = [self._event(Failed(one.actor, one.number, one.action.name, TOO_LATE)) for one in sorted(self._pending)]
        events += [self._event(_rejected(command, TOO_LATE)) for command in sorted(self._inbox, key=_order)]
        self._pending, self._inbox = [], []
        if settled is not None:
            events.append(self._event(Settled(asdict(settled.ledger))))
        events.append(self._event(Ended(reason)))
        return tuple(events)

    def _event(self, body: Body, audience: Audience = Audience.ALL) -> Event:
        event = Event(self._number, self.now, audience, body)
        self._number += 1
        return event

    def _end_faults(self, effects: list[Effect], events: list[Event]) -> None:
        while self._clearing and self._clearing[0][0] <= self.now:
            _, beat = heapq.heappop(self._clearing)
            effects.append(ClearFault(beat))
            events.append(self._event(Cleared(beat), Audience.FACILITATOR))

    def _begin_faults(self, effects: list[Effect], events: list[Event]) -> None:
        due = [beat for beat in self._beats if self._is_due(beat)]
        for beat in due:
            self._beats.remove(beat)
            effects.append(InjectFault(beat.id, beat.fault, beat.params, beat.lasts))
            events.append(self._event(Injected(beat.id, beat.fault, beat.params), Audience.FACILITATOR))
            if beat.lasts is not None:
                heapq.heappush(self._clearing, (self.now + beat.lasts, beat.id))

    def _is_due(self, beat: Beat) -> bool:
        if beat.at is not None:
            return beat.at <= self.now
        if beat.by is not None and beat.by <= self.now:
            return True
        return bool(self._conditions[beat.id].evaluate(self.slis))

    def _take(self, command: Command, effects: list[Effect], events: list[Event]) -> None:
        """Accept or reject a command; one without duration completes at once."""
        self._commands += 1
        try:
            action, params = self._check(command)
        except ParamError as error:
            named = error.param in str(error)
            events.append(self._event(_rejected(command, str(error) if named else f"{error.param}: {error}")))
            return
        except InapplicableError as error:
            events.append(self._event(_rejected(command, str(error))))
            return
        events.append(self._event(Accepted(command.actor, command.number, action.name, params)))
        pending = _Pending(self.now + action.duration, command.actor, command.number, action, params, self._commands)
        if action.duration > 0:
            heapq.heappush(self._pending, pending)
        else:
            self._complete(pending, effects, events)

    def _check(self, command: Command) -> tuple[Action, Params]:
        action = ACTIONS.get(command.action)
        if action is None:
            raise InapplicableError(f"unknown action {command.action!r}; {nearest(command.action, ACTIONS)}")
        if action.name not in self._capabilities.actions:
            raise InapplicableError(f"this stack cannot do {action.name!r}{self._capabilities.why(action.name)}")
        params = parse_params(action.params, command.params, base_units=True)
        self._check_names(params)
        if action.plan is not None:
            action.plan(self.spec, params, self._commands)
        if action is HINT and self._hints >= len(self.scenario.hints):
            raise InapplicableError(f"there are no more hints; {self._hints} were given" if self._hints else "there are no hints")
        return action, params

    def _check_names(self, params: Params) -> None:
        """Names of versions and replicas must be known.

        Raises:
            InapplicableError: there is none of that name.
        """
        for what, known in (("version", self._versions), ("replica", (*self._replicas, "all"))):
            name = params.get(what)
            if isinstance(name, str) and name not in known:
                raise InapplicableError(f"unknown {what} {name!r}; {nearest(name, known)}")

    def _complete(self, pending: _Pending, effects: list[Effect], events: list[Event]) -> None:
        action = pending.action
        try:
            self._notify(pending)
            wanted = action.plan(self.spec, pending.params, pending.serial) if action.plan else self.spec
        except InapplicableError as error:
            events.append(self._event(Failed(pending.actor, pending.number, action.name, str(error))))
            return
        if action is HINT:
            self._hints += 1
            events.append(self._event(Hinted(pending.actor, self._hints, self.scenario.hints[self._hints - 1])))
        if wanted is not self.spec:
            changes = differences(self.spec, wanted, pending.actor)
            for change in changes:
                self._record(change, events)
            if changes:
                effects.append(ApplySpec(wanted, changes))
        events.append(self._event(Completed(pending.actor, pending.number, action.name)))

    def _alert(self, transition: Transition) -> Event:
        """Keep the book of firing alerts; an acknowledgement ends with its alert."""
        alert = transition.alert
        self.notifications = self.notifications.after((transition,))
        self._keep(alert)
        return self._event(_alerted(alert, transition.before, told=not self.notifications.silenced(alert, transition.at)))

    def _keep(self, alert: Alert) -> None:
        if alert.state is State.FIRING:
            self.firing[alert.name, alert.labels] = alert
        else:
            self.firing.pop((alert.name, alert.labels), None)

    def _notify(self, pending: _Pending) -> None:
        """Acknowledge or silence: who is told changes, never an alert's state.

        Raises:
            InapplicableError: no such alert is firing.
        """
        name = str(pending.params.get("alert", ""))
        if pending.action is ACKNOWLEDGE:
            chosen = [alert for alert in self.firing.values() if name in ("all", alert.name)]
            if not chosen:
                names = {alert.name for alert in self.firing.values()}
                hint = nearest(name, names) if names and name != "all" else "no alert is firing"
                raise InapplicableError(f"no firing alert {name!r}; {hint}" if names else hint)
            self.notifications = self.notifications.acknowledge(chosen, pending.actor)
        elif pending.action is SILENCE:
            matchers, duration = {"alertname": name}, float(pending.params["duration"])
            self.notifications = self.notifications.silence(matchers, self.now, duration, pending.actor)

    def _register(self, version: Registered, events: list[Event]) -> None:
        """A version can be named in commands as soon as it is known."""
        self._versions = tuple(dict.fromkeys((*self._versions, version.version)))
        events.append(self._event(version))

    def _desire(self, change: Change) -> None:
        """What only one stack has, such as the image of replicas, is told, and is no field of the desired state."""
        if change.field in _FIELDS:
            self.spec = with_fields(self.spec, {change.field: change.after})

    def _record(self, change: Change, events: list[Event]) -> None:
        self._desire(change)
        events.append(self._event(Changed(change.field, change.before, change.after, change.by, change.why)))


def _order(command: Command) -> tuple[str, int]:
    return command.actor, command.number


def _rejected(command: Command, reason: str) -> Rejected:
    """Parameters that a journal cannot hold as they are (a number that is none, an object) are told as text."""
    params = {str(name): value if _is_plain(value) else repr(value)[:200] for name, value in command.params.items()}
    return Rejected(command.actor, command.number, command.action, params, reason)


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _alerted(alert: Alert, before: State, *, told: bool) -> Alerted:
    return Alerted(alert.name, dict(alert.labels), before.value, alert.state.value, alert.value, alert.summary, told)


def _observed(readings: Readings, ledger: Ledger) -> Observed:
    return Observed(dict(readings.slis), dict(readings.counts), asdict(ledger))


def _logged(line: LogLine) -> Logged:
    return Logged(line.at, line.component, line.severity, line.text)
