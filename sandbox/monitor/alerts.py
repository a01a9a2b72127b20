"""States of alerts as Prometheus keeps them, and what becomes of their notifications: acknowledged, or silenced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from .program import Labels
from .rules import PAGE, AlertRule, Result


class State(StrEnum):
    """Of an alert. `resolved` is Prometheus's inactive after it fired."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One element of an alerting rule. `since` is when the condition began to hold, or for the other states when it ended."""

    name: str
    labels: Labels  # without `alertname`
    state: State
    since: float
    value: float
    summary: str = ""

    @property
    def severity(self) -> str:
        """`page` or `ticket`."""
        return dict(self.labels).get("severity", "")


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert's state changed at an evaluation."""

    at: float
    before: State
    alert: Alert


class AlertBook:
    """The alerts of a group of rules, evaluation by evaluation (Prometheus's `AlertingRule.Eval`)."""

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        self._rules = tuple(rules)
        self._alerts: list[dict[Labels, Alert]] = [{} for _ in self._rules]

    @property
    def alerts(self) -> list[Alert]:
        """All alerts that have ever been active."""
        return [alert for known in self._alerts for alert in known.values()]

    def active(self, *states: State) -> list[Alert]:
        """The alerts in one of these states; pending and firing ones if none is given."""
        wanted = states or (State.PENDING, State.FIRING)
        return [alert for alert in self.alerts if alert.state in wanted]

    def update(self, at: float, results: Iterable[Result]) -> tuple[Transition, ...]:
        """Take the results of one evaluation, one per rule, at `at` seconds."""
        transitions: list[Transition] = []
        for rule, known, (labels, values) in zip(self._rules, self._alerts, results, strict=True):
            if not known and values.count(None) == len(values):
                continue
            present = {own: value for own, value in zip(labels, values, strict=True) if value is not None}
            for own, value in present.items():
                self._hold(rule, known, own, value, at, transitions)
            for own, alert in list(known.items()):
                if own not in present and alert.state in (State.PENDING, State.FIRING):
                    after = State.RESOLVED if alert.state is State.FIRING else State.INACTIVE
                    known[own] = replace(alert, state=after, since=at)
                    transitions.append(Transition(at, alert.state, known[own]))
        return tuple(transitions)

    @staticmethod
    def _hold(
        rule: AlertRule, known: dict[Labels, Alert], own: Labels, value: float, at: float, transitions: list[Transition]
    ) -> None:
        """The condition holds: the alert is pending, or firing once it has held for long enough."""
        alert = known.get(own)
        before = State.INACTIVE if alert is None else alert.state
        active = before in (State.PENDING, State.FIRING)
        since = alert.since if alert is not None and active else at
        # Compared in milliseconds, as Prometheus does: 0.1 s steps must not lose an evaluation to rounding.
        due = round((at - since) * 1000) >= round(rule.hold * 1000)
        after = State.FIRING if due or before is State.FIRING else State.PENDING
        known[own] = Alert(rule.name, own, after, since, value, rule.summary)
        if after is not before:
            transitions.append(Transition(at, before, known[own]))


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of alerts whose labels include all of `matchers` (`alertname` among them), in [start, end) seconds."""

    matchers: Labels
    start: float
    end: float
    by: str = ""

    def covers(self, alert: Alert, at: float) -> bool:
        """Whether it holds for an alert at a time."""
        labels = {"alertname": alert.name, **dict(alert.labels)}
        return self.start <= at < self.end and all(labels.get(name) == value for name, value in self.matchers)


Key = tuple[str, Labels]


@dataclass(frozen=True, slots=True)
class Notifications:
    """Who is told of what. Acknowledging and silencing change this only, never an alert's state."""

    silences: tuple[Silence, ...] = ()
    acknowledged: Mapping[Key, str] = field(default_factory=dict)  # by whom

    def silence(self, matchers: Mapping[str, str], start: float, duration: float, by: str = "") -> Notifications:
        """With a silence of `duration` seconds more."""
        silence = Silence(tuple(sorted(matchers.items())), start, start + duration, by)
        return replace(self, silences=(*self.silences, silence))

    def unsilence(self, matchers: Mapping[str, str], at: float) -> Notifications:
        """With the silences on exactly these labels ended."""
        key = tuple(sorted(matchers.items()))
        kept = tuple(replace(one, end=min(one.end, at)) if one.matchers == key else one for one in self.silences)
        return replace(self, silences=kept)

    def acknowledge(self, alerts: Iterable[Alert], by: str) -> Notifications:
        """With these alerts acknowledged, until they are over."""
        return replace(self, acknowledged={**self.acknowledged, **{(alert.name, alert.labels): by for alert in alerts}})

    def after(self, transitions: Iterable[Transition]) -> Notifications:
        """After transitions: an acknowledgement ends with its alert."""
        over = {(one.alert.name, one.alert.labels) for one in transitions if one.alert.state is not State.FIRING}
        if not over & self.acknowledged.keys():
            return self
        return replace(self, acknowledged={key: by for key, by in self.acknowledged.items() if key not in over})

    def silenced(self, alert: Alert, at: float) -> bool:
        """Whether a silence covers it."""
        return any(silence.covers(alert, at) for silence in self.silences)

    def notifies(self, transition: Transition) -> bool:
        """Whether somebody is told of a transition: that an alert fires, or no longer does."""
        told = transition.alert.state is State.FIRING or transition.before is State.FIRING
        return told and not self.silenced(transition.alert, transition.at)

    def calling(self, alerts: Iterable[Alert], at: float) -> list[Alert]:
        """The pages that still want somebody: firing, neither acknowledged nor silenced."""
        return [
            alert
            for alert in alerts
            if alert.state is State.FIRING
            and alert.severity == PAGE
            and (alert.name, alert.labels) not in self.acknowledged
            and not self.silenced(alert, at)
        ]
