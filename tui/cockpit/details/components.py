"""The drill-down of a component: state, replicas, metrics, configuration, changes, logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual.content import Content

from ....sandbox.model.features import ONLINE
from ....sandbox.model.service import ServiceSpec, fields_of
from ....sandbox.model.units import format_clock
from ...widgets.rows import Row
from ...widgets.styles import MUTED
from .. import lists, service, words
from ..fleet import POOLS
from ..picture import Picture
from .base import LAST, Asked, Detail, Tables, fact, head, metric_row, table_rows

_PARTS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("gateway", "fallback"),
    "autoscaler": ("autoscaler", "champion.replicas"),
    "feature-store": ("features",),
    "feature-pipeline": ("features",),
    "retraining": ("retraining",),
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
    "retraining": ("retraining_age", "retraining_runs", "training_rows", "model_age"),
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


def component(name: str) -> Detail:
    """Of a component, or of all whose name begins so."""
    views: tuple[Asked, ...] = (("freshness", ""),) if name in ("feature-store", "feature-pipeline") else ()
    views += (("runs", ""),) if name == "retraining" else ()
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
    if name == "retraining":
        yield head("Runs")
        yield from table_rows(tables, ("runs", ""), width)
    yield from _configuration(_PARTS.get(name, _PARTS.get(pool, ())), picture)
    lines = [entry for entry in picture.logs if service.belongs(entry.line.component, name)]
    yield head(f"Log, newest first ({len(lines)} lines)")
    yield from [lists.log_row(entry) for entry in lines[: -LAST - 1 : -1]] or [Row(None, Content.styled("none", MUTED))]


def _replica_rows(pool: str, name: str, picture: Picture) -> Iterator[Row]:
    replicas = [one for one in picture.fleet.values() if one.pool == pool and service.belongs(one.name, name)]
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


def _configuration(beginnings: tuple[str, ...], picture: Picture) -> Iterator[Row]:
    """Fields of the desired state with their values, then how they changed."""
    spec = picture.snapshot.spec if picture.snapshot else ServiceSpec()
    known = [(path, value) for path, value in fields_of(spec) if path.startswith(beginnings)] if beginnings else []
    if not known:
        return
    yield head("Configuration")
    yield from (fact(path, words.field(path, value)) for path, value in known)
    changes = [change for change in picture.changes if change.body.field.startswith(beginnings)]
    yield head("Recent changes")
    yield from [lists.change_row(change) for change in changes[: -LAST - 1 : -1]] or [Row(None, Content.styled("none", MUTED))]
