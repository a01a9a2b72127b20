"""Drill-downs: what there is to know of a component, a version, a feature, an alert, an objective or a metric, as rows.

A detail declares the views of the session that it needs, how its rows are made, and what it charts;`detail_screen` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from textual.content import Content

from ...sandbox.model.features import ONLINE, names_in
from ...sandbox.model.service import ServiceSpec, fields_of
from ...sandbox.model.slis import SLIS
from ...sandbox.model.units import format_clock
from ...sandbox.model.views import VIEWS, Cell, Table
from ..widgets.chart import Plot
from ..widgets.rows import Row
from ..widgets.styles import MUTED
from . import lists, service, state, words
from .budgets import standing
from .fleet import POOLS
from .gauges import BY_ID
from .panels import plot_of
from .picture import Alert, Key, Picture
from .plots import burn_plot, metric_plot

Target = tuple[str, object]
"""What is looked into: its kind (component, version, feature, alert, objective, gauge, metric, view, text) and its name."""
Asked = tuple[str, str]
"""A view of the session, and of what."""
Tables = Mapping[Asked, Table | str]
"""What the session answered; a text is why it could not."""
_LAST = 30
"""Log lines and changes of a component that are shown."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One drill-down. `expr` is queried over the whole drill for its chart, if it has no `plot`."""

    title: str
    rows: Callable[[Picture, Tables, int], Iterable[Row]]
    views: tuple[Asked, ...] = ()
    plot: Callable[[Picture], Plot] | None = None
    expr: str = ""


def detail_of(target: Target, picture: Picture) -> Detail | None:
    """The drill-down of a target; None if there is none."""
    kind, name = target
    match kind:
        case "component" if isinstance(name, str):
            return _component(name)
        case "version" if isinstance(name, str):
            return _version(name, picture)
        case "feature" if isinstance(name, str):
            return _feature(name)
        case "objective" if isinstance(name, str):
            return _objective(name)
        case "gauge" if isinstance(name, str):
            gauge = BY_ID[name]
            return Detail(
                gauge.title,
                lambda seen, _tables, width: _gauge_rows(name, seen, width),
                plot=lambda seen: plot_of(gauge, seen, 0.0, seen.snapshot.duration if seen.snapshot else 1.0),
            )
        case "metric" if isinstance(name, str):
            return Detail(name, lambda seen, _tables, _width: _metric_rows(name, seen), expr=name)
        case "view" if isinstance(name, str):
            return _view(name)
        case "text":
            text = str(name)
            return Detail(
                "Line", lambda _seen, _tables, width: [Row(index, one) for index, one in enumerate(_wrapped(text, width))]
            )
        case "alert" if isinstance(name, tuple):
            return _alert(name)
    return None


def targets(picture: Picture, metrics: Sequence[str]) -> list[Row]:
    """Everything that there is to jump to."""
    found: list[Target] = [("component", name) for name in picture.components]
    found += [("version", name) for name in picture.versions]
    found += [("feature", name) for name in ONLINE]
    found += [("view", view.name) for view in VIEWS.values() if not view.subject]
    found += [("view", "features")]
    found += [("objective", goal.id) for goal in (picture.snapshot.objectives if picture.snapshot else ())]
    found += [("gauge", gauge) for gauge in BY_ID]
    rows = [_target_row(kind, str(name), (kind, name)) for kind, name in found]
    rows += [_target_row("alert", state.alert_name(alert), ("alert", alert.key)) for alert in picture.alerts.values()]
    return rows + [_target_row("metric", name, ("metric", name)) for name in metrics]


def _target_row(kind: str, name: str, target: Target) -> Row:
    return Row(target, Content.assemble((f"{kind:<10} ", MUTED), name))


def head(text: str) -> Row:
    """A heading."""
    return Row(None, Content.styled(text, "bold underline"))


def fact(name: str, value: str, style: str = "") -> Row:
    """A name and its value."""
    return Row(("fact", name), Content.assemble((f"{name:<22} ", MUTED), (value, style)), f"{name}: {value}")


def _wrapped(text: str, width: int) -> Iterator[Content]:
    for line in text.splitlines():
        yield from Content(line).fold(max(10, width)) if line else [Content("")]


