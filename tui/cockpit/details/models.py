"""The drill-downs of the model: versions side by side, features against the training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.content import Content

from ....sandbox.model.features import ONLINE, names_in
from ....sandbox.model.service import ServiceSpec
from ....sandbox.model.views import Cell, Table
from ...widgets.rows import Row
from ...widgets.styles import MUTED
from .. import service, words
from ..picture import Picture
from .base import Asked, Detail, Tables, cell_text, fact, head, table_rows


def version(name: str, picture: Picture) -> Detail:
    """Of a version, compared with up to two others."""
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


def feature(name: str) -> Detail:
    """Of a feature."""
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


def features() -> Detail:
    """All features in one table."""
    return Detail("Features", _features_rows, tuple(("feature", one) for one in ONLINE))


def _features_rows(picture: Picture, tables: Tables, _width: int) -> Iterator[Row]:
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
