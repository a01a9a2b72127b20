"""Past drills: pick one to read its debrief."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from ...sandbox.model.errors import DrillboxError
from ..ports import Past
from ..shell.base import ShellScreen


class PastScreen(ShellScreen[None]):
    """The journals of the state folder, the latest first."""

    WHERE = "Past drills"
    DEFAULT_CSS = """
    PastScreen #drills { height: 1fr; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", id="past.back", tooltip="Back to the library"),
    ]

    class Found(Message):
        """What there is."""

        def __init__(self, drills: tuple[Past, ...], error: str = "") -> None:
            self.drills, self.error = drills, error
            super().__init__()

    def content(self) -> Iterable[Widget]:
        """A list."""
        yield OptionList(id="drills", classes="box")

    def on_mount(self) -> None:
        """Read them."""
        self._past: tuple[Past, ...] = ()
        self.title_line("enter opens a debrief")
        self.query_one("#drills").focus()
        self._read()

    @work(thread=True)
    def _read(self) -> None:
        try:
            self.post_message(self.Found(tuple(self.drillbox.backend.past())))
        except DrillboxError as error:
            self.post_message(self.Found((), str(error)))

    def on_past_screen_found(self, found: Found) -> None:
        """Show them."""
        self._past = found.drills
        options = self.query_one("#drills", OptionList)
        options.add_options([Option(_line(one), id=str(place)) for place, one in enumerate(found.drills)])
        if not found.drills:
            options.add_option(Option(Content(found.error or "no drill was played yet"), disabled=True))
        else:
            options.highlighted = 0

    @on(OptionList.OptionSelected)
    def _open(self, event: OptionList.OptionSelected) -> None:
        self.drillbox.show_debrief(self._past[int(str(event.option.id))].journal)

    def action_back(self) -> None:
        """Back."""
        self.dismiss()


def _line(one: Past) -> Content:
    mark, style = ("✓", "$text-success") if one.passed else ("✗", "$text-error") if one.ended else ("·", "$foreground-muted")
    what = "passed" if one.passed else "failed" if one.ended else "not played to its end, or not judged yet"
    impact = f"  impact {one.impact:.0f}" if one.impact is not None else ""
    name, when = (f"{one.journal.stem:34} ", "bold"), (f"{one.when}  ", "$foreground-muted")
    return Content.assemble((f"{mark} ", style), name, when, (f"{what}{impact}", style))
