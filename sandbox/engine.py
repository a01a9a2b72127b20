"""The engine: a drill as a pure function of scenario and commands. It does no I/O and owns no clock.

Each step of drill time the session asks what is due (`step`), applies the effects to the stack, lets the stack advance, and hands
back what was observed (`observe`). All that happened comes out as numbered events.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from .model.actions import ACKNOWLEDGE, ACTIONS, SILENCE, Action, InapplicableError
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
    Injected,
    Logged,
    Observed,
    Rejected,
    Settled,
)
from .model.expr import Expression
from .model.params import ParamError, Params, parse_params
from .model.scenario import Beat, Scenario
from .model.service import Change, ServiceSpec, differences, with_fields
from .model.stack import ApplySpec, Capabilities, ClearFault, Effect, InjectFault
from .model.telemetry import LogLine, Telemetry
from .monitor.alerts import Alert, Notifications, State, Transition

STEP = 1.0
"""Seconds of drill time between steps."""


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
        self._versions = tuple(dict.fromkeys([scenario.service.champion.version, *(one.name for one in scenario.versions)]))
        self._replicas: tuple[str, ...] = ()

    def begin(self) -> tuple[Event, ...]:
        """The first event, at t = 0."""
        scenario = self.scenario
        return (self._event(Began(scenario.id, scenario.title, scenario.pager)),)

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
        inbox, self._inbox = sorted(self._inbox, key=lambda command: (command.actor, command.number)), []
        for command in inbox:
            self._take(command, effects, events)
        return Due(tuple(effects), tuple(events))

    def observe(self, telemetry: Telemetry, readings: Readings | None) -> tuple[Event, ...]:
        """Facts from the stack since the last step; `readings` is given whenever there was a scrape."""
        self.now = telemetry.at
        self._replicas = telemetry.replicas
        events: list[Event] = []
        for change in telemetry.changes:
            self._record(change, events)
        events.extend(self._event(_logged(line)) for line in telemetry.logs)
        if readings is not None:
            self.slis = readings.slis
            events.extend(self._alert(transition) for transition in readings.transitions)
            ledger: dict[str, float] = asdict(telemetry.ledger)
            events.append(self._event(Observed(dict(readings.slis), dict(readings.counts), ledger)))
        return tuple(events)

    def end(self, reason: str, settled: Telemetry | None = None) -> tuple[Event, ...]:
        """The last events. `settled` carries the ledger after all that was in flight came to its end."""
        self.ended = True
        events: list[Event] = []
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
        except (ParamError, InapplicableError) as error:
            reason = str(error)
            rejected = Rejected(command.actor, command.number, command.action, dict(command.params), reason)
            events.append(self._event(rejected))
            return
        events.append(self._event(Accepted(command.actor, command.number, action.name, params)))
        pending = _Pending(self.now + action.duration, command.actor, command.number, action, params)
        if action.duration > 0:
            heapq.heappush(self._pending, pending)
        else:
            self._complete(pending, effects, events)

    def _check(self, command: Command) -> tuple[Action, Params]:
        action = ACTIONS.get(command.action)
        if action is None:
            raise InapplicableError(f"unknown action {command.action!r}; {nearest(command.action, ACTIONS)}")
        if action.name not in self._capabilities.actions:
            raise InapplicableError(f"this stack cannot do {action.name!r}")
        params = parse_params(action.params, command.params, base_units=True)
        self._check_names(params)
        if action.plan is not None:
            action.plan(self.spec, params, self._commands)
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
            wanted = action.plan(self.spec, pending.params, self._commands) if action.plan else self.spec
        except InapplicableError as error:
            events.append(self._event(Failed(pending.actor, pending.number, action.name, str(error))))
            return
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
        if alert.state is State.FIRING:
            self.firing[alert.name, alert.labels] = alert
        else:
            self.firing.pop((alert.name, alert.labels), None)
        told = not self.notifications.silenced(alert, transition.at)
        before, state = transition.before.value, alert.state.value
        return self._event(Alerted(alert.name, dict(alert.labels), before, state, alert.value, alert.summary, told))

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

    def _record(self, change: Change, events: list[Event]) -> None:
        self.spec = with_fields(self.spec, {change.field: change.after})
        events.append(self._event(Changed(change.field, change.before, change.after, change.by)))


def _logged(line: LogLine) -> Logged:
    return Logged(line.at, line.component, line.severity, line.text)
