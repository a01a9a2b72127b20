"""The drill-downs of what watches: alerts, objectives, gauges, metrics; and of single lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual.content import Content

from ....sandbox.model.slis import SLIS
from ....sandbox.model.units import format_clock
from ....sandbox.session import Range
from ...widgets.rows import Row
from .. import money, state, words
from ..budgets import standing
from ..gauges import BY_ID
from ..panels import plot_of
from ..picture import Picture
from ..plots import burn_plot
from ..records import Alert, Key
from .base import Detail, fact, head, metric_row, wrapped


def gauge(name: str) -> Detail:
    """Of a gauge."""
    shown = BY_ID[name]
    return Detail(
        f"{shown.title}: {shown.help}",
        lambda picture, _tables, _width: [metric_row(sli, picture) for sli in shown.slis] or list(_money(picture)),
        plot=lambda picture: plot_of(shown, picture, 0.0, picture.snapshot.duration if picture.snapshot else 1.0),
    )


def _money(picture: Picture) -> Iterator[Row]:
    """What the drill has cost so far, by part."""
    prices = picture.snapshot.prices if picture.snapshot else None
    if prices is None or not picture.samples:
        yield fact("so far", words.NONE)
        return
    parts = money.parts_of(picture.samples[-1].body.ledger, prices)
    yield fact("so far", words.dollars(sum(parts.values())))
    yield from (fact(name, words.dollars(value)) for name, value in parts.items())


def metric(expr: str) -> Detail:
    """Of a metric, or an expression over metrics."""
    return Detail(expr, lambda picture, _tables, _width: [metric_row(expr, picture)] if expr in SLIS else [], expr=expr)


def range_rows(found: Range) -> Iterator[Row]:
    """What a queried metric came to."""
    known = [(value, at) for at, value in zip(found.times, found.values, strict=True) if value is not None]
    if not known:
        yield fact("points", "none: there is no data")
        return
    (lowest, low_at), (highest, high_at) = min(known), max(known)
    yield fact("last", words.sli(found.expr, known[-1][0]))
    yield fact("lowest", f"{words.sli(found.expr, lowest)} at {format_clock(low_at)}")
    yield fact("highest", f"{words.sli(found.expr, highest)} at {format_clock(high_at)}")
    yield fact("mean", words.sli(found.expr, sum(value for value, _ in known) / len(known)))
    yield fact("points", f"{len(known)} of {len(found.values)} have data")


def line(kind: str, number: int, picture: Picture) -> Detail | None:
    """Of one line of the events, the logs or the changes."""
    if kind == "feed":
        told = next((one for one in picture.feed if one.number == number), None)
        if told is not None and told.alert is not None:
            return alert(told.alert)
        if told is not None and told.kind == "begin":
            return text("Pager", told.at, picture.pager)
        return text("Event", told.at, told.text) if told else None
    if kind == "log":
        entry = next((one for one in picture.logs if one.number == number), None)
        return (
            text("Log line", entry.line.when, entry.line.text, [_link(entry.line.component)], entry.line.severity)
            if entry
            else None
        )
    change = next((one for one in picture.changes if one.number == number), None)
    if change is None:
        return None
    body = change.body
    told_as = f"{body.field}: {words.field(body.field, body.before)} → {words.field(body.field, body.after)}, by {body.by}" + (
        f": {body.why}" if body.why else ""
    )
    return text("Change", change.at, told_as, [_link(_COMPONENTS.get(body.field.partition(".")[0], "gateway"))])


_COMPONENTS = {
    "champion": "model-champion",
    "candidate": "model-candidate",
    "shadow": "model-shadow",
    "autoscaler": "autoscaler",
    "gateway": "gateway",
    "features": "feature-pipeline",
    "fallback": "model-champion",
    "retraining": "retraining",
}
"""Where a field of the desired state is in force."""


def _link(component: str) -> Row:
    return Row(("component", component), Content.assemble("component ", (component, "bold underline")))


def text(title: str, at: float, told: str, links: Iterable[Row] = (), severity: str = "") -> Detail:
    """Of a text, with what it leads to."""

    def rows(_picture: Picture, _tables: object, width: int) -> Iterator[Row]:
        yield fact("at", format_clock(at))
        if severity:
            yield fact("severity", severity)
        yield from links
        yield from (Row(("line", index), Content(one)) for index, one in enumerate(wrapped(told, width)))

    return Detail(title, rows)


def alert(key: Key) -> Detail:
    """Of an alert."""
    labels = dict(key[1])
    goal = labels.get("objective", "")
    return Detail(
        f"Alert {key[0]}",
        lambda picture, _tables, width: _alert_rows(picture.alerts[key], width) if key in picture.alerts else [],
        plot=(lambda picture: burn_plot(goal, picture, labels.get("window", "5m"))) if goal else None,
    )


def _alert_rows(alert: Alert, width: int) -> Iterator[Row]:
    mark = state.alert_mark(alert)
    yield fact("state", f"{mark.shape} {alert.state} since {format_clock(alert.since)}", mark.style)
    yield fact("severity", alert.severity)
    yield fact("acknowledged", f"by {alert.acknowledged}" if alert.acknowledged else "no")
    yield fact("calls", "yes" if alert.told else "no: it is silenced")
    for number, text in enumerate(wrapped(alert.summary, width - 24)):
        yield fact("rule" if number == 0 else "", text)
    yield from (fact(name, value) for name, value in alert.labels.items() if name != "severity")
    yield head("History")
    for number, (at, told, value) in enumerate(reversed(alert.history)):
        yield Row(("history", number), Content(f"{format_clock(at):>8}  {told:<10} value {words.number(value)}"))


def objective(name: str) -> Detail:
    """Of an objective."""
    return Detail(
        f"Objective {name}",
        lambda picture, _tables, _width: _objective_rows(name, picture),
        plot=lambda picture: burn_plot(name, picture),
    )


def _objective_rows(name: str, picture: Picture) -> Iterator[Row]:
    for goal in picture.snapshot.objectives if picture.snapshot else ():
        if goal.id == name:
            stands = standing(goal, picture.samples)
            yield fact("wanted", goal.wanted)
            yield fact("now", words.share(stands.now, 2))
            yield fact("error budget left", f"{words.share(stands.budget, 1)} of what is meant for 60 hours")
            yield fact(
                "burn rate",
                f"{words.burn(stands.burn_short)} over 25s, {words.burn(stands.burn_long)} over 5m; 14.4x over both pages",
            )
    yield head("Its alerts")
    yield from (
        Row(("alert", alert.key), Content(f"{state.alert_mark(alert).shape} {alert.state:<9} {state.alert_name(alert)}"))
        for alert in picture.alerts.values()
        if alert.labels.get("objective") == name
    )
