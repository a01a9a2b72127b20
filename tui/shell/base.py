"""What the screens of the application share: a title line, a footer, and a message where the terminal is too small."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Static

if TYPE_CHECKING:
    from ..app import DrillboxApp

LEAST = (60, 20)
"""Columns and rows below which nothing useful can be shown."""
Outcome = TypeVar("Outcome")


class TitleLine(Static):
    """The first line: the name of the program, where one is, and what there is to say about it."""

    DEFAULT_CSS = """
    TitleLine { height: 1; background: $panel; color: $foreground; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, where: str, note: str = "") -> None:
        super().__init__(_title(where, note), markup=False)

    def tell(self, where: str, note: str = "") -> None:
        """Change it."""
        self.update(_title(where, note))


def _title(where: str, note: str) -> Content:
    parts = [("▞ drillbox", "bold $primary"), ("  ", ""), (where, "bold")]
    return Content.assemble(*parts, *([(f"  {note}", "$foreground-muted")] if note else []))


class ShellScreen(Screen[Outcome]):
    """A screen of the application; `content` yields what is between title and footer."""

    DEFAULT_CSS = """
    ShellScreen { background: $background; }
    ShellScreen > #body { height: 1fr; }
    ShellScreen .box {
        background: $surface; border: round $panel-lighten-2; border-title-color: $foreground-muted;
        &:focus { border: round $primary; border-title-color: $primary; }
    }
    ShellScreen .box, ShellScreen VerticalScroll {
        scrollbar-size-vertical: 1; scrollbar-color: $foreground 40%; scrollbar-background: $surface;
        scrollbar-color-hover: $primary; scrollbar-background-hover: $surface; scrollbar-background-active: $surface;
    }
    ShellScreen > #too-small { display: none; width: 1fr; height: 1fr; content-align: center middle; text-align: center; }
    ShellScreen.-tiny, ShellScreen.-flat {
        & > #body, & > TitleLine, & > Footer { display: none; }
        & > #too-small { display: block; }
    }
    """
    WHERE = ""

    @property
    def drillbox(self) -> DrillboxApp:
        """The application."""
        return cast("DrillboxApp", self.app)

    def compose(self) -> ComposeResult:
        """Title, body, footer."""
        yield TitleLine(self.WHERE)
        with Vertical(id="body"):
            yield from self.content()
        yield Static(f"This terminal is too small.\n{LEAST[0]} columns by {LEAST[1]} rows are needed.", id="too-small")
        yield Footer(show_command_palette=False)

    def content(self) -> Iterable[Widget]:
        """What is between title and footer."""
        return ()

    def title_line(self, note: str, where: str = "") -> None:
        """Change the first line."""
        self.query_one(TitleLine).tell(where or self.WHERE, note)