def table_rows(tables: Tables, asked: Asked, width: int, key: Callable[[tuple[Cell, ...]], object] | None = None) -> list[Row]:
    """A view's table: facts first, then the rows in columns; or why there is none, or that it is on its way."""
    table = tables.get(asked)
    if table is None:
        return [Row(None, Content.styled("asking …", MUTED))]
    if isinstance(table, str):
        return [Row(None, Content.styled(f"? {line.plain}", "$text-warning")) for line in _wrapped(table, width - 2)]
    rows = [fact(name, cell_text(value)) for name, value in table.facts.items()]
    texts = [[cell_text(cell) for cell in row] for row in table.rows]
    widths = [max(len(one) for one in column) for column in zip(table.columns, *texts, strict=True)]
    rows.append(Row(None, Content.styled(_aligned(table.columns, widths), "bold")))
    for number, (cells, source) in enumerate(zip(texts, table.rows, strict=True)):
        rows.append(Row(key(source) if key else ("row", *asked, number), Content(_aligned(cells, widths))))
    return rows


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}"
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def cell_text(cell: Cell) -> str:
    """A cell as text."""
    return "-" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell)


# ------------------------------------------------------------------------------------------------------------ components

_PARTS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("gateway", "fallback"),
    "autoscaler": ("autoscaler", "champion.replicas"),
    "feature-store": ("features",),
    "feature-pipeline": ("features",),
    "model-champion": ("champion", "fallback"),
    "model-candidate": ("candidate", "gateway.canary_weight"),
    "model-shadow": ("shadow", "gateway.shadow_share"),
}
"""Beginnings of the fields of the desired state that configure a component."""
_METRICS: Mapping[str, tuple[str, ...]] = {
    "clients": ("request_rate", "availability", "latency"),
    "gateway": ("request_rate", "error_ratio", "retry_rate", "shed_rate", "latency_p50", "latency_p95", "latency_p99"),
    "autoscaler": ("saturation", "replicas", "replicas_wanted"),
    "feature-store": ("feature_freshness", "null_rate", "out_of_range", "drift", "drift_psi_max"),
    "feature-pipeline": ("feature_freshness", "null_rate", "out_of_range"),
    "labels": ("labels_matured", "labels_pending", "labels_overdue"),
    "model-champion": (
        "saturation",
        "queue_length",
        "replicas",
        "restarts",
        "rules_share",
        "quality_auc",
        "quality_brier",
        "model_age",
    ),
}


def _pool_of(component: str) -> str:
    """The deployment that a replica belongs to; the component itself if it is none."""
    return next((pool for pool in POOLS if component.startswith(pool)), component)


def _component(name: str) -> Detail:
    views: tuple[Asked, ...] = (("freshness", ""),) if name in ("feature-store", "feature-pipeline") else ()
    return Detail(f"Component {name}", lambda picture, tables, width: _component_rows(name, picture, tables, width), views)


def _component_rows(name: str, picture: Picture, tables: Tables, width: int) -> Iterator[Row]:
    mark, said = service.health(picture, name)
    yield fact("state", f"{mark.shape} {mark.word}" + (f": {said}" if said else ""), mark.style)
    pool = _pool_of(name)
    yield from _replica_rows(pool, name, picture)
    metrics = _METRICS.get(name, _METRICS.get(pool, ()))
    if metrics:
        yield head("Metrics")
        yield from (metric_row(metric, picture) for metric in metrics)
    if name in ("feature-store", "feature-pipeline"):
        yield head("Freshness of the sources")
        yield from table_rows(tables, ("freshness", ""), width)
        yield head("Features")
        yield from (Row(("feature", one), Content(one)) for one in ONLINE)
    yield from _configuration(_PARTS.get(name, _PARTS.get(pool, ())), picture)
    lines = [entry for entry in picture.logs if entry.line.component.startswith(name)]
    yield head(f"Last log lines ({len(lines)} in all)")
    yield from [lists.log_row(entry) for entry in lines[-_LAST:]] or [Row(None, Content.styled("none", MUTED))]


def _replica_rows(pool: str, name: str, picture: Picture) -> Iterator[Row]:
    replicas = [one for one in picture.fleet.values() if one.pool == pool and one.name.startswith(name)]
    if not replicas:
        return
    yield head("Replicas")
    for one in replicas:
        mark = service.replica_mark(one, picture.now)
        said = one.warning if one.troubled(picture.now) else f"since {format_clock(one.since)}"
        text = Content.assemble(
            f"{one.name:<20} ", (f"{mark.shape} {mark.word:<12}", mark.style), f"{one.version:<6} ", (said, MUTED)
        )
        yield Row(("component", one.name), text)


