"""The coach of the tutorial: steps over the cockpit, each of which goes on when what it asks for has happened."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Static


class Coach(Static, can_focus=False):
    """To come."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.nothing", "end", id="coach.end", tooltip="end the tutorial"),
    ]
