"""Drill-downs: what there is to know of a component, a version, a feature, an alert, an objective, a metric or a line, as rows.

A detail declares the views of the session that it needs, how its rows are made, and what it charts; `detail_screen` shows it.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from ....sandbox.model.features import ONLINE
from ....sandbox.model.views import VIEWS
from ...widgets.rows import Row
from ...widgets.styles import MUTED
from .. import state
from ..gauges import BY_ID
from ..picture import Picture
from . import components, models, watch
from .base import Detail, Target, table_rows

__all__ = ["Detail", "Target", "detail_of", "targets"]


def detail_of(target: Target, picture: Picture) -> Detail | None:
    """The drill-down of a target; None if there is none."""
    match target:
        case ("component", str(name)):
            return components.component(name)
        case ("version", str(name)):
            return models.version(name, picture)
        case ("feature", str(name)):
            return models.feature(name)
        case ("objective", str(name)):
            return watch.objective(name)
        case ("gauge", str(name)):
            return watch.gauge(name)
        case ("metric", str(name)):
            return watch.metric(name)
        case ("view", str(name)):
            return _view(name, picture)
        case ("feed" | "log" | "change" as kind, int(number)):
            return watch.line(kind, number, picture)
        case ("alert", key):
            return next((watch.alert(alert.key) for alert in picture.alerts.values() if alert.key == key), None)
    return None


def _view(name: str, picture: Picture) -> Detail:
    if name == "features":
        return models.features()
    if name == "pager":
        return watch.text("Pager", 0.0, picture.pager)
    title = VIEWS[name].help
    return Detail(
        title[:1].upper() + title[1:], lambda _seen, tables, width: table_rows(tables, (name, ""), width), ((name, ""),)
    )


def targets(picture: Picture, metrics: Sequence[str]) -> list[Row]:
    """Everything that there is to jump to."""
    found: list[Target] = [("component", name) for name in picture.components]
    found += [("version", name) for name in picture.versions]
    found += [("feature", name) for name in ONLINE]
    found += [("view", view.name) for view in VIEWS.values() if not view.subject]
    found += [("view", "features"), ("view", "pager")]
    found += [("objective", goal.id) for goal in (picture.snapshot.objectives if picture.snapshot else ())]
    found += [("gauge", gauge) for gauge in BY_ID]
    rows = [_target_row(kind, str(name), (kind, name)) for kind, name in found]
    rows += [_target_row("alert", state.alert_name(alert), ("alert", alert.key)) for alert in picture.alerts.values()]
    return rows + [_target_row("metric", name, ("metric", name)) for name in metrics]


def _target_row(kind: str, name: str, target: Target) -> Row:
    return Row(target, Content.assemble((f"{kind:<10} ", MUTED), name))
