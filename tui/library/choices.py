"""Small pickers for the keyboard and the mouse: one value out of a few, and a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from ..settings.settings import MOST_SEED


class Picker(Widget, can_focus=True):
    """A named value that the arrow keys change."""

    DEFAULT_CSS = """
    Picker { width: auto; height: 1; padding: 0 1; background: $panel; color: $foreground; margin-right: 1; }
    Picker:hover { background: $panel-lighten-1; }
    Picker:focus { background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,minus", "move(-1)", "Previous", id="choice.previous", show=False, tooltip="The value before"),
        Binding("right,plus,space", "move(1)", "Next", id="choice.next", show=False, tooltip="The value after"),
    ]

    class Changed(Message):
        """Another value was picked."""

    def __init__(self, name: str, *, id: str) -> None:  # noqa: A002  # textual's name for it
        super().__init__(id=id)
        self._label = name

    def render(self) -> Content:
        """Name and value."""
        return Content.assemble((f"{self._label} ", "$foreground-muted"), "◂ ", (self.shown, "bold"), " ▸")

    @property
    def shown(self) -> str:
        """The value as a person reads it."""
        raise NotImplementedError

    def action_move(self, by: int) -> None:
        """The value so many places further."""
        raise NotImplementedError

    def on_click(self, event: events.Click) -> None:
        """The left half goes back, the right half on."""
        self.action_move(-1 if event.x < self.size.width / 2 else 1)

    def told(self) -> None:
        """Show the new value, and tell others."""
        self.refresh(layout=True)
        self.post_message(self.Changed())


class Choice(Picker):
    """One out of a few. Each is (value, what is shown)."""

    def __init__(self, name: str, options: Sequence[tuple[str, str]], value: str, *, id: str) -> None:  # noqa: A002
        super().__init__(name, id=id)
        self._options: Sequence[tuple[str, str]] = ()
        self._place = 0
        self.offer(options, value)

    def offer(self, options: Sequence[tuple[str, str]], value: str = "") -> None:
        """Other options; the value stays if it is among them."""
        value = value or self.value
        self._options = options
        self._place = next((place for place, option in enumerate(options) if option[0] == value), 0)
        if self.is_mounted:
            self.refresh(layout=True)

    @property
    def value(self) -> str:
        """What is picked; empty if there is nothing."""
        return self._options[self._place][0] if self._options else ""

    @property
    def shown(self) -> str:
        """What is picked, as a person reads it."""
        return self._options[self._place][1] if self._options else "none"

    def action_move(self, by: int) -> None:
        """The option so many places further, round and round."""
        if self._options:
            self._place = (self._place + by) % len(self._options)
            self.told()


class SeedPicker(Picker):
    """A seed: arrow keys, or typed digits."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace", "erase", "Erase", id="choice.erase", show=False, tooltip="Take the last digit away"),
    ]

    def __init__(self, name: str, value: int, *, id: str) -> None:  # noqa: A002
        super().__init__(name, id=id)
        self.value = value

    @property
    def shown(self) -> str:
        """The seed."""
        return str(self.value)

    def action_move(self, by: int) -> None:
        """The next seed, or the one before."""
        self.value = max(0, min(MOST_SEED, self.value + by))
        self.told()

    def action_erase(self) -> None:
        """Without its last digit."""
        self.value //= 10
        self.told()

    def on_key(self, event: events.Key) -> None:
        """Digits are typed."""
        if event.character is not None and event.character.isdecimal():
            event.stop()
            self.value = min(MOST_SEED, self.value * 10 + int(event.character))
            self.told()