def metric_row(metric: str, picture: Picture) -> Row:
    """An SLI with its value, unit and what it is."""
    value = words.sli(metric, picture.slis.get(metric))
    text = Content.assemble(
        (f"{metric:<20} ", MUTED), (f"{value:>9}", "bold"), f"  {SLIS[metric].help if metric in SLIS else ''}"
    )
    return Row(("metric", metric), text)


def _configuration(beginnings: tuple[str, ...], picture: Picture) -> Iterator[Row]:
    """Fields of the desired state with their values, then how they changed."""
    spec = picture.snapshot.spec if picture.snapshot else ServiceSpec()
    known = [(path, value) for path, value in fields_of(spec) if path.startswith(beginnings)] if beginnings else []
    if not known:
        return
    yield head("Configuration")
    yield from (fact(path, words.field_value(value)) for path, value in known)
    changes = [change for change in picture.changes if change.body.field.startswith(beginnings)]
    yield head("Recent changes")
    yield from [lists.change_row(change) for change in changes[-_LAST:]] or [Row(None, Content.styled("none", MUTED))]


# ------------------------------------------------------------------------------------------------- versions and features


def _version(name: str, picture: Picture) -> Detail:
    others = [one for one in picture.versions if one != name][:2]
    views: tuple[Asked, ...] = (("version", name), *(("version", one) for one in others), ("slices", ""))
    return Detail(f"Version {name}", lambda seen, tables, width: _version_rows(name, others, seen, tables, width), views)


def _version_rows(name: str, others: Sequence[str], picture: Picture, tables: Tables, width: int) -> Iterator[Row]:
    for pool in service.pools(picture):
        if name in pool.weights:
            copies = "copies of " if pool.mirrored else ""
            ready = sum(one.version == name for one in pool.replicas)
            yield fact(pool.role, f"{copies}{words.share(pool.weights[name], 0)} of the requests, {ready} replicas")
    yield head("Lineage and quality in sample" + (f", compared with {', '.join(others)}" if others else ""))
    yield from _compared([name, *others], tables, width)
    yield head("Quality of the champion per slice, where the label is known")
    yield from table_rows(tables, ("slices", ""), width)


