"""What drill-downs are made of: facts, headings, tables of the session's views."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from textual.content import Content

from ....sandbox.model.slis import SLIS
from ....sandbox.model.views import Cell, Table
from ...widgets.chart import Plot
from ...widgets.rows import Row
from ...widgets.styles import MUTED
from .. import words
from ..picture import Picture

Target = tuple[str, object]
"""What is looked into: its kind (component, version, feature, alert, objective, gauge, metric, view, ...) and its name."""
Asked = tuple[str, str]
"""A view of the session, and of what."""
Tables = Mapping[Asked, Table | str]
"""What the session answered; a text is why it could not."""
LAST = 30
"""Log lines and changes of a component that are shown."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One drill-down. `expr` is queried over the whole drill for its chart, if it has no `plot`."""

    title: str
    rows: Callable[[Picture, Tables, int], Iterable[Row]]
    views: tuple[Asked, ...] = ()
    plot: Callable[[Picture], Plot] | None = None
    expr: str = ""


def head(text: str) -> Row:
    """A heading."""
    return Row(None, Content.styled(text, "bold underline"))


def fact(name: str, value: str, style: str = "") -> Row:
    """A name and its value."""
    return Row(("fact", name), Content.assemble((f"{name:<22} ", MUTED), (value, style)), f"{name}: {value}")


def wrapped(text: str, width: int) -> Iterator[str]:
    """The lines of a text, wrapped at words."""
    for line in text.splitlines() or [""]:
        yield from textwrap.wrap(line, max(10, width)) or [""]


def table_rows(tables: Tables, asked: Asked, width: int, key: Callable[[tuple[Cell, ...]], object] | None = None) -> list[Row]:
    """A view's table: facts first, then the rows in columns; or why there is none, or that it is on its way."""
    table = tables.get(asked)
    if table is None:
        return [Row(None, Content.styled("asking …", MUTED))]
    if isinstance(table, str):
        return [Row(None, Content.styled(f"? {line}", "$text-warning")) for line in wrapped(table, width - 2)]
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


def metric_row(metric: str, picture: Picture) -> Row:
    """An SLI with its value, unit and what it is."""
    value = words.sli(metric, picture.slis.get(metric))
    text = Content.assemble(
        (f"{metric:<20} ", MUTED), (f"{value:>9}", "bold"), f"  {SLIS[metric].help if metric in SLIS else ''}"
    )
    return Row(("metric", metric), text)
