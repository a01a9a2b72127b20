"""The settings screen: themes, tried at once and kept, and where the file with the rest is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from ..shell.base import ShellScreen
from .themes import ABOUT

SAMPLE = (
    ("✓ met, passed, healthy\n", "$text-success"),
    ("! warning, pending, a ticket\n", "$text-warning"),
    ("✗ missed, failed, a page\n", "$text-error"),
    ("● you   ", "bold $primary"),
    ("╌ the objective's line   ", "$text-warning"),
    ("no data\n", "$foreground-muted"),
)


class SettingsScreen(ShellScreen[None]):
    """What a person may set."""

    WHERE = "Settings"
    DEFAULT_CSS = """
    SettingsScreen {
        #themes { width: 36; height: 1fr; padding: 0 1; }
        #about { width: 1fr; height: 1fr; padding: 0 1; }
    }
    SettingsScreen.-narrow #themes { width: 26; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", id="settings.back", tooltip="Back to the library"),
    ]

    def content(self) -> Iterable[Widget]:
        """Themes, and a sample."""
        with Horizontal():
            yield OptionList(*(Option(name, id=name) for name in ABOUT), id="themes", classes="box")
            with VerticalScroll(id="about", classes="box", can_focus=False):
                yield Static(id="text")

    def on_mount(self) -> None:
        """Show what is set."""
        options = self.query_one("#themes", OptionList)
        options.border_title = "theme"
        options.highlighted = options.get_option_index(self.app.theme) if self.app.theme in ABOUT else 0
        options.focus()
        self.title_line("enter keeps a theme")
        self._before = self.app.theme

    @on(OptionList.OptionHighlighted)
    def _try(self, event: OptionList.OptionHighlighted) -> None:
        """How it looks."""
        name = str(event.option.id)
        self.app.theme = name
        settings = self.drillbox.settings
        rows = [
            ("speed", f"{settings.speed:g}x"),
            ("stack", settings.stack),
            ("seed", str(settings.seed)),
            ("length", settings.profile or "full"),
            ("mouse", "on" if settings.mouse else "off"),
            ("animation", "on" if settings.animation else "off"),
            ("own keys", str(len(settings.keys)) if settings.keys else "none"),
        ]
        self.query_one("#text", Static).update(
            Content.assemble(
                (f"{name}\n", "bold $primary"),
                (f"{ABOUT[name]}\n\n", "$foreground-muted"),
                *SAMPLE,
                ("\nThe other settings are in the file\n", "bold"),
                f"  {self.drillbox.backend.settings}\n\n",
                *(part for key, value in rows for part in ((f"  {key:10} ", "$foreground-muted"), f"{value}\n")),
                ("\nNO_COLOR=1 in the environment switches all colours off; shapes and words stay.", "$foreground-muted"),
            )
        )

    @on(OptionList.OptionSelected)
    def _keep(self, event: OptionList.OptionSelected) -> None:
        self._before = str(event.option.id)
        self.drillbox.choose_theme(self._before)

    def action_back(self) -> None:
        """A theme that was only tried is not kept."""
        self.app.theme = self._before
        self.dismiss()
