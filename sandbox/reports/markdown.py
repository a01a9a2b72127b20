"""The debrief as Markdown, from the journal alone."""

from __future__ import annotations

import dataclasses

from ..drill import Result
from ..model.events import Alerted, Changed, Injected
from ..model.scenario import Scenario
from ..model.units import format_clock, format_duration, format_share
from ..scoring.harm import harm_of
from ..scoring.record import CommandRecord
from .course import course
from .plain import fault_params_text, notes_of, params_text, value_text
from .scale import scale_of
from .versions import HEAD, version_rows


def debrief(result: Result) -> str:
    """Everything about one drill: verdict, harm, course, timeline with the fault, what it was, what to learn."""
    scenario = result.scenario
    parts = [
        f"# {scenario.title}",
        f"`{scenario.id}`, played by **{result.operator}** on `{result.stack}`, seed {result.seed}"
        + (f", profile `{scenario.profile}`" if scenario.profile else ""),
        _verdict(result),
        _score(result),
        _harm(result),
        _worth(result),
        course(result),
        _versions(result),
        _notes(result),
        _timeline(result),
        _answer(scenario),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(result: Result) -> str:
    lines = [f"## {result.judgement.verdict.value.capitalize()}", ""]
    lines += [f"- {reason}" for reason in result.judgement.reasons]
    lines += [f"- alerts: {text}" for text in result.unmet]
    window = format_duration(result.scenario.verdict_window)
    lines += ["", f"| objective | over the last {window} | target | requests | met |", "|---|---|---|---|---|"]
    for one in result.judgement.objectives:
        value = "no data" if one.value is None else f"{one.value:.2%}"
        lines.append(f"| {_goal(one.objective.id, one.objective.bound)} | {value} | {format_share(one.objective.target)} | "
                     f"{one.events:.0f} | {'yes' if one.met else 'NO'} |")  # fmt: skip
    return "\n".join(lines)


def _score(result: Result) -> str:
    """Impact and times."""
    times = result.times
    names = {"detected": times.detected, "diagnosed": times.diagnosed, "mitigated": times.mitigated}
    impact = "n/a" if result.impact is None else f"{result.impact:.0f} ({scale_of(result.scenario).told})"
    told = [f"{name} {'never' if at is None else 'at ' + format_clock(at)}" for name, at in names.items()]
    return f"Impact {impact}; {', '.join(told)}."


def _harm(result: Result) -> str:
    ledger = result.record.ledger
    rows = {
        "failed": f"{ledger.get('failed', 0):,.0f} requests without an answer",
        "slow": f"{ledger.get('slow', 0):,.0f} answers too late",
        "predictions": f"wrong predictions among {ledger.get('slow', 0) + ledger.get('ok', 0):,.0f} answers",
        "replicas": f"{ledger.get('replica_seconds', 0) / 3600:,.2f} replica-hours",
        "training": f"{ledger.get('training_seconds', 0) / 3600:,.2f} training-hours",
    }
    harms = [result.harm]
    if result.baselines is not None:
        prices = result.scenario.world.prices
        harms += [harm_of(record.ledger, prices) for record in (result.baselines.idle, result.baselines.reference)]
    head = ["$", "idle $", "reference $"][: len(harms)]
    lines = ["## What it cost", "", f"| | for | {' | '.join(head)} |", "|---|---|" + "---:|" * len(harms)]
    for name in result.harm.parts():
        values = " | ".join(f"{harm.parts()[name]:,.2f}" for harm in harms)
        lines.append(f"| {name} | {rows[name]} | {values} |")
    lines.append(f"| **all** | | {' | '.join(f'**{harm.total:,.2f}**' for harm in harms)} |")
    return "\n".join(lines)


def _worth(result: Result) -> str:
    """What each action saved or cost."""
    if not result.counterfactuals:
        return ""
    lines = ["## What the actions were worth", "", "Against the same drill without the one action.", ""]
    lines += ["| time | who | what | $ saved |", "|---|---|---|---:|"]
    for one in result.counterfactuals:
        asked = f"{one.command.action} {params_text(one.command.action, one.command.params)}".rstrip()
        lines.append(f"| {format_clock(one.command.at)} | {_cell(one.command.actor)} | `{_cell(asked)}` | {one.saved:,.2f} |")
    return "\n".join(lines)


def _versions(result: Result) -> str:
    """What the versions of the model were trained on, and how good they were."""
    rows = version_rows(result)
    if not rows:
        return ""
    lines = ["## Versions of the model", "", f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    lines += [f"| {' | '.join(_cell(one) or '-' for one in dataclasses.astuple(row))} |" for row in rows]
    return "\n".join(lines)


def _notes(result: Result) -> str:
    """What was written down, and the hints that were asked for."""
    hints = [(at, f"hint {one.hint} of {len(result.scenario.hints)}", one.text) for at, one in result.record.hints]
    rows = sorted([*notes_of(result.record), *hints])
    lines = ["## Notes and hints", ""] + [f"- {format_clock(at)} **{_cell(who)}**: {_cell(text)}" for at, who, text in rows]
    return "\n".join(lines) if rows else ""


def _timeline(result: Result) -> str:
    record = result.record
    rows: list[tuple[float, int, str, str]] = []
    rows += [(at, 0, "**fault**", _fault(fault)) for at, fault in record.faults]
    rows += [(at, 1, "**fault over**", beat) for at, beat in record.cleared]
    for at, alert in record.alerts:
        if alert.state in ("firing", "resolved"):
            rows.append((at, 2, alert.labels.get("severity", "alert"), _alert(alert)))
    rows += [(command.at, 3, command.actor, _command(command)) for command in record.commands]
    rows += [(at, 4, change.by, _change(change)) for at, change in record.changes]
    lines = ["## What happened", "", "| time | who | what |", "|---|---|---|"]
    lines += [
        f"| {format_clock(at)} | {_cell(who)} | {_cell(what)} |" for at, _, who, what in sorted(rows, key=lambda row: row[:2])
    ]
    return "\n".join(lines)


def _fault(fault: Injected) -> str:
    return f"`{fault.fault}` {fault_params_text(fault.fault, fault.params)} ({fault.beat})".replace("  ", " ")


def _command(command: CommandRecord) -> str:
    """What was asked and, unless it was simply done, what became of it."""
    asked = f"`{f'{command.action} {params_text(command.action, command.params)}'.rstrip()}`"
    if command.outcome == "completed":
        return asked
    return f"{asked} — {command.outcome}" + (f": {command.reason}" if command.reason else "")


def _cell(text: str) -> str:
    """Text that cannot end a cell of a table: what a person typed may hold anything."""
    return " ".join(text.split()).replace("|", "\\|")


def _alert(alert: Alerted) -> str:
    window = f" over {alert.labels['window']}" if "window" in alert.labels else ""
    return f"{alert.name}{window} {alert.state}" + (f": {alert.summary}" if alert.summary and alert.state == "firing" else "")


def _change(change: Changed) -> str:
    why = f" ({change.why})" if change.why else ""
    return f"`{change.field}` {value_text(change.before)} → {value_text(change.after)}{why}"


def _answer(scenario: Scenario) -> str:
    lesson = scenario.debrief
    lines = [
        "## What it was",
        "",
        f"Cause: `{scenario.answer.cause}`, component: `{scenario.answer.component}`.",
        "",
        lesson.story.strip(),
    ]
    if lesson.sooner:
        lines += ["", "## How to see it sooner", "", lesson.sooner.strip()]
    lines += ["", "## Tempting, and wrong", ""] if scenario.tempting else []
    lines += [f"- **{book.id}**: {' '.join(book.why.split())}" for book in scenario.tempting]
    if lesson.sources:
        lines += ["", "## Sources", ""] + [f"- {source}" for source in lesson.sources]
    return "\n".join(lines)


def _goal(name: str, bound: float | None) -> str:
    return name if bound is None else f"{name} (within {format_duration(bound)})"
