"""Dialogs: a question whose safe answer is the default, a text to enter, a list to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static
from textual.widgets.button import ButtonVariant

from .rows import Row, Rows

T = TypeVar("T")

_CLOSE = Binding("escape", "close", "Back", id="dialog.back", tooltip="Close, and change nothing")


class Dialog(ModalScreen[T]):
    """Something in the middle of the screen; `esc` closes it with None."""

    BINDINGS: ClassVar[list[BindingType]] = [_CLOSE]
    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        background: $background 60%;
        & > .box {
            width: 76;
            max-width: 96%;
            height: auto;
            max-height: 94%;
            border: round $border;
            border-title-style: bold;
            border-subtitle-color: $text-muted;
            background: $surface;
            padding: 0 2;
        }
        & .buttons { height: auto; align-horizontal: right; margin-top: 1; }
        & Button { margin-left: 2; min-width: 12; }
        & .note { color: $text-muted; width: 1fr; }
        & Rows, & Rows:focus { border: none; padding: 0; background: $surface; }
    }
    """

    def action_close(self) -> None:
        """Change nothing."""
        self.dismiss(None)


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to a question: its key is a letter of its own, too."""

    key: str
    text: str
    variant: ButtonVariant = "default"


class Question(Dialog[str]):
    """Asks, and is dismissed with the key of the answer; the first answer has the focus.

    Args:
        title: in the border.
        text: what is asked, and what will happen.
        choices: the safe one first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "app.focus_previous", "Left", show=False, id="question.left", tooltip="To the answer on the left"),
        Binding("right", "app.focus_next", "Right", show=False, id="question.right", tooltip="To the answer on the right"),
    ]

    def __init__(self, title: str, text: str | Content, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._choices = tuple(choices)

    @property
    def named(self) -> str:
        """Its title."""
        return self._title

    def compose(self) -> ComposeResult:
        """A text and buttons."""
        with Vertical(classes="box") as box:
            box.border_title = self._title
            box.border_subtitle = " · ".join(f"{one.key} {one.text.casefold()}" for one in self._choices)
            yield Static(self._text, markup=False)
            with Horizontal(classes="buttons"):
                for choice in self._choices:
                    yield Button(choice.text, choice.variant, id=f"answer-{choice.key}")

    def on_mount(self) -> None:
        """The safe answer is the default."""
        self.query(Button).first().focus()

    def on_key(self, event: events.Key) -> None:
        """A letter answers."""
        if event.character and any(event.character == choice.key for choice in self._choices):
            event.stop()
            self.dismiss(event.character)

    @on(Button.Pressed)
    def _answer(self, pressed: Button.Pressed) -> None:
        self.dismiss((pressed.button.id or "").removeprefix("answer-"))


class Confirm(Question):
    """Asks before something destructive: Cancel is the default."""

    def __init__(self, title: str, text: str | Content, do: str) -> None:
        super().__init__(title, text, [Choice("c", "Cancel"), Choice("y", do, "error")])


class Prompt(Dialog[str]):
    """A line to type.

    Args:
        title: in the border.
        note: what can be typed.
        value: that is there at first.
        changed: told of every change.
    """

    DEFAULT_CSS = """
    Prompt { align: center bottom; background: transparent; }
    """

    def __init__(self, title: str, note: str, value: str = "", changed: Callable[[str], object] | None = None) -> None:
        super().__init__()
        self._title = title
        self._note = note
        self._value = value
        self._changed = changed

    def compose(self) -> ComposeResult:
        """A line."""
        with Vertical(classes="box") as box:
            box.border_title = self._title
            yield Input(self._value, compact=True)
            yield Label(self._note, classes="note", markup=False)

    @on(Input.Changed)
    def _change(self, changed: Input.Changed) -> None:
        if self._changed is not None:
            self._changed(changed.value)

    @on(Input.Submitted)
    def _submit(self, submitted: Input.Submitted) -> None:
        self.dismiss(submitted.value)


class Picker(Dialog[Row]):
    """A list to choose from, narrowed by what is typed: every word must be in the row.

    Args:
        title: in the border.
        rows: to choose from.
        text: that is typed already.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, id="picker.up", tooltip="To the row above"),
        Binding("down", "move(1)", "Down", show=False, id="picker.down", tooltip="To the row below"),
    ]
    DEFAULT_CSS = """
    Picker Rows { max-height: 16; margin-top: 1; }
    """

    def __init__(self, title: str, rows: Sequence[Row], text: str = "") -> None:
        super().__init__()
        self._title = title
        self._all = tuple(rows)
        self._text = text

    def compose(self) -> ComposeResult:
        """A line and what fits it."""
        with Vertical(classes="box") as box:
            box.border_title = self._title
            box.border_subtitle = "type to narrow · enter opens · esc back"
            yield Input(self._text, placeholder="type a part of the name", compact=True)
            yield Rows(empty="nothing has that name", lit=True)

    def on_mount(self) -> None:
        """Show all that fits."""
        self._narrow(self._text)

    def action_move(self, step: int) -> None:
        """The cursor moves while one types."""
        self.query_one(Rows).action_move(step)

    @on(Input.Changed)
    def _change(self, changed: Input.Changed) -> None:
        self._narrow(changed.value)

    @on(Input.Submitted)
    def _submit(self) -> None:
        row = self.query_one(Rows).current
        if row is not None:
            self.dismiss(row)

    @on(Rows.Chosen)
    def _choose(self, chosen: Rows.Chosen) -> None:
        self.dismiss(chosen.row)

    def _narrow(self, text: str) -> None:
        words = text.casefold().split()
        rows = self.query_one(Rows)
        fitting = [row for row in self._all if all(word in row.plain.casefold() for word in words)]
        rows.show(sorted(fitting, key=lambda row: not words or not row.plain.casefold().split()[-1].startswith(words[-1])))
        rows.action_edge(last=False)
        rows.styles.height = max(1, min(16, len(rows.rows)))
