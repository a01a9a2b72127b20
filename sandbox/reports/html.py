"""The debrief as one self-contained HTML file: no script, nothing from outside, light and dark, for any width and paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from shlex import quote
from typing import TYPE_CHECKING

from ..assessing import SIMULATION
from ..drill import Result
from ..model.units import format_clock, format_duration, format_share
from ..provenance import versions
from ..scoring.harm import harm_of
from ..scoring.record import CommandRecord, Record
from .figures import asked, figures_of
from .panels import IDLE, REFERENCE, YOU, is_about_health
from .plain import notes_of
from .scale import scale_of
from .versions import HEAD as VERSION_HEAD
from .versions import version_rows

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:)]")


def debrief_html(result: Result) -> str:
    """Everything about one drill as a page of its own."""
    return _template().render(
        result=result,
        scenario=result.scenario,
        verdict=result.judgement.verdict.value,
        window=format_duration(result.scenario.verdict_window),
        scale=scale_of(result.scenario),
        gauge=_gauge(result),
        cards=list(_cards(result)),
        figures=figures_of(result),
        about_health=is_about_health(result),
        actions=list(_actions(result)),
        actors=sorted({command.actor for command in result.record.commands}),
        explained=result.counterfactuals is not None,
        harms=_harms(result),
        versions=version_rows(result),
        notes=_notes(result),
        version_head=VERSION_HEAD,
        objectives=list(_objectives(result)),
        facts=list(_facts(result)),
        paragraphs=_paragraphs,
        linked=_linked,
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
    times = result.times
    since = (times.injected, "the fault") if times.broken is None else (times.broken, "the first miss")
    yield Card("Harm", f"${result.harm.total:,.0f}", _held_against(result))
    yield Card("Detected", _moment(times.detected), _after(times.detected, since, "declared", "the incident was not declared"))
    named, unnamed = "component and cause named", "component and cause were not named, or not rightly"
    yield Card("Diagnosed", _moment(times.diagnosed), _after(times.diagnosed, since, named, unnamed))
    if times.broken is None:
        yield Card("Mitigated", "-", "no objective was missed")
    else:
        met, missed = "all objectives met from here on", "not all objectives were met at the end"
        yield Card("Mitigated", _moment(times.mitigated), _after(times.mitigated, since, met, missed))


def _moment(at: float | None) -> str:
    return "never" if at is None else format_clock(at)


def _after(at: float | None, since: tuple[float | None, str], reached: str, missed: str) -> str:
    """What a moment is, and how long it came after the fault or the first missed objective."""
    if at is None:
        return missed
    start, what = since
    return f"{reached}, {format_duration(round(at - start))} after {what}" if start is not None and at >= start else reached


def _held_against(result: Result) -> str:
    known = result.baselines
    if known is None:
        return "dollars"
    return f"idle ${known.harm(known.idle):,.0f}, reference ${known.harm(known.reference):,.0f}"


def _gauge(result: Result) -> dict[str, float] | None:
    """Places in percent of the impact's bar, which goes from -50 to 150."""
    if result.impact is None:
        return None
    places = {"you": result.impact, "none": 0.0, "all": 100.0, "least": scale_of(result.scenario).least}
    return {name: max(0.0, min(100.0, (value + 50.0) / 2.0)) for name, value in places.items()}


def _notes(result: Result) -> list[tuple[str, str, str]]:
    """When, who or which hint, and the text."""
    hints = [(at, f"hint {one.hint} of {len(result.scenario.hints)}", one.text) for at, one in result.record.hints]
    return [(format_clock(at), who, text) for at, who, text in sorted([*notes_of(result.record), *hints])]


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
        yield ActionRow(number, format_clock(command.at), command.actor, asked(command), _outcome(command), text, kind)


def _saved(value: float | None) -> tuple[str, str]:
    if value is None:
        return "-", ""
    if abs(value) < 0.5:
        return "$0", ""
    return (f"saved ${value:,.0f}", "good") if value > 0 else (f"cost ${-value:,.0f}", "bad")


def _outcome(command: CommandRecord) -> str:
    return command.outcome + (f": {command.reason}" if command.reason else "")


def _harms(result: Result) -> dict[str, object]:
    """Rows of harm by part, and the columns' names."""
    records: dict[str, Record] = {YOU: result.record}
    if result.baselines is not None:
        records |= {IDLE: result.baselines.idle, REFERENCE: result.baselines.reference}
    prices = result.scenario.world.prices
    harms = {name: harm_of(record.ledger, prices) for name, record in records.items() if record.ledger}
    parts = {part: [harm.parts()[part] for harm in harms.values()] for part in result.harm.parts()}
    rows = [(name, [f"${value:,.2f}" for value in values]) for name, values in parts.items() if any(values)]
    return {"columns": list(harms), "rows": rows, "total": [f"${harm.total:,.2f}" for harm in harms.values()]}


def _objectives(result: Result) -> Iterator[tuple[str, str, str, str, bool]]:
    for one in result.judgement.objectives:
        value = "no data" if one.value is None else format_share(round(one.value, 4))
        yield one.objective.id, one.objective.wanted, value, f"{one.events:,.0f}", one.met


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    """Which drill this was, and how to play it again."""
    scenario = result.scenario
    yield "scenario", f"{scenario.id}{f', profile {scenario.profile}' if scenario.profile else ''}"
    yield "its digest", scenario.digest[:16]
    yield "seed", str(result.seed)
    yield "stack", result.stack
    yield "operator", result.operator
    yield "page made with", ", ".join(f"{name} {version}" for name, version in versions().items())
    if result.journal is not None:
        yield "journal", f"{result.journal.name}, which names the versions that it was played with"
        if result.stack == SIMULATION:
            yield "to replay it, event for event", f"drillbox replay {quote(result.journal.name)}"


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
