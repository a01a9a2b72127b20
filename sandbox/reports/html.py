"""The debrief as one self-contained HTML file: no script, nothing from outside, light and dark, for any width and paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ..drill import Result
from ..model.events import Alerted
from ..model.units import format_clock, format_duration, format_share
from ..scoring.harm import harm_of
from ..scoring.impact import PASSING, PASSING_CONTROL
from ..scoring.record import CommandRecord, Record
from .panels import panels
from .plain import fault_params_text, params_text
from .svg import Axis, Lane, Span, chart, timeline

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

WIDTHS = {"wide": 920, "narrow": 360}
"""Units across a drawing: one is drawn for each width of screen, so that its text is legible on both."""
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:)]")


def debrief_html(result: Result) -> str:
    """Everything about one drill as a page of its own."""
    return _template().render(
        result=result,
        scenario=result.scenario,
        verdict=result.judgement.verdict.value,
        gauge=_gauge(result),
        cards=list(_cards(result)),
        drawings=_drawings(result),
        actions=list(_actions(result)),
        explained=result.counterfactuals is not None,
        harms=_harms(result),
        objectives=list(_objectives(result)),
        paragraphs=_paragraphs,
        linked=_linked,
        clock=format_clock,
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader(__package__, ".")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("debrief.html.j2")


@dataclass(frozen=True, slots=True)
class Card:
    """A number that matters, with what it is and what it is held against."""

    name: str
    value: str
    note: str = ""


def _cards(result: Result) -> Iterator[Card]:
    times, scenario = result.times, result.scenario
    base = times.broken if times.broken is not None else times.injected
    least = PASSING_CONTROL if scenario.control else PASSING
    if result.impact is None:
        yield Card("Impact", "n/a", "nothing to compare with")
    else:
        yield Card("Impact", f"{result.impact:.0f}", f"idle is 0, the reference 100; {least:.0f} is needed")
    yield Card("Harm", f"${result.harm.total:,.0f}", _held_against(result))
    yield Card("Detected", _moment(times.detected), _after(times.detected, base, "declared"))
    yield Card("Diagnosed", _moment(times.diagnosed), _after(times.diagnosed, base, "component and cause named"))
    if times.broken is None:
        yield Card("Mitigated", "-", "no objective was missed")
    else:
        yield Card("Mitigated", _moment(times.mitigated), _after(times.mitigated, base, "all objectives met from here on"))


def _moment(at: float | None) -> str:
    return "never" if at is None else format_clock(at)


def _after(at: float | None, base: float | None, what: str) -> str:
    if at is None or base is None:
        return f"not {what}" if at is None else what
    return f"{what}, {format_duration(round(at - base))} after the first miss" if at >= base else what


def _held_against(result: Result) -> str:
    known = result.baselines
    if known is None:
        return "dollars"
    return f"idle ${known.harm(known.idle):,.0f}, reference ${known.harm(known.reference):,.0f}"


def _gauge(result: Result) -> dict[str, float] | None:
    """Places in percent of the impact's bar, which goes from -50 to 150."""
    if result.impact is None:
        return None
    least = PASSING_CONTROL if result.scenario.control else PASSING
    places = {"you": result.impact, "idle": 0.0, "reference": 100.0, "least": least}
    return {name: max(0.0, min(100.0, (value + 50.0) / 2.0)) for name, value in places.items()}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart in all widths."""

    title: str
    note: str
    pictures: tuple[tuple[str, Markup], ...]


def _drawings(result: Result) -> list[Drawing]:
    duration = result.scenario.duration
    axes = {name: Axis(width, duration) for name, width in WIDTHS.items()}
    faults = tuple(_faults(result.record, duration))
    asked = [command.at for command in result.record.commands]
    lanes = [Lane(name, (span,)) for name, span in faults]
    lanes += [Lane(name, spans) for name, spans in _alerts(result.record, duration).items()]
    told = "Timeline: faults, alerts and actions"
    drawn = [_drawing("Timeline", "", {name: timeline(axis, lanes, asked, told) for name, axis in axes.items()})]
    bands = [span for _, span in faults]
    for panel in panels(result):
        told = f"{panel.title}: {panel.note}, from {panel.write(panel.bottom)} to {panel.write(panel.top)}"
        pictures = {name: chart(axis, panel, bands, asked, told) for name, axis in axes.items()}
        drawn.append(_drawing(panel.title, panel.note, pictures))
    return drawn


def _drawing(title: str, note: str, pictures: dict[str, str]) -> Drawing:
    from markupsafe import Markup

    return Drawing(title, note, tuple((name, Markup(text)) for name, text in pictures.items()))  # noqa: S704  # `svg` has escaped it


def _faults(record: Record, duration: float) -> Iterator[tuple[str, Span]]:
    ends = {beat: at for at, beat in record.cleared}
    for at, fault in record.faults:
        what = f"{fault.fault} {fault_params_text(fault.fault, fault.params)}".strip()
        yield f"fault: {what}", Span(at, ends.get(fault.beat, duration), "fault-bar")


def _alerts(record: Record, duration: float) -> dict[str, tuple[Span, ...]]:
    """From firing to resolved, by severity and name, in the order of first firing; the windows of an objective share a lane."""
    began: dict[tuple[str, str], float] = {}
    found: dict[str, list[Span]] = {}
    for at, alert in record.alerts:
        key = (_lane(alert), alert.labels.get("window", ""))
        if alert.state == "firing":
            began.setdefault(key, at)
            found.setdefault(key[0], [])
        elif key in began:
            found[key[0]].append(Span(began.pop(key), at, key[0].partition(":")[0]))
    for (lane, _), at in began.items():
        found[lane].append(Span(at, duration, lane.partition(":")[0]))
    return {lane: tuple(sorted(spans, key=lambda span: span.start)) for lane, spans in found.items()}


def _lane(alert: Alerted) -> str:
    return f"{alert.labels.get('severity', 'ticket')}: {alert.name}"


@dataclass(frozen=True, slots=True)
class ActionRow:
    """One command: its number on the timeline, when, who, what, what became of it, what it saved in dollars."""

    number: int
    at: str
    actor: str
    what: str
    outcome: str
    saved: str
    kind: str


def _actions(result: Result) -> Iterator[ActionRow]:
    saved = {(one.command.actor, one.command.number): one.saved for one in result.counterfactuals or ()}
    for number, command in enumerate(result.record.commands, 1):
        value = saved.get((command.actor, command.number))
        text, kind = _saved(value)
        yield ActionRow(number, format_clock(command.at), command.actor, _asked(command), _outcome(command), text, kind)


def _saved(value: float | None) -> tuple[str, str]:
    if value is None:
        return "-", ""
    if abs(value) < 0.5:
        return "$0", ""
    return (f"saved ${value:,.0f}", "good") if value > 0 else (f"cost ${-value:,.0f}", "bad")


def _asked(command: CommandRecord) -> str:
    return f"{command.action} {params_text(command.action, command.params)}".rstrip()


def _outcome(command: CommandRecord) -> str:
    return command.outcome + (f": {command.reason}" if command.reason else "")


def _harms(result: Result) -> dict[str, object]:
    """Rows of harm by part, and the columns' names."""
    records: dict[str, Record] = {"you": result.record}
    if result.baselines is not None:
        records |= {"idle": result.baselines.idle, "reference": result.baselines.reference}
    prices = result.scenario.world.prices
    harms = {name: harm_of(record.ledger, prices) for name, record in records.items() if record.ledger}
    parts = {part: [harm.parts()[part] for harm in harms.values()] for part in result.harm.parts()}
    rows = [(name, [f"${value:,.2f}" for value in values]) for name, values in parts.items() if any(values)]
    return {"columns": list(harms), "rows": rows, "total": [f"${harm.total:,.2f}" for harm in harms.values()]}


def _objectives(result: Result) -> Iterator[tuple[str, str, str, str, bool]]:
    for one in result.judgement.objectives:
        value = "no data" if one.value is None else format_share(round(one.value, 4))
        yield one.objective.id, one.objective.wanted, value, f"{one.events:,.0f}", one.met


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


def _linked(text: str) -> Markup:
    """A source, with what is a web address made a link; nothing else ever becomes one."""
    from markupsafe import Markup, escape

    parts, place = [], 0
    for found in _LINK.finditer(text):
        address = escape(found.group())
        parts += [escape(text[place : found.start()]), Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(address)]
        place = found.end()
    return Markup("").join([*parts, escape(text[place:])])
