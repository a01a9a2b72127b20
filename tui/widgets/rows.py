"""Rows: a scrolling list of one-line rows with a cursor, for lists that change several times a second."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content, Span
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from .styles import MUTED

_MEMORY = 500
"""Lines that are not drawn anew."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `key` tells it from the others as long as it is there, None if it cannot be chosen; `full` is what `y` copies."""

    key: Hashable
    text: Content
    full: str = ""

    @property
    def plain(self) -> str:
        """All of it as text."""
        return self.full or self.text.plain


def _same(old: Row, new: Row) -> bool:
    """Whether two rows look the same, and are the same."""
    return old is new or (old.key == new.key and old.text.is_same(new.text) and old.full == new.full)


class Rows(ScrollView, can_focus=True):
    """Only the lines that can be seen are drawn, and the cursor stays on its row when others come and go.

    Args:
        title: in the border.
        empty: what it says while there are no rows.
        follow: whether it stays at the end as long as the cursor is there, as a log does.
        lit: whether the cursor is shown without the focus, too.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, id="rows.up", tooltip="To the row above"),
        Binding("down", "move(1)", "Down", show=False, id="rows.down", tooltip="To the row below"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="rows.page-up", tooltip="A page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="rows.page-down", tooltip="A page down"),
        Binding("home", "edge(False)", "First", show=False, id="rows.first", tooltip="To the first row"),
        Binding("end", "edge(True)", "Last", show=False, id="rows.last", tooltip="To the last row"),
        Binding("enter", "choose", "Open", show=False, id="rows.open", tooltip="Look into the row"),
        Binding("y", "copy", "Copy", show=False, id="rows.copy", tooltip="Copy the row"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor"}
    DEFAULT_CSS = """
    Rows {
        border: round $foreground 25%;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        background: $background;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        scrollbar-gutter: stable;
        overflow-x: hidden;
        &:focus { border: round $border; border-title-color: $text; border-title-style: bold; }
        scrollbar-color: $foreground 20%;
        scrollbar-background: $background;
        &:focus > .rows--cursor, &.-lit > .rows--cursor {
            background: $block-cursor-background;
            color: $block-cursor-foreground;
            text-style: bold;
        }
    }
    """

    cursor: reactive[int] = reactive(0, repaint=False)
    """Index of the row that the cursor is on."""

    class Chosen(Message):
        """A row was opened."""

        def __init__(self, rows: Rows, row: Row) -> None:
            self.rows = rows
            self.row = row
            super().__init__()

        @property
        def control(self) -> Rows:
            """Where."""
            return self.rows

    def __init__(
        self,
        title: str = "",
        empty: str = "nothing yet",
        *,
        follow: bool = False,
        lit: bool = False,
        id: str | None = None,  # noqa: A002  # as Textual names it
    ) -> None:
        super().__init__(id=id, classes="-lit" if lit else None)
        self._lit = lit
        self.border_title = title
        self.empty = empty
        """What it says without rows."""
        self._follow = follow
        self._rows: tuple[Row, ...] = ()
        self._strips: dict[tuple[str, tuple[Span, ...], int, bool], Strip] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """What it shows."""
        return self._rows

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows."""
        fresh, before = tuple(rows), self._rows
        changed = [index for index, (old, new) in enumerate(zip(before, fresh, strict=False)) if not _same(old, new)]
        if not changed and len(fresh) == len(before):
            return
        at_end = self._follow and self.cursor >= len(before) - 1
        key = self.current.key if self.current else None
        self._rows = fresh
        if len(self._strips) > _MEMORY:
            self._strips.clear()
        found = next((index for index, row in enumerate(fresh) if key is not None and row.key == key), None)
        wanted = len(fresh) - 1 if at_end else found if found is not None else self.cursor
        moved = self.cursor != self._nearest(wanted)
        self.cursor = self._nearest(wanted)
        if moved or len(fresh) != len(before):
            self.virtual_size = Size(self.scrollable_content_region.width, max(1, len(fresh)))
            self.call_after_refresh(self._keep_in_view)
            self.refresh()
        else:
            for index in changed:
                self.refresh_line(index)

    def render_line(self, y: int) -> Strip:
        """One line of what can be seen."""
        width = self.scrollable_content_region.width
        index = y + self.scroll_offset.y
        if not self._rows and y == 0:
            return self._strip(Row(None, Content.styled(self.empty, MUTED)), width, chosen=False)
        if index >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        return self._strip(self._rows[index], width, chosen=index == self.cursor and self._rows[index].key is not None)

    def _strip(self, row: Row, width: int, *, chosen: bool) -> Strip:
        key = (row.text.plain, tuple(row.text.spans), width, chosen and (self.has_focus or self._lit))
        if key not in self._strips:
            chosen = chosen and (self.has_focus or self._lit)
            style = self.get_visual_style("rows--cursor") if chosen else self.visual_style
            text = row.text
            if chosen:  # the cursor's own colours must stay readable
                text = Content(text.plain)
            text = text.truncate(width, ellipsis=True)
            strips = Visual.to_strips(self, text, width, 1, style, pad=True)
            self._strips[key] = strips[0] if strips else Strip.blank(width, style.rich_style)
        return self._strips[key]

    def notify_style_update(self) -> None:
        """Colours have changed."""
        super().notify_style_update()
        self._strips.clear()

    def on_resize(self) -> None:
        """The width has changed."""
        self._strips.clear()
        self.virtual_size = Size(self.scrollable_content_region.width, max(1, len(self._rows)))
        self.call_after_refresh(self._keep_in_view)  # how far it can scroll is known then

    def on_focus(self) -> None:
        """The cursor looks different."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor looks different."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor there; a second click opens."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        index = offset.y + self.scroll_offset.y
        if 0 <= index < len(self._rows) and self._rows[index].key is not None:
            again = index == self.cursor and event.chain > 1
            self._go(index)
            if again:
                self.action_choose()

    def action_move(self, step: int) -> None:
        """Move the cursor by one row that can be chosen."""
        index = self.cursor + step
        while 0 <= index < len(self._rows) and self._rows[index].key is None:
            index += step
        if 0 <= index < len(self._rows):
            self._go(index)

    def action_page(self, step: int) -> None:
        """Move the cursor by a page."""
        self._go(self.cursor + step * max(1, self.scrollable_content_region.height - 1))

    def action_edge(self, last: bool) -> None:
        """Move the cursor to the first or the last row."""
        self._go(len(self._rows) - 1 if last else 0)

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        row = self.current
        if row is not None and row.key is not None:
            self.post_message(self.Chosen(self, row))

    def action_copy(self) -> None:
        """Copy the row under the cursor."""
        if self.current is not None:
            self.app.copy_to_clipboard(self.current.plain)
            self.notify("copied", timeout=2)

    def _go(self, index: int) -> None:
        self.cursor = self._nearest(index)
        self._keep_in_view()
        self.refresh()

    def _nearest(self, index: int) -> int:
        """The index of a row that can be chosen, or the bound that is nearest."""
        index = max(0, min(index, len(self._rows) - 1))
        choosable = [number for number, row in enumerate(self._rows) if row.key is not None]
        return min(choosable, key=lambda number: abs(number - index), default=index)

    def _keep_in_view(self) -> None:
        if self._rows and self.size.height:
            first = self.cursor == self._nearest(0)
            line = 0 if first else self.cursor  # what stands above the first row that can be chosen is seen, too
            self.scroll_to_region(Region(0, line, 1, 1), animate=False, force=True, immediate=True)
