"""A drill's result as the plain facts that the terminal's debrief shows; the same panels and words as in the other reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .sandbox.drill import Result
from .sandbox.journal import Journal
from .sandbox.model.events import Alerted, Audience
from .sandbox.model.units import format_clock, format_duration, format_share
from .sandbox.reports.figures import asked
from .sandbox.reports.panels import Panel, health_panels, panels, summary
from .sandbox.reports.plain import fault_params_text, notes_of
from .sandbox.reports.scale import scale_of
from .sandbox.scoring.harm import harm_of
from .sandbox.scoring.record import Record
from .tui.ports import Chart, Debrief, Deed, Goal, Lane, Line, Moment, Recording, Wanted


def debrief_of(result: Result, journal: Path) -> Debrief:
    """Everything about one drill."""
    scenario, scale = result.scenario, scale_of(result.scenario)
    return Debrief(
        scenario=scenario.id,
        title=scenario.title,
        verdict=result.judgement.verdict.value,
        passed=result.passed,
        reasons=(*result.judgement.reasons, *(f"alerts: {text}" for text in result.unmet)),
        impact=result.impact,
        scale=scale.told,
        least=scale.least,
        duration=scenario.duration,
        window=scenario.verdict_window,
        goals=tuple(_goals(result)),
        harms=_harms(result),
        moments=tuple(_moments(result)),
        deeds=tuple(_deeds(result)),
        notes=tuple(_notes(result)),
        hints=len(result.record.hints),
        explained=result.counterfactuals is not None,
        lanes=(*_faults(result.record, scenario.duration), *_alerts(result.record, scenario.duration)),
        charts=tuple(_chart(panel, result) for panel in (*panels(result), *health_panels(result))),
        component=scenario.answer.component,
        cause=scenario.answer.cause,
        story=scenario.debrief.story.strip(),
        sooner=scenario.debrief.sooner.strip(),
        tempting=tuple((book.id, " ".join(book.why.split())) for book in scenario.tempting),
        sources=scenario.debrief.sources,
        journal=journal,
        wanted=Wanted(scenario.id, result.stack, result.seed, profile=scenario.profile),
        exit_code=int(result.exit_code),
    )


def recording_of(result: Result, journal: Journal) -> Recording:
    """What the on-call could see of a drill."""
    scenario = result.scenario
    return Recording(
        title=scenario.title,
        duration=scenario.duration,
        events=tuple(event for event in journal.events if event.audience is Audience.ALL),
        objectives=scenario.objectives,
        prices=scenario.world.prices,
        rate=scenario.world.traffic.rate,
        bound=scenario.latency_bound(),
    )


def _goals(result: Result) -> Iterator[Goal]:
    for one in result.judgement.objectives:
        value = "no data" if one.value is None else format_share(round(one.value, 4))
        yield Goal(one.objective.id, one.objective.wanted, value, one.met)


def _harms(result: Result) -> dict[str, dict[str, float]]:
    known = result.baselines
    prices = result.scenario.world.prices
    records: dict[str, Record] = {"you": result.record}
    if known is not None:
        records |= {"idle": known.idle, "reference": known.reference}
    return {who: harm_of(record.ledger, prices).parts() for who, record in records.items() if record.ledger}


def _moments(result: Result) -> Iterator[Moment]:
    times = result.times
    start, since = (times.injected, "the fault") if times.broken is None else (times.broken, "the first miss")

    def moment(name: str, at: float | None, reached: str, missed: str) -> Moment:
        if at is None:
            return Moment(name, None, missed)
        after = f", {format_duration(round(at - start))} after {since}" if start is not None and at >= start else ""
        return Moment(name, at, reached + after)

    yield moment("detected", times.detected, "declared", "the incident was not declared")
    yield moment("diagnosed", times.diagnosed, "component and cause named", _not_diagnosed(result))
    never = "no objective was missed" if times.broken is None else "not all objectives were met at the end"
    yield moment("mitigated", times.mitigated, "all objectives met from here on", never)


def _not_diagnosed(result: Result) -> str:
    """Why nothing counts as a diagnosis: none was given, or the last one was not right."""
    named = [
        one.params for one in result.record.commands if one.action == "diagnose" and one.outcome in ("accepted", "completed")
    ]
    if not named:
        return "component and cause were not named"
    return f"{named[-1].get('component')} and {named[-1].get('cause')} were named last, which is not what it was"


def _deeds(result: Result) -> Iterator[Deed]:
    saved = {(one.command.actor, one.command.number): one.saved for one in result.counterfactuals or ()}
    for one in result.record.commands:
        yield Deed(one.at, one.actor, asked(one), one.outcome, one.reason, saved.get((one.actor, one.number)))


def _notes(result: Result) -> list[tuple[float, str, str]]:
    hints = [(at, f"hint {one.hint} of {len(result.scenario.hints)}", one.text) for at, one in result.record.hints]
    return sorted([*notes_of(result.record), *hints])


def _faults(record: Record, duration: float) -> Iterator[Lane]:
    ends = {beat: at for at, beat in record.cleared}
    for at, fault in record.faults:
        what = f"{fault.fault} {fault_params_text(fault.fault, fault.params)}".strip()
        yield Lane("fault", what, ((at, ends.get(fault.beat, duration)),))


def _alerts(record: Record, duration: float) -> Iterator[Lane]:
    """From firing to resolved, by severity and name, in the order of first firing."""
    began: dict[tuple[tuple[str, str], tuple[str, ...]], float] = {}
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for at, alert in record.alerts:
        row = _row(alert)
        key = (row, tuple(f"{name}={value}" for name, value in sorted(alert.labels.items())))
        if alert.state == "firing":
            began.setdefault(key, at)
            found.setdefault(row, [])
        elif key in began:
            found[row].append((began.pop(key), at))
    for (row, _), at in began.items():
        found[row].append((at, duration))
    for (kind, name), spans in found.items():
        yield Lane(kind, name, tuple(sorted(spans)))


def _row(alert: Alerted) -> tuple[str, str]:
    window = f" {alert.labels['window']}" if "window" in alert.labels else ""
    return "page" if alert.labels.get("severity") == "page" else "ticket", alert.name + window


def _chart(panel: Panel, result: Result) -> Chart:
    first = min((at for at, _ in result.record.faults), default=0.0)

    def line(who: str, points: tuple[tuple[float, float | None], ...]) -> Line:
        value = summary(panel, points, first, result.scenario.duration)
        return Line(who, points, "no data" if value is None else panel.write(value))

    note = f"{panel.note}; " + ("at the end" if panel.summed else f"mean from {format_clock(first)} on")
    lines = tuple(line(who, points) for who, points in panel.curves)
    return Chart(panel.title, note, panel.bottom, panel.top, lines, panel.write, panel.limit, panel.limit_note)
