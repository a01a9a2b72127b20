"""What a picture is made of: alerts, commands, lines of the feed and of the logs, changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...sandbox.model.events import Changed, Logged

Key = tuple[str, tuple[tuple[str, str], ...]]
"""An alert's name and labels."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that has been active. `history` holds (drill second, state, value), oldest first."""

    name: str
    labels: Mapping[str, str]
    state: str
    since: float
    value: float
    summary: str
    told: bool
    acknowledged: str = ""  # by whom
    history: tuple[tuple[float, str, float], ...] = ()

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.name, tuple(sorted(self.labels.items()))

    @property
    def severity(self) -> str:
        """`page` or `ticket`."""
        return self.labels.get("severity", "")

    @property
    def firing(self) -> bool:
        """Whether it fires now."""
        return self.state == "firing"


@dataclass(frozen=True, slots=True)
class Order:
    """A command and what became of it: accepted, completed, rejected or failed, with the reason."""

    at: float
    actor: str
    number: int
    action: str
    params: Mapping[str, object]
    state: str
    reason: str = ""
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the feed, of a kind of its own such as action, hint, change or page; `alert`: that it tells of."""

    number: int
    at: float
    kind: str
    text: str
    alert: Key | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """A log line with the number of its event."""

    number: int
    line: Logged


@dataclass(frozen=True, slots=True)
class Change:
    """A changed field at drill second `at`."""

    number: int
    at: float
    body: Changed
