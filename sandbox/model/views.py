"""Views: what an on-call can look into beyond metrics, logs and changes. Each is declared once, and is a table on every stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .features import ONLINE

Cell = str | float | int | None
"""One cell; None where there is no data."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a view shows: rows of as many cells as there are columns, and facts about all of it by name."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    facts: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class View:
    """Something to look into.

    `subject` says of what it is; empty if there is only one. `subjects` are known before a drill. `lists`: it is a list of what
    happened, empty at first.
    """

    name: str
    help: str
    subject: str = ""
    subjects: tuple[str, ...] = ()
    lists: bool = False


VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View("feature", "distribution of a feature as it is served, against the training data", "feature", ONLINE),
        View("rows", "the last flights asked about: features as served, score, and the label where it is known"),
        View("freshness", "age of the values of each source in the feature store"),
        View("replicas", "every replica: node, version, state, restarts, memory, and the work that an answer takes there"),
        View("slices", "quality of the champion per slice of the flights whose label is known"),
        View("runs", "runs of the retraining loop: trigger, data, result and reason", lists=True),
        View("version", "lineage of a version: training window, data, code, quality in sample", "version"),
    )
}
