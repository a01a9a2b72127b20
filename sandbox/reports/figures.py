"""What a debrief draws: the ruler of time and actions, the lanes of faults and alerts, and the charts with their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..drill import Result
from ..model.events import Alerted
from ..model.units import format_clock
from ..scoring.record import CommandRecord, Record
from .panels import IDLE, REFERENCE, WANTED, YOU, Curve, Panel, health_panels, panels, summary
from .plain import fault_params_text, params_text
from .svg import Axis, Lane, Mark, Span, bands, chart, lane, lines, ruler, sample
from .versions import services

if TYPE_CHECKING:
    from markupsafe import Markup

ROOMS = {"wide": 560.0, "narrow": 250.0}
"""Least pixels across the time axis, on wide screens and on narrow ones."""
NAMES = {YOU: "this drill", IDLE: "idle", REFERENCE: "reference", WANTED: "wanted"}
"""How the lines of a chart are called."""
TALL = 3
"""Rows of actions from which on the ruler would cover too much of the screen, were it to stay there."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A line of a chart in one number."""

    sample: Markup
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing and what stands beside it."""

    kind: str
    title: str
    note: str
    picture: Markup
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """All drawings of a debrief. `rulers` are by width of screen; `stays`: they are low enough to stay in sight."""

    rulers: tuple[tuple[str, Markup], ...]
    stays: bool
    bands: Markup
    lanes: tuple[Figure, ...]
    charts: tuple[Figure, ...]
    health: tuple[Figure, ...]
    samples: dict[str, Markup]


def figures_of(result: Result) -> Figures:
    """Draw a drill."""
    duration = result.scenario.duration
    faults = tuple(_faults(result.record, duration))
    marks = tuple(_marks(result.record))
    axis = Axis(duration, tuple(span for one in faults for span in one.spans), marks)
    rows = [*faults, *_alerts(result.record, duration), *_versions(result)]
    rulers = {name: ruler(axis, room) for name, room in ROOMS.items()}
    return Figures(
        rulers=tuple((name, _safe(text)) for name, text in rulers.items()),
        stays=len(marks) <= TALL or all(_height(text) <= 24 + TALL * 22 for text in rulers.values()),
        bands=_safe(bands(axis)),
        lanes=tuple(Figure(row.kind, row.kind, row.name, _safe(lane(axis, row))) for row in rows),
        charts=tuple(_chart(axis, panel) for panel in panels(result)),
        health=tuple(_chart(axis, panel) for panel in health_panels(result)),
        samples={who: _safe(sample(who)) for who in (*NAMES, "limit", "clip")},
    )


def asked(command: CommandRecord) -> str:
    """A command as a person would type it."""
    return f"{command.action} {params_text(command.action, command.params)}".rstrip()


def _chart(axis: Axis, panel: Panel) -> Figure:
    readings = tuple(_readings(axis, panel))
    numbers = ", ".join(f"{one.name} {one.value}" for one in readings)
    told = f"From {panel.write(panel.bottom)} to {panel.write(panel.top)}. {_summed(axis, panel)}: {numbers}."
    if panel.limit is not None:
        told += f" The line: {panel.limit_note}."
    return Figure("chart", panel.title, panel.note, _safe(chart(axis, panel, told)), readings)


def _summed(axis: Axis, panel: Panel) -> str:
    if panel.summed:
        return "At the end"
    return "Mean while the fault lasts" if axis.faults else "Mean over the drill"


def _readings(axis: Axis, panel: Panel) -> Iterator[Reading]:
    curves = dict(panel.curves)
    start = min((one.start for one in axis.faults), default=0.0)
    end = max((one.end for one in axis.faults), default=axis.duration)
    for who in lines(panel):
        value = summary(panel, curves[who], start, end)
        told = "no data" if value is None else panel.write(value) + _peak(panel, curves[who])
        yield Reading(_safe(sample(who)), NAMES[who], told)


def _peak(panel: Panel, curve: Curve) -> str:
    """How far beyond the axis a line goes: its drawing cannot tell."""
    highest = max((value for _, value in curve if value is not None), default=panel.top)
    return f", up to {panel.write(highest)}" if highest > panel.top else ""


def _marks(record: Record) -> Iterator[Mark]:
    for number, command in enumerate(record.commands, 1):
        done = command.outcome in ("accepted", "completed")
        told = f"{number}: {format_clock(command.at)} {asked(command)}" + ("" if done else f" ({command.outcome})")
        yield Mark(command.at, number, told, done)


def _faults(record: Record, duration: float) -> Iterator[Lane]:
    ends = {beat: at for at, beat in record.cleared}
    for at, fault in record.faults:
        what = f"{fault.fault} {fault_params_text(fault.fault, fault.params)}".strip()
        yield Lane("fault", what, (Span(at, ends.get(fault.beat, duration)),))


def _versions(result: Result) -> Iterator[Lane]:
    """Which version was the champion when; nothing if it was the same all the time."""
    spans = services(result)
    if len(spans) > 1:
        for version in dict.fromkeys(one.version for one in spans):
            yield Lane("version", version, tuple(Span(one.start, one.end) for one in spans if one.version == version))


def _alerts(record: Record, duration: float) -> list[Lane]:
    """From firing to resolved, by severity and name, in the order of first firing; the windows of an objective share a lane."""
    began: dict[tuple[tuple[str, str], tuple[str, ...]], float] = {}
    found: dict[tuple[str, str], list[Span]] = {}
    for at, alert in record.alerts:
        row = _row(alert)
        key = (row, tuple(f"{name}={value}" for name, value in sorted(alert.labels.items())))
        if alert.state == "firing":
            began.setdefault(key, at)
            found.setdefault(row, [])
        elif key in began:
            found[row].append(Span(began.pop(key), at))
    for (row, _), at in began.items():
        found[row].append(Span(at, duration))
    return [Lane(*row, _joined(spans)) for row, spans in found.items()]


def _row(alert: Alerted) -> tuple[str, str]:
    return "page" if alert.labels.get("severity") == "page" else "ticket", alert.name


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Spans that touch become one."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda one: one.start):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined)


def _height(drawing: str) -> int:
    return int(drawing.partition('height="')[2].partition('"')[0])


def _safe(drawing: str) -> Markup:
    from markupsafe import Markup

    return Markup(drawing)  # noqa: S704  # `svg` has escaped it
