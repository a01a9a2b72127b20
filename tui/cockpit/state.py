"""Rows of the panels that say how things stand: objectives, alerts, gauges; and the status line."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from ...sandbox.model.units import format_clock, format_duration, format_share
from ...sandbox.session import Phase
from ..widgets.chart import render_spark
from ..widgets.rows import Row
from ..widgets.styles import FAINT, MUTED
from . import marks, money, words
from .board import PAGES, PANELS, View
from .budgets import Standing, standing
from .gauges import GAUGES, Gauge
from .marks import Mark
from .picture import Picture
from .records import Alert

_RECENT = 300.0
"""Drill seconds for which an alert that is over is still listed."""


def objectives(picture: Picture, width: int) -> list[Row]:
    """Two lines for each objective: what it is against what it should be, then budget and burn rate."""
    rows = []
    for goal in picture.snapshot.objectives if picture.snapshot else ():
        stands = standing(goal, picture.samples)
        mark = marks.of_goal(stands.met)
        wanted = f"≥ {format_share(goal.target)}"
        name = f"{mark.shape} {goal.id}"
        value = words.share(stands.now, 2)
        room = width - len(name) - len(value) - len(wanted) - len(mark.word) - 4
        gap = "  " if room > 0 else " "
        first = Content.assemble(
            (name, mark.style),
            " " * max(1, room),
            (value, mark.style),
            gap,
            (wanted, MUTED),
            gap,
            (mark.word, mark.style),
        )
        rows.append(Row(("objective", goal.id), first, f"{goal.id}: {value}, objective {goal.wanted}, {mark.word}"))
        rows.append(Row(None, _budget(stands, width)))
    return rows


def _budget(stands: Standing, width: int) -> Content:
    """The error budget as a bar, and the burn rates over the page's windows."""
    known = stands.burn_short is not None or stands.burn_long is not None
    burn = f"burn {words.burn(stands.burn_short)} {words.burn(stands.burn_long)}" if known else "no burn rate yet"
    left = f"{words.share(max(stands.budget, -9.99), 0)} left"
    room = max(4, width - 2 - len(burn) - len(left) - 4)
    full = round(max(0.0, min(1.0, stands.budget)) * room)
    style = "$text-error" if stands.budget <= 0 else "$text-warning" if stands.budget < 0.5 else "$text-success"
    return Content.assemble(
        "  ",
        ("━" * full, style),
        ("╌" * (room - full), FAINT),
        " ",
        (left, style),
        "  ",
        (burn, "bold $text-error" if stands.paging else MUTED),
    )


def listed_alerts(picture: Picture) -> list[Alert]:
    """Alerts that matter now: pages, tickets, pending ones, and what was resolved a moment ago."""
    recent = [
        alert
        for alert in picture.alerts.values()
        if alert.state in ("firing", "pending") or (alert.state == "resolved" and picture.now - alert.since <= _RECENT)
    ]
    return sorted(recent, key=lambda one: (_rank(one), -one.since, one.name))


def _rank(alert: Alert) -> int:
    order = {"firing": 0 if alert.severity == "page" else 1, "pending": 2}
    return order.get(alert.state, 3)


def alert_mark(alert: Alert) -> Mark:
    """How an alert looks."""
    if alert.firing:
        return marks.PAGE if alert.severity == "page" else marks.TICKET
    return marks.PENDING if alert.state == "pending" else marks.RESOLVED


def alert_name(alert: Alert) -> str:
    """Its name, with the window that tells it from its like."""
    return f"{alert.name} {alert.labels['window']}" if "window" in alert.labels else alert.name


def _fitted(alert: Alert, room: int) -> str:
    """Its name in so many cells; the window is never cut."""
    window = f" {alert.labels['window']}" if "window" in alert.labels else ""
    rest = max(2, room - len(window))
    return (alert.name if len(alert.name) <= rest else f"{alert.name[: rest - 1]}…") + window


def alerts(picture: Picture, width: int) -> list[Row]:
    """One line for each alert that matters."""
    rows = []
    for alert in listed_alerts(picture):
        mark = alert_mark(alert)
        since = format_clock(max(0.0, picture.now - alert.since))
        noted = "ack " if alert.acknowledged and alert.firing else "" if alert.told else "silenced "
        room = width - len(mark.shape) - len(mark.word) - len(since) - len(noted) - 4
        shown = _fitted(alert, room)
        text = Content.assemble(
            (f"{mark.shape} {mark.word} ", mark.style),
            shown.ljust(room + 1),
            (noted, "italic $text-accent"),
            (since, MUTED),
        )
        rows.append(Row(("alert", alert.key), text, f"{alert_name(alert)} {alert.state}: {alert.summary}"))
    return rows


