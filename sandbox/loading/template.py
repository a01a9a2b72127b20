"""A first version of a new scenario: a valid file whose comments say what to put where."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..gamers import lowest
from ..model.actions import ACTIONS, NOTHING
from ..model.faults import FAULTS, Fault
from ..model.params import Kind, Param, Value
from ..model.units import format_duration
from ..world.calendar import FIRST
from .document import parse_document

CANDIDATE = "v3"
"""The version that a fault of the new scenario rolls out."""
USUAL_START = dt.datetime(2013, 7, 8, 12)
"""Calendar time at which a new scenario begins: an ordinary Monday."""
_TRAINED = dt.timedelta(days=45)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,.'/()!?-]*")
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_TYPICAL = {Kind.SHARE: 0.5, Kind.FACTOR: 3.0, Kind.COUNT: 3.0, Kind.DURATION: 2.0, Kind.RATE: 100.0}
_MITIGATION = {
    "clients": "set-autoscaler",
    "model-server": "roll-back",
    "feature-pipeline": "restart-pipeline",
    "feature-store": "quarantine",
    "retraining": "freeze-retraining",
}
"""What a first reference does, by the component at fault."""
_GIVEN: Mapping[str, Mapping[str, str]] = {
    "set-autoscaler": {"minimum": "8", "maximum": "10"},
    "quarantine": {"feature": "all"},
}
_JUDGED_BY_LABELS = ("features", "labels", "retraining")
"""Groups whose incidents show in the quality of the answers."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a new scenario. Without a fault it is a control: nothing is wrong."""

    id: str
    title: str = ""
    fault: str = ""
    params: Mapping[str, str] = field(default_factory=dict)  # as a person writes them; the rest as `typical` has it
    group: str = ""
    difficulty: int = 2
    duration: float = 1200.0  # seconds
    rate: float = 120.0  # requests per second
    start: dt.datetime = USUAL_START
    pace: float = 12.0


def typical(param: Param) -> str:
    """A value that a parameter could have, as a person writes it."""
    if param.default is not None:
        return param.format(param.default)
    if param.choices:
        return str(param.choices[0])
    if param.kind is Kind.NAME:
        return CANDIDATE
    if param.kind is Kind.TEXT:
        return "a note"
    if param.kind is Kind.SWITCH:
        return "on"
    value = max(param.minimum or 0.0, _TYPICAL[param.kind])
    return param.format(value if param.maximum is None else min(value, param.maximum))


def render(draft: Draft) -> str:
    """The file. Whether it is valid only validation knows: a draft can have any id, and parameters that do not fit."""
    fault = FAULTS.get(draft.fault)
    group = draft.group or (fault.name.partition(".")[0] if fault else "control")
    quality = group in _JUDGED_BY_LABELS
    parts = [
        _HEAD.format(
            id=scalar(draft.id),
            title=scalar(draft.title or _title(draft.id)),
            group=scalar(group),
            difficulty=draft.difficulty,
            control="" if fault else "control: true   # nothing is wrong, and the right action is none\n",
            duration=format_duration(draft.duration),
        ),
        _WORLD.format(
            start=draft.start.isoformat(timespec="minutes"),
            pace=f"{draft.pace:g}",
            rate=f"{draft.rate:g}/s",
            learned=max(FIRST, draft.start - _TRAINED).date().isoformat(),
            until=draft.start.date().isoformat(),
            versions=_versions(draft, fault),
        ),
        _timeline(draft, fault),
        _OBJECTIVES + (_QUALITY if quality else ""),
        _ALSO_RIGHT if fault and fault.component == "clients" else "",
        _answer(fault),
        _operators(fault, "QualityBurnRate" if quality else "AvailabilityBurnRate"),
        _DEBRIEF,
    ]
    return "".join(parts)


def scalar(text: str) -> str:
    """A text as YAML, quoted where it could be taken for something else."""
    if _PLAIN.fullmatch(text) and text == text.strip() and parse_document(f"a: {text}", "").data == {"a": text}:
        return text
    return json.dumps(text, ensure_ascii=False)


def _title(name: str) -> str:
    return name.replace("-", " ").capitalize()


def _params(draft: Draft, fault: Fault) -> dict[str, str]:
    given = {param.name: typical(param) for param in fault.params if not param.optional}
    return given | dict(draft.params)


def _versions(draft: Draft, fault: Fault | None) -> str:
    named = [param.name for param in fault.params if param.kind is Kind.NAME] if fault else []
    if fault is None or "version" not in named:
        return ""
    version = _params(draft, fault).get("version", CANDIDATE)
    return f"  versions:\n    {scalar(version)}: {{slow_share: 30%, slow_factor: 4}}   # what is special about it\n"


