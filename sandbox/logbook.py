"""Logs and changes as an on-call looks through them: the events of a drill, filtered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .model.errors import UsageError, nearest
from .model.events import Audience, Changed, Event, Logged

SEVERITIES = ("debug", "info", "warning", "error")
"""Of log lines, the least first."""


@dataclass(frozen=True, slots=True)
class ChangeEntry:
    """One line of the change log: at drill second `at` a field of the service's desired state changed."""

    at: float
    change: Changed


def logs_of(events: Iterable[Event], component: str = "", text: str = "", severity: str = "") -> list[Logged]:
    """Log lines that an operator may see, oldest first.

    Args:
        events: of a drill.
        component: its name, or the beginning of it (`model-champion` for all its pods); empty: all.
        text: what the line must contain, whatever the case.
        severity: the least: debug, info, warning or error.

    Raises:
        UsageError: there is no such severity.
    """
    if severity and severity not in SEVERITIES:
        raise UsageError(f"unknown severity {severity!r}; {nearest(severity, SEVERITIES)}")
    wanted = SEVERITIES[SEVERITIES.index(severity) if severity else 0 :]
    lines = [event.body for event in events if event.audience is Audience.ALL and isinstance(event.body, Logged)]
    return [
        line
        for line in lines
        if line.component.startswith(component) and text.casefold() in line.text.casefold() and line.severity in wanted
    ]


def changes_of(events: Iterable[Event], field: str = "", by: str = "") -> list[ChangeEntry]:
    """The change log (deploys, configuration, scaling) that an operator may see, oldest first.

    Args:
        events: of a drill.
        field: the changed field, or the beginning of it (`gateway` for all its fields); empty: all.
        by: who changed it; empty: anybody.
    """
    entries = [
        ChangeEntry(event.at, event.body)
        for event in events
        if event.audience is Audience.ALL and isinstance(event.body, Changed)
    ]
    return [entry for entry in entries if entry.change.field.startswith(field) and by in ("", entry.change.by)]
