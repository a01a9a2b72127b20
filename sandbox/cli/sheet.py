"""A scenario as the on-call meets it and, on request, with what is behind it: lines for people, data for programs."""

from __future__ import annotations

import textwrap

from ..model.actions import ACTIONS
from ..model.scenario import Runbook, Scenario
from ..model.service import fields_of
from ..model.units import format_duration
from .listing import stars

WIDTH = 100


def as_lines(scenario: Scenario, *, spoilers: bool = False) -> list[str]:
    """Lines for people."""
    spec, clients = scenario.service, scenario.world.clients
    scaler = f"{spec.autoscaler.minimum} to {spec.autoscaler.maximum}" if spec.autoscaler.enabled else "off"
    lines = [
        f"{scenario.title}  ({scenario.id})",
        "",
        textwrap.indent(scenario.pager.strip(), "  "),
        "",
        f"difficulty   {stars(scenario.difficulty)}",
        _row("skills", ", ".join(scenario.skills)),
        f"duration     {format_duration(scenario.duration)} of drill time; stacks: {', '.join(scenario.stacks)}",
        f"traffic      {scenario.world.traffic.rate:g}/s on an ordinary day{_known_shapes(scenario)}",
        f"clients      hang up after {format_duration(clients.timeout)}, {clients.retries} retries",
        f"service      {spec.champion.replicas} replicas of {spec.champion.version}; autoscaler {scaler}",
        f"replica      {spec.champion.concurrency} slots, queue of {spec.champion.queue}",
        f"gateway      timeout {format_duration(spec.gateway.timeout)}, {spec.gateway.retries} retries",
    ]
    lines += [f"objective    {goal.id}: {goal.wanted}" for goal in scenario.objectives]
    lines.append(_row("actions", ", ".join(ACTIONS)))
    return lines + (_behind(scenario) if spoilers else [])


def as_data(scenario: Scenario, *, spoilers: bool = False) -> dict[str, object]:
    """Data for programs; durations in seconds, shares as fractions of 1."""
    world = scenario.world
    data: dict[str, object] = {
        "id": scenario.id,
        "title": scenario.title,
        "pager": scenario.pager.strip(),
        "difficulty": scenario.difficulty,
        "skills": list(scenario.skills),
        "stacks": list(scenario.stacks),
        "profile": scenario.profile,
        "duration_seconds": scenario.duration,
        "traffic_per_second": world.traffic.rate,
        "clients": {"timeout_seconds": world.clients.timeout, "retries": world.clients.retries},
        "service": dict(fields_of(scenario.service)),
        "objectives": [
            {"id": goal.id, "sli": goal.sli, "target": goal.target, "bound_seconds": goal.bound, "brier": goal.brier}
            for goal in scenario.objectives
        ],
        "actions": [
            {"name": action.name, "help": action.help, "params": [param.name for param in action.params]}
            for action in ACTIONS.values()
        ],
    }
    if spoilers:
        data |= {
            "group": scenario.group,
            "control": scenario.control,
            "answer": {"component": scenario.answer.component, "cause": scenario.answer.cause},
            "timeline": [
                {"id": beat.id, "fault": beat.fault, "at_seconds": beat.at, "when": beat.when, "params": dict(beat.params)}
                for beat in scenario.timeline
            ],
            "operators": {name: _book(book) for name, book in scenario.runbooks.items()},
            "story": scenario.debrief.story.strip(),
        }
    return data


def _known_shapes(scenario: Scenario) -> str:
    """What everybody on call knows of the traffic; what is special about today is a spoiler."""
    kinds = {shape.kind for flow in scenario.world.traffic.flows for shape in flow.shapes}
    words = {"diurnal": "with the hours of the day", "burst": "in bursts"}
    return "".join(f", {text}" for kind, text in words.items() if kind in kinds)


def _behind(scenario: Scenario) -> list[str]:
    lines = ["", "SPOILERS", f"cause        {scenario.answer.cause} at {scenario.answer.component} ({scenario.group})"]
    for beat in scenario.timeline:
        when = f"at {format_duration(beat.at)}" if beat.at is not None else f"when {beat.when}"
        lines.append(f"beat         {beat.id}: {beat.fault} {when}")
    lines += [
        f"traffic      {flow.rate:g}/s x {', '.join(shape.kind for shape in flow.shapes) or 'nothing'}"
        for flow in scenario.world.traffic.flows
    ]
    for book in scenario.runbooks.values():
        lines += ["", f"operator     {book.id}"]
        lines += textwrap.wrap(book.why.strip(), WIDTH, initial_indent="  ", subsequent_indent="  ")
        lines += [f"  - {step.action} {dict(step.params) or ''}".rstrip() for step in book.steps]
    return lines


def _book(book: Runbook) -> dict[str, object]:
    steps = [{"action": step.action, "params": dict(step.params), "why": step.why} for step in book.steps]
    return {"why": book.why.strip(), "notice_seconds": book.notice, "step_seconds": book.step, "steps": steps}


def _row(name: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=f"{name:13}", subsequent_indent=" " * 13, break_on_hyphens=False)
