"""The debrief as Markdown, from the journal alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..drill import Result
from ..model.events import Alerted, Changed, Injected
from ..model.scenario import Scenario
from ..model.units import format_clock, format_duration, format_share
from ..scoring.harm import harm_of
from ..scoring.record import CommandRecord, Point
from .charts import chart
from .plain import fault_params_text, params_text, value_text

_WIDTH = 60


def debrief(result: Result) -> str:
    """Everything about one drill: verdict, harm, course, timeline with the fault, what it was, what to learn."""
    scenario = result.scenario
    parts = [
        f"# {scenario.title}",
        f"`{scenario.id}`, played by **{result.operator}** on `{result.stack}`, seed {result.seed}"
        + (f", profile `{scenario.profile}`" if scenario.profile else ""),
        _verdict(result),
        _harm(result),
        _course(result),
        _timeline(result),
        _answer(scenario),
    ]
    return "\n\n".join(parts) + "\n"


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


def _harm(result: Result) -> str:
    ledger = result.record.ledger
    rows = {
        "failed": f"{ledger.get('failed', 0):,.0f} requests without an answer",
        "slow": f"{ledger.get('slow', 0):,.0f} answers too late",
        "predictions": f"wrong predictions among {ledger.get('slow', 0) + ledger.get('ok', 0):,.0f} answers",
        "replicas": f"{ledger.get('replica_seconds', 0) / 3600:,.2f} replica-hours",
        "training": f"{ledger.get('training_seconds', 0) / 3600:,.2f} training-hours",
    }
    lines = ["## What it cost", "", "| | for | $ |", "|---|---|---:|"]
    lines += [f"| {name} | {rows[name]} | {value:,.2f} |" for name, value in result.harm.parts().items()]
    lines.append(f"| **all** | | **{result.harm.total:,.2f}** |")
    return "\n".join(lines)


def _course(result: Result) -> str:
    """Charts over the drill. Each axis is fixed by the scenario, not by the values."""
    scenario, points = result.scenario, result.record.points
    bound = scenario.latency_bound() or 1.0
    replicas = max(1, scenario.service.champion.replicas, scenario.service.autoscaler.maximum)
    share = [f"{format_share(goal.target)}" for goal in scenario.objectives if goal.sli == "availability"]
    rows = [
        ("traffic", "0 to 5x the usual rate", _of("request_rate"), scenario.world.traffic.rate * 5),
        ("latency p95", f"0 to {format_duration(4 * bound)}, a quarter is the bound", _of("latency_p95"), 4 * bound),
        ("errors", f"0 to 100% of requests{', availability objective ' + share[0] if share else ''}", _of("error_ratio"), 1.0),
        ("saturation", "0 to 100% of slots busy", _of("saturation"), 1.0),
        ("replicas", f"0 to {2 * replicas} ready", _of("replicas"), 2.0 * replicas),
        ("money", "$ of harm per minute, 0 to a request rate of failures", _money(result), _worst(scenario)),
    ]  # fmt: skip
    ends = f"{format_clock(points[0].at)} to {format_clock(points[-1].at)}" if points else "nothing was observed"
    lines = ["## The course", "", f"Each line is the whole drill, {ends}; `·` is no data.", "", "```text"]
    for name, axis, read, top in rows:
        lines.append(f"{name:12}|{chart([read(place, points) for place in range(len(points))], top, _WIDTH):{_WIDTH}}| {axis}")
    lines.append("```")
    return "\n".join(lines)


Reader = Callable[[int, Sequence[Point]], float | None]


def _of(sli: str) -> Reader:
    return lambda place, points: points[place].slis.get(sli)


def _money(result: Result) -> Reader:
    """Dollars per minute between an observation and the one before."""
    prices = result.scenario.world.prices

    def read(place: int, points: Sequence[Point]) -> float | None:
        if place == 0:
            return None
        before, now = points[place - 1], points[place]
        added = harm_of(now.ledger, prices).total - harm_of(before.ledger, prices).total
        return added / (now.at - before.at) * 60.0

    return read


def _worst(scenario: Scenario) -> float:
    """What it costs if every request at the usual rate fails, in dollars per minute."""
    return scenario.world.traffic.rate * scenario.world.prices.failed * 60.0


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
    return f"`{change.field}` {value_text(change.before)} → {value_text(change.after)}"


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
