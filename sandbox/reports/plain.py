"""A drill in plain lines: events as they come, a status line, a result. Nothing here is shown by colour alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from ..drill import Result
from ..model.actions import ACTIONS, NOTE
from ..model.events import (
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
    Rejected,
)
from ..model.faults import FAULTS
from ..model.params import Param, Value
from ..model.scenario import Prices
from ..model.units import format_clock, format_duration, format_share
from ..scoring.harm import harm_of
from ..scoring.record import Record

STATUS_EVERY = 30.0
"""Seconds of drill time between two status lines."""
_LOUD = ("warning", "error")


def event_line(event: Event) -> str | None:
    """One line for an event that an on-call wants to see; None for the others."""
    text = _text(event)
    return None if text is None else f"[{format_clock(event.at)}] {text}"


def status_line(event: Event, prices: Prices | None = None) -> str:
    """One line for an observation; with prices also what the drill has cost so far."""
    if not isinstance(event.body, Observed):
        raise TypeError("a status line is that of an observation")
    slis = event.body.slis
    parts = [
        f"{_number(slis, 'request_rate', '{:.0f}')}/s",
        f"answered {_share(slis, 'availability')}",
        f"in time {_share(slis, 'latency')}",
        f"p95 {_time(slis, 'latency_p95')}",
        f"busy {_share(slis, 'saturation')}",
        f"queue {_number(slis, 'queue_length', '{:.0f}')}",
        f"replicas {_number(slis, 'replicas', '{:.0f}')}/{_number(slis, 'replicas_wanted', '{:.0f}')}",
    ]
    if prices is not None and event.body.ledger:
        parts.append(f"harm ${harm_of(event.body.ledger, prices).total:,.0f}")
    return f"[{format_clock(event.at)}]   " + "  ".join(parts)


def params_text(action: str, params: Mapping[str, object]) -> str:
    """Parameters of an action as a person would write them."""
    return _written(ACTIONS[action].params if action in ACTIONS else (), params)


def fault_params_text(fault: str, params: Mapping[str, object]) -> str:
    """Parameters of a fault as a scenario's author would write them."""
    return _written(FAULTS[fault].params if fault in FAULTS else (), params)


def _written(declared: Iterable[Param], params: Mapping[str, object]) -> str:
    known = {param.name: param for param in declared}
    parts = []
    for name, value in params.items():
        if name in known and isinstance(value, bool | int | float | str):
            parts.append(f"{name}={known[name].format(value)}")
        else:
            parts.append(f"{name}={value}")
    return " ".join(parts)


def result_line(result: Result) -> str:
    """One line for a drill: verdict, who played it, what it cost, why."""
    reasons = "; ".join((*result.judgement.reasons, *(f"alerts: {text}" for text in result.unmet)))
    who = f"{result.scenario.id} {result.operator} seed {result.seed}"
    worth = f"  impact {result.impact:.0f}" if result.impact is not None else ""
    return f"{result.judgement.verdict.value.upper():8} {who}  harm ${result.harm.total:,.2f}{worth}" + (
        f"  ({reasons})" if reasons else ""
    )


def result_data(result: Result) -> dict[str, object]:
    """A drill's result as JSON data."""
    return {
        "scenario": result.scenario.id,
        "profile": result.scenario.profile,
        "operator": result.operator,
        "seed": result.seed,
        "stack": result.stack,
        "verdict": result.judgement.verdict.value,
        "reasons": list(result.judgement.reasons),
        "objectives": [
            {"id": one.objective.id, "target": one.objective.target, "value": one.value, "requests": one.events, "met": one.met}
            for one in result.judgement.objectives
        ],
        "harm": {**result.harm.parts(), "total": result.harm.total},
        "impact": result.impact,
        "baselines": _baselines(result),
        "times": dataclasses.asdict(result.times),
        "actions": _actions(result),
        "hints": len(result.record.hints),
        "notes": [{"at": at, "actor": who, "text": text} for at, who, text in notes_of(result.record)],
        "alerts_unmet": list(result.unmet),
        "journal": str(result.journal) if result.journal else None,
    }


def _baselines(result: Result) -> dict[str, float] | None:
    """Harms in dollars."""
    known = result.baselines
    return None if known is None else {"idle": known.harm(known.idle), "reference": known.harm(known.reference)}


def _actions(result: Result) -> list[dict[str, object]]:
    """What was asked for. `saved` is in dollars, negative if it did harm; None where that was not looked into."""
    saved = {(one.command.actor, one.command.number): one.saved for one in result.counterfactuals or ()}
    return [
        {
            "at": command.at,
            "actor": command.actor,
            "action": command.action,
            "params": dict(command.params),
            "outcome": command.outcome,
            "reason": command.reason,
            "saved": saved.get((command.actor, command.number)),
        }
        for command in result.record.commands
    ]


def notes_of(record: Record) -> list[tuple[float, str, str]]:
    """When, who, and what they wrote for the debrief."""
    written = [one for one in record.commands if one.action == NOTE.name and one.outcome == "completed"]
    return [(one.at, one.actor, str(one.params["text"])) for one in written]


def _text(event: Event) -> str | None:
    return _of_command(event) or _of_service(event)


def _of_command(event: Event) -> str | None:
    """What became of a command."""
    match event.body:
        case Accepted(actor, _, action, params):
            return f"{actor}: {action} {params_text(action, params)}".rstrip()
        case Rejected(actor, _, action, params, reason):
            return f"{actor}: {action} {params_text(action, params)}".rstrip() + f" - REJECTED: {reason}"
        case Failed(actor, _, action, reason):
            return f"{actor}: {action} - FAILED: {reason}"
        case Hinted(_, hint, text):
            return f"hint {hint}: {text}"
        case Completed(_, _, action) if action in ACTIONS and ACTIONS[action].duration > 0:
            return f"{action}: done"
    return None


def _of_service(event: Event) -> str | None:
    """What happened to the service."""
    match event.body:
        case Began(_, title, pager):
            return f"{title}. You are on call; this page is about to reach you:\n\n{pager.strip()}\n"
        case Changed(field, before, after, by, why):
            told = f"{by}: {why}" if why else by
            return f"change: {field} {value_text(before)} -> {value_text(after)} ({told})"
        case Alerted(name, labels, _, state, _, summary, told) if state in ("firing", "resolved") and told:
            shown = f" - {summary}" if summary and state == "firing" else ""
            return f"{labels.get('severity', 'alert').upper()} {state}: {name}{shown}"
        case Logged(_, component, severity, text) if severity in _LOUD:
            return f"log: {component} {severity}: {text}"
        case Ended(reason):
            return f"the drill is over: {reason}"
    return None


def value_text(value: Value) -> str:
    """The value of a changed field: 0 is a value, and so is off."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) or "none"


def _number(slis: Mapping[str, float], name: str, form: str) -> str:
    return form.format(slis[name]) if name in slis else "-"


def _share(slis: Mapping[str, float], name: str) -> str:
    return format_share(round(slis[name], 3)) if name in slis else "-"


def _time(slis: Mapping[str, float], name: str) -> str:
    return format_duration(round(slis[name], 3)) if name in slis else "-"
