"""A small valid scenario, and short ways to play an engine by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from drillbox.sandbox.engine import Engine, Readings
from drillbox.sandbox.journal import Header
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.sandbox.model.events import Command, Event, Registered
from drillbox.sandbox.model.faults import FAULTS
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
    Version,
    WorldConfig,
)
from drillbox.sandbox.model.service import Autoscaler, Change, Gateway, ServiceSpec, Workload
from drillbox.sandbox.model.stack import Capabilities, Effect
from drillbox.sandbox.model.telemetry import Ledger, LogLine, Telemetry
from drillbox.sandbox.monitor.alerts import Alert, State, Transition

ABLE = Capabilities(frozenset(FAULTS), frozenset(ACTIONS), paced=False)
REPLICAS = ("model-champion-1", "model-champion-2")
SPEC = ServiceSpec(
    champion=Workload("v2", "v1", replicas=2, concurrency=2, queue=8),
    autoscaler=Autoscaler(enabled=False, minimum=1, maximum=8),
    gateway=Gateway(timeout=1.0, retries=1),
)
PAGE = (("severity", "page"),)
HEADER = Header("toy", "0" * 64, "", 1, "sim", "idle", "data", {"drillbox": "0"}, "a machine", "id: toy\n")
"""Of a journal of the scenario."""

T = TypeVar("T")


def spike(
    name: str = "crowd", at: float | None = 10.0, lasts: float | None = None, when: str = "", by: float | None = None
) -> Beat:
    """A beat of the timeline."""
    return Beat(name, "traffic.spike", {"factor": 4.0, "ramp": 0.0}, at=at, when=when, by=by, lasts=lasts)


def toy(*timeline: Beat, **fields: object) -> Scenario:
    """A scenario of one minute; `fields` replace those of the scenario."""
    scenario = Scenario(
        id="toy",
        title="Toy",
        group="traffic",
        difficulty=1,
        skills=(),
        pager="The toys are slow.",
        world=WorldConfig("flights", dt.datetime(2013, 7, 8, 6), 12.0, Traffic(10.0), Prices(0.1, 0.03, 0.05, 0.01, 0.6, 3.0)),
        service=SPEC,
        runtime=Runtime(),
        duration=60.0,
        warmup=20.0,
        verdict_window=30.0,
        timeline=timeline,
        objectives=(Objective("available", "availability", 0.99),),
        answer=Answer("clients", "traffic.spike"),
        reference=Runbook("reference", ()),
        tempting=(),
        debrief=Debrief("It was full."),
        versions=(Version("v3"), Version("v4")),
        hints=("Look closer.", "Closer still."),
    )
    return replace(scenario, **fields)  # type: ignore[arg-type]  # each test names fields of a scenario


def alert(name: str = "Slow", state: State = State.FIRING, value: float = 2.0) -> Alert:
    """A page in a state."""
    return Alert(name, PAGE, state, 0.0, value, f"{name} for a test")


def fires(at: float, name: str = "Slow") -> Transition:
    """An alert begins to fire."""
    return Transition(at, State.PENDING, alert(name))


def resolves(at: float, name: str = "Slow") -> Transition:
    """An alert no longer fires."""
    return Transition(at, State.FIRING, alert(name, State.RESOLVED))


@dataclass(frozen=True)
class Facts:
    """What is observed at a moment."""

    slis: Mapping[str, float] | None = None
    transitions: tuple[Transition, ...] = ()
    logs: tuple[LogLine, ...] = ()
    changes: tuple[Change, ...] = ()
    versions: tuple[Registered, ...] = ()


class Play:
    """An engine whose stack does whatever the test says."""

    def __init__(self, scenario: Scenario, capabilities: Capabilities = ABLE) -> None:
        self.engine = Engine(scenario, capabilities)
        self.effects: list[tuple[float, Effect]] = []
        self.engine.warm_up(Telemetry(0.0, replicas=REPLICAS), Readings())
        self.events: list[Event] = list(self.engine.begin())

    def ask(self, action: str, params: Mapping[str, object] | None = None, actor: str = "you", number: int = 1) -> None:
        """Submit a command."""
        self.engine.submit(Command(actor, number, action, params or {}))

    def second(self, facts: Facts | None = None) -> list[Event]:
        """Play one step of a second; what happened in it."""
        now = self.engine.now
        due = self.engine.step(now)
        self.effects += [(now, effect) for effect in due.effects]
        facts = facts or Facts()
        telemetry = Telemetry(now + 1.0, (), facts.logs, facts.changes, Ledger(ok=int(now)), REPLICAS, facts.versions)
        readings = None
        if facts.slis is not None or facts.transitions:
            readings = Readings(facts.slis or {}, {"available": (now, now)}, facts.transitions)
        happened = [*due.events, *self.engine.observe(telemetry, readings)]
        self.events += happened
        return happened

    def until(self, now: float) -> list[Event]:
        """Play on to a time; what happened."""
        happened: list[Event] = []
        while self.engine.now < now:
            happened += self.second()
        return happened


def bodies(events: Sequence[Event], kind: type[T]) -> list[T]:
    """The bodies of one type, in order."""
    return [event.body for event in events if isinstance(event.body, kind)]
