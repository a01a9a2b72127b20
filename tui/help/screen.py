"""`?`: what the keys do, of the widget that has the focus, of the screen, and everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from .sheet import key_text

Lines = list[tuple[str, str]]
COMMON = {
    "app.focus_next": "To the next part of the screen",
    "app.focus_previous": "To the part before",
    "command_palette": "Find anything by its name",
    "cursor_up": "Up",
    "cursor_down": "Down",
    "select": "Choose",
}
"""Of the bindings that come with the widgets those that one needs, by action; ours all have a help of their own."""


class HelpScreen(ModalScreen[None]):
    """Shows groups of (keys, what they do)."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen > VerticalScroll {
        width: 84; max-width: 96%; height: auto; max-height: 90%; border: round $primary; background: $surface; padding: 0 2;
        border-title-color: $primary; border-subtitle-color: $foreground-muted; scrollbar-size-vertical: 1;
        scrollbar-color: $foreground 40%; scrollbar-background: $surface;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q,enter", "close", "Close", id="help.close", tooltip="Back to where you were"),
    ]

    def __init__(self, groups: Sequence[tuple[str, Lines]]) -> None:
        super().__init__()
        self._groups = groups

    @classmethod
    def of(cls, screen: Screen[Any]) -> HelpScreen:
        """Help on a screen and the widget that has its focus."""
        return cls(groups_of(screen))

    def compose(self) -> ComposeResult:
        """One text that can be scrolled."""
        with VerticalScroll() as box:
            box.border_title = "what the keys do"
            box.border_subtitle = "esc closes"
            yield Static(_text(self._groups), markup=False)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()


def groups_of(screen: Screen[Any]) -> list[tuple[str, Lines]]:
    """The keys that do something now by whose they are: the focused widget and what is around it, the screen, the application."""
    found: dict[str, Lines] = {}
    merged: dict[tuple[int, str], int] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        what = binding.tooltip or (binding.description if binding.id else COMMON.get(binding.action, ""))
        if not what or not active.enabled:
            continue
        title = _title(active.node, screen)
        lines = found.setdefault(title, [])
        key = (id(active.node), binding.action)
        if key in merged:
            keys, text = lines[merged[key]]
            lines[merged[key]] = (f"{keys} or {key_text(binding.key)}", text)
        else:
            merged[key] = len(lines)
            lines.append((key_text(binding.key), what))
    order = {"Everywhere": 2, _name(screen): 1}
    return sorted(found.items(), key=lambda group: order.get(group[0], 0))


def _title(node: DOMNode, screen: Screen[Any]) -> str:
    if node is screen.app:
        return "Everywhere"
    return _name(node)


def _name(node: DOMNode) -> str:
    return str(getattr(node, "WHERE", "") or getattr(node, "border_title", "") or type(node).__name__.removesuffix("Screen"))


def _text(groups: Sequence[tuple[str, Lines]]) -> Content:
    width = min(26, max((len(keys) for _, lines in groups for keys, _ in lines), default=0))
    parts: list[Content | str | tuple[str, str]] = []
    for title, lines in groups:
        parts.append((f"\n{title}\n", "bold $primary"))
        for keys, what in lines:
            parts += [(f"  {keys:>{width}}", "bold $accent"), f"  {what}\n"]
    return Content.assemble(*parts)
