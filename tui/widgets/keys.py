"""The line of keys at the bottom: drawn once, and not at every move of the focus as Textual's footer is."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from .styles import MUTED

_NEEDED = frozenset(("menu", "act('declare')", "act('hint')", "pause", "leave", "show_help"))
"""Actions that are shown however narrow it is: without them one is lost."""


class KeyLine(Static):
    """The keys of the screen that are to be shown, as far as there is room; a click does the same."""

    DEFAULT_CSS = """
    KeyLine { height: 1; background: $panel; link-style: none; link-color: $foreground; link-background: $panel; }
    """

    def on_mount(self) -> None:
        """Draw it."""
        self.redraw()

    def on_resize(self) -> None:
        """There may be more room."""
        self.redraw()

    def redraw(self) -> None:
        """Draw it anew, as after keys were given other actions. Where room is short, the last of those that can be missed go."""
        shown = self._shown()
        while sum(wide for _, wide in shown.values()) > self.size.width - 1:
            last = next((action for action in reversed(shown) if action not in _NEEDED), None)
            if last is None:
                break
            del shown[last]
        self.update(Content(" ") + Content.styled("  ", MUTED).join(text for text, _ in shown.values()), layout=False)

    def _shown(self) -> dict[str, tuple[Content, int]]:
        """Key and name by action, and how many cells they take."""
        shown: dict[str, tuple[Content, int]] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.show or active.node not in (self.screen, self.app) or not binding.description:
                continue
            if binding.action in shown:  # by another key
                continue
            key = self.app.get_key_display(binding)
            owner = "screen" if active.node is self.screen else "app"
            action = binding.action if "." in binding.action.partition("(")[0] else f"{owner}.{binding.action}"
            name = Content.from_markup(f"[@click={action}]$name[/]", name=binding.description)
            text = Content.assemble((key, "bold $text-accent"), " ", name)
            shown[binding.action] = text, text.cell_length + 2
        return shown
