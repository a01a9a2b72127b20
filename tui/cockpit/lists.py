"""Rows of the panels that grow: what happened, logs, changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from textual.content import Content

from ...sandbox.model.events import Logged
from ...sandbox.model.units import format_clock
from ..widgets.rows import Row
from ..widgets.styles import FAINT, MUTED
from . import words
from .marks import Mark
from .picture import Picture
from .records import Change, Line, Log

_KINDS = {
    "begin": Mark("▶", "begin", "$text-accent"),
    "action": Mark("●", "action", "$text-accent"),
    "refused": Mark("✗", "refused", "bold $text-error"),
    "hint": Mark("?", "hint", "bold $text-warning"),
    "change": Mark("±", "change", "$text-primary"),
    "version": Mark("+", "version", "$text-primary"),
    "page": Mark("▲", "PAGE", "bold $text-error"),
    "ticket": Mark("◆", "ticket", "$text-warning"),
    "resolved": Mark("✓", "resolved", "$text-success"),
    "end": Mark("■", "end", "bold $text-accent"),
}
_SEVERITIES = {
    "debug": Mark("·", "debug", FAINT),
    "info": Mark("·", "info", MUTED),
    "warning": Mark("▲", "warn", "$text-warning"),
    "error": Mark("✗", "error", "bold $text-error"),
}
_MEMORY = 2500
"""Rows that are not made anew."""
SEVERITIES = tuple(_SEVERITIES)
"""Of log lines, the least first."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which log lines are shown: of components whose name begins so, that contain all words, of a severity or a graver one."""

    component: str = ""
    words: tuple[str, ...] = ()
    severity: str = ""

    @classmethod
    def parse(cls, text: str, components: tuple[str, ...]) -> LogFilter:
        """`gateway warning retry`: a component's name, a severity and words, in any order.

        A word is a component if one's name begins with it. `debug`, `info`, `warning` and `error` are severities.
        """
        component, severity, rest = "", "", []
        for word in text.split():
            if word in SEVERITIES and not severity:
                severity = word
            elif not component and any(name.startswith(word) for name in components) and len(word) >= 3:
                component = word
            else:
                rest.append(word.casefold())
        return cls(component, tuple(rest), severity)

    def takes(self, line: Logged) -> bool:
        """Whether a line is shown."""
        if self.severity and SEVERITIES.index(line.severity) < SEVERITIES.index(self.severity):
            return False
        return line.component.startswith(self.component) and all(word in line.text.casefold() for word in self.words)

    def __str__(self) -> str:
        """In words."""
        parts = [f"of {self.component}…" if self.component else "", f"{self.severity} or graver" if self.severity else ""]
        parts.append(" and ".join(repr(word) for word in self.words))
        return ", ".join(part for part in parts if part)


def feed(picture: Picture) -> list[Row]:
    """What happened: actions and their results, alerts, changes."""
    return [_feed_row(line) for line in picture.feed]


@lru_cache(_MEMORY)
def _feed_row(line: Line) -> Row:
    mark = _KINDS[line.kind]
    text = Content.assemble(
        (f"{format_clock(line.at):>7} ", MUTED), (f"{mark.shape} {mark.word:<9}", mark.style), _one_line(line.text)
    )
    return Row(("feed", line.number), text, f"{format_clock(line.at)} {mark.word}: {line.text}")


def logs(picture: Picture, chosen: LogFilter) -> list[Row]:
    """Log lines that the filter takes."""
    return [log_row(entry) for entry in picture.logs if chosen.takes(entry.line)]


@lru_cache(_MEMORY)
def log_row(entry: Log) -> Row:
    """One log line."""
    line = entry.line
    mark = _SEVERITIES.get(line.severity, _SEVERITIES["info"])
    text = Content.assemble(
        (f"{format_clock(line.when):>7} ", MUTED),
        (f"{mark.shape} {mark.word:<6}", mark.style),
        (f"{line.component:<17} ", "$text-primary"),
        _one_line(line.text),
    )
    return Row(("log", entry.number), text, f"{format_clock(line.when)} {line.component} {line.severity}: {line.text}")


def changes(picture: Picture) -> list[Row]:
    """The change log."""
    return [change_row(change) for change in picture.changes]


@lru_cache(_MEMORY)
def change_row(change: Change) -> Row:
    """One changed field."""
    body = change.body
    told = words.change_text(body)
    by = f" by {body.by}" + (f": {body.why}" if body.why else "")
    text = Content.assemble(
        (f"{format_clock(change.at):>7} ", MUTED),
        ("± ", "$text-primary"),
        told,
        (f" by {body.by}", MUTED),
    )
    return Row(("change", change.number), text, f"{format_clock(change.at)} {told}{by}")


def _one_line(text: str) -> str:
    return " ".join(text.split())