def gauge_line(gauge: Gauge, picture: Picture, width: int) -> Content:
    """A gauge in a line: title, number, a small chart on the gauge's own axis, the objective's verdict."""
    value = gauge.value(picture)
    met = gauge.met(picture)
    mark = marks.of_goal(met) if gauge.goal and met is not None else None
    curve = gauge.curves(picture)[0]
    number = gauge.write(value)
    end = picture.snapshot.duration if picture.snapshot else 1.0
    room = max(3, width - 12 - 9 - 2)
    style = mark.style if mark else "$text-primary"
    return Content.assemble(
        (f"{mark.shape if mark else ' '}", style),
        f"{gauge.title:<11}"[:11],
        (f"{number:>8}", style if value is not None else MUTED),
        " ",
        render_spark(curve.points, gauge.axis(picture), 0.0, end, room, style),
        " ",
    )


def gauges(picture: Picture, width: int, columns: int, chosen: str) -> Iterator[tuple[str, Content]]:
    """Each gauge's id and line, `columns` of them beside each other in `width` cells."""
    each = max(20, (width - columns + 1) // columns)
    for gauge in GAUGES:
        line = gauge_line(gauge, picture, each)
        yield gauge.id, line.stylize("reverse" if gauge.id == chosen else "", 0, 12)


def status(picture: Picture, width: int) -> Content:
    """Drill clock, calendar, speed, pages, money: one line, of which less is shown where there is little room."""
    snapshot = picture.snapshot
    if snapshot is None:
        return Content.styled(" looking for the drill …", MUTED)
    pages = f"{picture.pages} page{'s' if picture.pages != 1 else ''}"
    parts = {
        "phase": _phase(snapshot.phase).text,
        "title": Content.styled(snapshot.title, "bold"),
        "clock": Content(f"{format_clock(snapshot.now)} / {format_clock(snapshot.duration)}"),
        "bar": _progress(snapshot.now / max(1.0, snapshot.duration), 14),
        "calendar": Content.styled(snapshot.calendar, MUTED),
        "speed": Content(f"{snapshot.speed:g}x" if snapshot.speed else "unpaced"),
        "pages": Content.styled(f"▲ {pages}", "bold $text-error")
        if picture.pages
        else Content.styled("✓ no page", "$text-success"),
    }
    if snapshot.prices and picture.samples:
        cost = words.dollars(money.harm_of(picture.samples[-1].body.ledger, snapshot.prices))
        parts["cost"] = Content.assemble(("harm ", MUTED), (cost, "bold"))
        bare = {"cost": Content.styled(cost, "bold")}
    else:
        bare = {}
    for dispensable in ("harm", "bar", "title", "cost", "calendar"):
        if sum(len(part.plain) + 2 for part in parts.values()) > width:
            if dispensable == "harm":  # the word, not the number
                parts |= bare
            parts.pop(dispensable, None)
    return Content.assemble(" ", Content("  ").join(parts.values()))


def pages(view: View) -> Content:
    """The pages of the reduced layout, by the digits of their panels; what is shown is marked."""
    parts: list[Content | str | tuple[str, str]] = [" "]
    for page, panels in PAGES.items():
        for panel in panels if page == "lists" else (page,):
            shown = view.page == page and (page != "lists" or view.listed == panel)
            digits = " ".join(str(PANELS.index(one) + 1) for one in panels) if page != "lists" else str(PANELS.index(panel) + 1)
            parts += [(f" {digits} {panel.capitalize()} ", "reverse bold" if shown else MUTED), " "]
    return Content.assemble(*parts)


def _phase(phase: Phase) -> Mark:
    known = {Phase.RUNNING: marks.RUNNING, Phase.PAUSED: marks.PAUSED, Phase.ENDED: marks.ENDED}
    return known.get(phase, marks.COMING)


def _progress(share: float, width: int) -> Content:
    full = round(max(0.0, min(1.0, share)) * width)
    return Content.assemble(("━" * full, "$text-accent"), ("╌" * (width - full), FAINT))


def burn_text(stands: Standing) -> str:
    """In words: budget and burn rates."""
    return (
        f"budget {words.share(stands.budget, 1)} left; burn rate {words.burn(stands.burn_short)} over 25s, "
        f"{words.burn(stands.burn_long)} over {format_duration(300.0)}"
    )