def _compared(names: Sequence[str], tables: Tables, width: int) -> Iterator[Row]:
    """Versions side by side, line by line of their lineage; `≠` where they differ from the first."""
    found = {name: table for name in names if isinstance(table := tables.get(("version", name)), Table)}
    if names[0] not in found:
        yield from table_rows(tables, ("version", names[0]), width)
        return
    values = {name: {str(row[0]): cell_text(row[1]) for row in table.rows} for name, table in found.items()}
    each = max(10, min(34, (width - 18) // len(found) - 4))
    yield Row(None, Content.styled(f"{'':<16}" + "".join(f"{name:<{each + 4}}" for name in found), "bold"))
    for what in values[names[0]]:
        parts: list[Content | str | tuple[str, str]] = [(f"{what:<16}", MUTED)]
        first = values[names[0]][what]
        for name in found:
            value = values[name].get(what, "-")
            differs = value != first
            shown = value if len(value) <= each else f"{value[: each - 1]}…"
            parts.append((f"{'≠ ' if differs else '  '}{shown:<{each + 2}}", "bold" if differs else ""))
        yield Row(
            ("lineage", what),
            Content.assemble(*parts),
            f"{what}: " + " | ".join(f"{name} {values[name].get(what, '-')}" for name in found),
        )


def _feature(name: str) -> Detail:
    return Detail(
        f"Feature {name}",
        lambda picture, tables, width: _feature_rows(name, picture, tables, width),
        (("feature", name), ("freshness", "")),
    )


def _feature_rows(name: str, picture: Picture, tables: Tables, width: int) -> Iterator[Row]:
    spec = picture.snapshot.spec if picture.snapshot else ServiceSpec()
    if name in names_in(spec.features.quarantined):
        yield fact("quarantine", "▲ served as the median of the training data", "$text-warning")
    table = tables.get(("feature", name))
    if not isinstance(table, Table):
        yield from table_rows(tables, ("feature", name), width)
    else:
        yield from (fact(what, cell_text(value)) for what, value in table.facts.items())
        yield head("Distribution: ▒ in the training data, █ as served now")
        yield from _histogram(table, width)
    yield head("Freshness of the sources")
    yield from table_rows(tables, ("freshness", ""), width)


def _histogram(table: Table, width: int) -> Iterator[Row]:
    """Two bars for each bin, on one scale."""
    room = max(8, width - 16 - 9)
    top = max((_percent(cell) for row in table.rows for cell in row[1:3]), default=0.0) or 1.0
    for number, (label, reference, now, *_) in enumerate(table.rows):
        old, new = round(_percent(reference) / top * room), round(_percent(now) / top * room)
        name = f"{cell_text(label):<16.16}"
        yield Row(
            ("bin", number),
            Content.assemble(name, (f"{cell_text(reference):>7} ", MUTED), ("▒" * old, MUTED)),
            f"{label}: {reference} in training, {now} now",
        )
        yield Row(None, Content.assemble(" " * 16, (f"{cell_text(now):>7} ", "bold"), ("█" * new, "$text-primary")))


def _percent(cell: Cell) -> float:
    if isinstance(cell, str):
        return float(cell.rstrip("%")) if cell.endswith("%") else 0.0
    return float(cell or 0.0)


def _view(name: str) -> Detail:
    if name == "features":
        return Detail("Features", _features_rows, tuple(("feature", one) for one in ONLINE))
    view = VIEWS[name]
    return Detail(
        view.help[:1].upper() + view.help[1:], lambda _seen, tables, width: table_rows(tables, (name, ""), width), ((name, ""),)
    )


def _features_rows(picture: Picture, tables: Tables, width: int) -> Iterator[Row]:
    """Drift, missing values and medians of every feature."""
    yield Row(
        None,
        Content.styled(
            f"{'feature':<12}{'PSI':>8}{'KS':>8}{'missing':>9}{'in train.':>10}{'median':>9}{'in train.':>10}  state", "bold"
        ),
    )
    spec = picture.snapshot.spec if picture.snapshot else ServiceSpec()
    for name in ONLINE:
        table = tables.get(("feature", name))
        if isinstance(table, Table):
            facts = [
                cell_text(table.facts.get(one))
                for one in ("psi", "ks", "missing now", "missing in training", "median now", "median in training")
            ]
            line = "".join(f"{text:>{room}}" for text, room in zip(facts, (8, 8, 9, 10, 9, 10), strict=True))
        else:
            line = f"  {table or 'asking …'}"
        held = "  ▲ quarantined" if name in names_in(spec.features.quarantined) else ""
        yield Row(("feature", name), Content.assemble((f"{name:<12}", "bold"), line, (held, "$text-warning")))
    yield from table_rows(tables, ("feature", ONLINE[0]), width)[:0]


# --------------------------------------------------------------------------------------------- alerts, objectives, metrics


def _alert(key: Key) -> Detail:
    labels = dict(key[1])
    goal = labels.get("objective", "")
    return Detail(
        f"Alert {key[0]}",
        lambda picture, _tables, width: _alert_rows(picture.alerts[key], width) if key in picture.alerts else [],
        plot=(lambda picture: burn_plot(goal, picture)) if goal else None,
    )


def _alert_rows(alert: Alert, width: int) -> Iterator[Row]:
    mark = state.alert_mark(alert)
    yield fact("state", f"{mark.shape} {alert.state} since {format_clock(alert.since)}", mark.style)
    yield fact("severity", alert.severity)
    yield fact("acknowledged", f"by {alert.acknowledged}" if alert.acknowledged else "no")
    yield fact("told", "yes" if alert.told else "no: silenced")
    for number, line in enumerate(_wrapped(alert.summary, width - 24)):
        yield fact("rule" if number == 0 else "", line.plain)
    yield from (fact(name, value) for name, value in alert.labels.items() if name != "severity")
    yield head("History")
    for number, (at, told, value) in enumerate(reversed(alert.history)):
        yield Row(("history", number), Content(f"{format_clock(at):>8}  {told:<10} value {words.number(value)}"))


def _objective(name: str) -> Detail:
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


def _gauge_rows(name: str, picture: Picture, width: int) -> Iterator[Row]:
    gauge = BY_ID[name]
    yield from (Row(number, line) for number, line in enumerate(_wrapped(gauge.help, width)))
    yield from (metric_row(sli, picture) for sli in gauge.slis)


def _metric_rows(name: str, picture: Picture) -> Iterator[Row]:
    if name in SLIS:
        yield metric_row(name, picture)


__all__ = ["Detail", "Target", "detail_of", "metric_plot", "targets"]
