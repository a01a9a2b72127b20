"""What is known of a drill, folded from its events: pure, so that every panel shows the same moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ...sandbox.model.actions import ACTIONS
from ...sandbox.model.events import (
    Accepted,
    Alerted,
    Began,
    Changed,
    Completed,
    Ended,
    Event,
    Failed,
    Hinted,
    Logged,
    Observed,
    Registered,
    Rejected,
)
from ...sandbox.model.params import Value
from ...sandbox.model.service import ServiceSpec, fields_of, with_fields
from ...sandbox.session import Snapshot
from . import fleet as pods
from .budgets import Sample
from .fleet import Fleet
from .records import Alert, Change, Key, Line, Log, Order
from .words import change_text, params

T = TypeVar("T")

_COMPONENTS = ("clients", "gateway", "autoscaler", pods.POOLS[0], "feature-store", "feature-pipeline", "labels", "retraining")
MOST_SAMPLES = 2160
"""Observations that are kept, three hours at full resolution; of older ones every second goes."""
MOST_LINES = 2000
"""Log lines, changes and lines of the feed that are kept, of each."""
MOST_STATES = 50
"""Changes of one alert's state that are kept."""


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is known at one moment."""

    snapshot: Snapshot | None = None
    last: int = -1  # number of the last event
    pager: str = ""
    samples: tuple[Sample, ...] = ()
    alerts: Mapping[Key, Alert] = field(default_factory=dict)
    logs: tuple[Log, ...] = ()
    changes: tuple[Change, ...] = ()
    orders: tuple[Order, ...] = ()
    feed: tuple[Line, ...] = ()
    registered: tuple[str, ...] = ()  # versions, as they came to the registry
    fleet: Fleet = field(default_factory=dict)
    ended: str = ""

    @property
    def now(self) -> float:
        """Drill time in seconds."""
        return self.snapshot.now if self.snapshot else 0.0

    @property
    def slis(self) -> Mapping[str, float]:
        """The latest value of each SLI that has one."""
        return self.samples[-1].body.slis if self.samples else {}

    @property
    def pages(self) -> int:
        """Pages that are firing."""
        return sum(alert.firing and alert.severity == "page" for alert in self.alerts.values())

    @property
    def versions(self) -> tuple[str, ...]:
        """Versions of the model that are deployed, or have been mentioned by a change."""
        spec = self.snapshot.spec if self.snapshot else None
        named = [spec.champion.version, spec.champion.previous, spec.candidate.version, spec.shadow.version] if spec else []
        for change in self.changes:
            if change.body.field.endswith((".version", ".previous")):
                named += [str(change.body.before), str(change.body.after)]
        return tuple(dict.fromkeys(name for name in (*named, *self.registered) if name))

    @property
    def components(self) -> tuple[str, ...]:
        """Components that there are: those of the service, replicas, and whatever else has logged."""
        logged = sorted({one.line.component for one in self.logs})
        return tuple(dict.fromkeys((*_COMPONENTS, *self.fleet, *logged)))

    def series(self, name: str) -> list[tuple[float, float | None]]:
        """An SLI over time; None where there is no data."""
        return [(one.at, one.body.slis.get(name)) for one in self.samples]


def fold(picture: Picture, snapshot: Snapshot, events: Iterable[Event]) -> Picture:
    """The picture after a snapshot and the events that are new; events that are in it already change nothing."""
    fresh = list(events)
    draft = _Draft(picture, snapshot, _before(snapshot.spec, fresh))
    for event in fresh:
        if event.number > draft.last:
            draft.take(event)
    return draft.done()


def _before(spec: ServiceSpec, events: Iterable[Event]) -> ServiceSpec:
    """The desired state before the events that led to `spec`: what is needed by who joins a drill late."""
    first: dict[str, Value] = {}
    for event in events:
        if isinstance(event.body, Changed):
            first.setdefault(event.body.field, event.body.before)
    known = {path for path, _ in fields_of(spec)}
    return with_fields(spec, {path: value for path, value in first.items() if path in known})


class _Draft:
    """A picture in the making: lists, so that a batch of events costs no more than its length."""

    def __init__(self, picture: Picture, snapshot: Snapshot, first_spec: ServiceSpec) -> None:
        self._before = picture
        self._first_spec = first_spec
        self._snapshot = snapshot
        self.last = picture.last
        self._pager = picture.pager or snapshot.pager
        self._samples = list(picture.samples)
        self._alerts = dict(picture.alerts)
        self._logs = list(picture.logs)
        self._changes = list(picture.changes)
        self._orders = list(picture.orders)
        self._feed = list(picture.feed)
        self._registered = list(picture.registered)
        self._fleet = picture.fleet
        self._ended = picture.ended

    def done(self) -> Picture:
        """The new picture. What has not changed is the same object as before, so that nobody need look at it again."""
        before = self._before
        return Picture(
            self._snapshot,
            self.last,
            self._pager,
            _same(before.samples, _thinned(self._samples)),
            self._alerts if self._alerts != before.alerts else before.alerts,
            _same(before.logs, self._logs[-MOST_LINES:]),
            _same(before.changes, self._changes[-MOST_LINES:]),
            _same(before.orders, self._orders[-MOST_LINES:]),
            _same(before.feed, self._feed[-MOST_LINES:]),
            tuple(self._registered),
            self._fleet,
            self._ended,
        )

    def take(self, event: Event) -> None:
        """Fold one event in."""
        self.last = event.number
        match event.body:
            case Observed() as body:
                self._observe(event.at, body)
            case Logged() as line:
                self._logs.append(Log(event.number, line))
                self._fleet = pods.after(self._fleet, line)
            case Changed() as change:
                self._change(event, change)
            case Registered() as version:
                self._registered.append(version.version)
                if event.at > 0:  # those that were there before are no news
                    self._say(event, "version", f"{version.version} registered: {version.why}".rstrip(": "))
            case Alerted() as alert:
                self._alert(event, alert)
            case Accepted() | Rejected() | Completed() | Failed() as told:
                self._obey(event, told)
            case Began() | Ended() | Hinted() as body:
                self._tell(event, body)
            case _:
                pass

    def _tell(self, event: Event, body: Began | Ended | Hinted) -> None:
        match body:
            case Hinted(_, hint, text):
                self._say(event, "hint", f"{hint}: {text}")
            case Began(_, title, pager):
                self._pager = pager
                self._say(event, "begin", title)
            case Ended(reason):
                self._ended = reason
                self._say(event, "end", f"the drill is over: {reason}")

    def _say(self, event: Event, kind: str, text: str, alert: Key | None = None) -> None:
        self._feed.append(Line(event.number, event.at, kind, text, alert))

    def _observe(self, at: float, body: Observed) -> None:
        if not self._samples:
            self._fleet = {**self._first_fleet(body), **self._fleet}
        self._samples.append(Sample(at, body))

    def _first_fleet(self, body: Observed) -> Fleet:
        """Replicas that were there when the drill began."""
        spec = self._first_spec
        ready = round(body.slis.get("replicas", spec.champion.replicas))
        return {
            **pods.initial(pods.POOLS[0], max(0, ready - spec.candidate.replicas), spec.champion.version),
            **pods.initial(pods.POOLS[1], spec.candidate.replicas, spec.candidate.version),
            **pods.initial(pods.POOLS[2], spec.shadow.replicas, spec.shadow.version),
        }

    def _change(self, event: Event, change: Changed) -> None:
        self._changes.append(Change(event.number, event.at, change))
        self._say(event, "change", f"{change_text(change)} by {change.by}" + (f": {change.why}" if change.why else ""))

    def _alert(self, event: Event, body: Alerted) -> None:
        fresh = Alert(body.name, body.labels, body.state, event.at, body.value, body.summary, body.told)
        known = self._alerts.get(fresh.key)
        history = (*(known.history if known else ()), (event.at, body.state, body.value))[-MOST_STATES:]
        self._alerts[fresh.key] = replace(fresh, history=history)
        if body.told and body.state == "firing":
            self._say(event, fresh.severity if fresh.severity == "page" else "ticket", f"{body.name}: {body.summary}", fresh.key)
        elif body.told and body.state == "resolved":
            self._say(event, "resolved", body.name, fresh.key)

    def _obey(self, event: Event, told: Accepted | Rejected | Completed | Failed) -> None:
        match told:
            case Accepted(actor, number, action, given):
                self._orders.append(Order(event.at, actor, number, action, given, "accepted"))
                self._say(event, "action", f"{actor}: {action} {params(action, given)}".rstrip())
            case Rejected(actor, number, action, given, reason):
                self._orders.append(Order(event.at, actor, number, action, given, "rejected", reason, event.at))
                self._say(event, "refused", f"{actor}: {action} {params(action, given)}".rstrip() + f" REJECTED: {reason}")
            case Completed(actor, number, action):
                self._finish(event, actor, number, "completed", "")
                if action in ACTIONS and ACTIONS[action].duration > 0:
                    self._say(event, "action", f"{actor}: {action} is in force")
            case Failed(actor, number, action, reason):
                self._finish(event, actor, number, "failed", reason)
                self._say(event, "refused", f"{actor}: {action} FAILED: {reason}")

    def _finish(self, event: Event, actor: str, number: int, state: str, reason: str) -> None:
        for index in range(len(self._orders) - 1, -1, -1):
            order = self._orders[index]
            if (order.actor, order.number) == (actor, number):
                self._orders[index] = replace(order, state=state, reason=reason, ended=event.at)
                if order.action == "acknowledge" and state == "completed":
                    self._acknowledge(str(order.params.get("alert", "all")), actor)
                return

    def _acknowledge(self, name: str, actor: str) -> None:
        for key, alert in self._alerts.items():
            if alert.firing and name in ("all", alert.name):
                self._alerts[key] = replace(alert, acknowledged=actor)


def _same(before: tuple[T, ...], now: list[T]) -> tuple[T, ...]:
    fresh = tuple(now)
    return before if fresh == before else fresh


def _thinned(samples: list[Sample]) -> list[Sample]:
    if len(samples) <= MOST_SAMPLES:
        return samples
    middle = len(samples) // 2
    return samples[:middle:2] + samples[middle:]