def _timeline(draft: Draft, fault: Fault | None) -> str:
    if fault is None:
        return "timeline: []\n\n"
    numbers = {param.name for param in fault.params if param.kind in (Kind.FACTOR, Kind.COUNT)}
    values = "".join(
        f"      {name}: {value if name in numbers and _NUMBER.fullmatch(value) else scalar(value)}\n"
        for name, value in _params(draft, fault).items()
    )
    given = f"    with:\n{values}" if values else ""
    about = f"  # {fault.help}\n"
    at = format_duration(min(180.0, draft.duration / 4.0))
    return f"timeline:\n{about}  - id: trouble\n    at: {at}\n    fault: {fault.name}\n{given}\n"


def _answer(fault: Fault | None) -> str:
    component, cause = (fault.component, fault.name) if fault else (NOTHING, NOTHING)
    return f"\nanswer: {{component: {component}, cause: {cause}}}\n\n"


def _operators(fault: Fault | None, alert: str) -> str:
    if fault is None:
        return _NOTHING_TO_DO
    action = ACTIONS[_MITIGATION.get(fault.component, "declare")]
    given: Mapping[str, str | Value] = _GIVEN.get(action.name) or lowest(action)
    values = ", ".join(f"{name}: {value}" for name, value in given.items())
    with_ = f"\n        with: {{{values}}}" if values else ""
    return _OPERATORS.format(alert=alert, action=action.name, with_=with_, component=fault.component, cause=fault.name)


_HEAD = """\
schema: 1
id: {id}
title: {title}   # neither id nor title may tell the cause
group: {group}   # the sort of incident; a spoiler
difficulty: {difficulty}   # 1 (easiest) to 5
{control}skills:
  - finding out what has changed   # what is practised, a line each
stacks: [sim]
duration: {duration}

pager: |
  PAGE flight-delays: something is not as it should be.
  Write here what the on-call is told: symptoms only, never the cause.

"""

_WORLD = """\
world:
  name: flights
  start: {start}   # of the calendar, in 2013
  pace: {pace}   # calendar seconds for each second of the drill
  traffic: {{rate: {rate}}}   # docs/traffic.md: ramps, bursts, the hours of the day, recorded traces
  clients: {{timeout: 2s, retries: 0}}
  prices:   # dollars
    failed: 0.06
    slow: 0.009
    missed: 0.05   # told "on time", and the flight was late
    false_alarm: 0.01   # told "late", and the flight was on time
    replica_hour: 0.60
  train: {{from: {learned}, until: {until}}}

service:
  champion: {{version: v2, previous: v1, replicas: 3, concurrency: 4, queue: 40}}
  autoscaler: {{minimum: 3, maximum: 4, target: 60%}}
  gateway: {{timeout: 600ms, retries: 1, retry_budget: 20%}}
  fallback: off
{versions}
runtime:   # one replica answers about concurrency / service_time requests a second
  service_time: 50ms
  start_time: 20s
  load_time: 30s

"""

_OBJECTIVES = """\
objectives:
  - {id: availability, sli: availability, target: 99%}
  - {id: latency, sli: latency, target: 95%, bound: 300ms}
"""
_ALSO_RIGHT = """
also_right:   # the one generic move that may win, if any: see docs/proofs.md
  maximum-replicas: Whoever knows that a crowd will come may buy the capacity for it in advance.
"""
_QUALITY = """\
  - {id: quality, sli: quality, target: 95%, brier: 0.2}
"""

_OPERATORS = """\
operators:
  reference:   # what a good engineer does; it must win
    why: Say here what the idea is.
    steps:
      - alert: {alert}
        do: declare
      - do: {action}{with_}
        why: Say here why this helps.
      - do: diagnose
        with: {{component: {component}, cause: {cause}}}
      - when: error_ratio < 1% and latency_p99 < 300ms
        for: 60s
        do: resolve
  tempting:   # what seems right and is not, each with its reason; all of it must lose
    longer-timeouts:
      why: Requests run into the timeout, so it looks too short.
      steps:
        - alert: {alert}
          do: set-timeout
          with: {{timeout: 10s}}

"""

_NOTHING_TO_DO = """\
operators:
  reference:
    why: Nothing is wrong. Look, and touch nothing.
    steps: []
  tempting:   # what seems right and is not, each with its reason; all of it must lose
    more-replicas:
      why: It cannot harm to have some more. It costs money, and helps nobody.
      steps:
        - at: 2m
          do: set-autoscaler
          with: {minimum: 10, maximum: 20}

"""

_DEBRIEF = """\
debrief:
  story: |
    What happened, and why.
  sooner: |
    How to see it sooner.
  sources:
    - "Where it has happened: a post-mortem, a paper, an issue"
"""
