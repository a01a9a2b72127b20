"""A hint that was asked for is told, in the feed too; a note is taken down."""

from __future__ import annotations

from drillbox.sandbox.model.events import Audience, Event, Hinted
from drillbox.sandbox.session import DrillSession
from drillbox.tui.cockpit.acting import LETTERS
from drillbox.tui.cockpit.lists import _KINDS
from drillbox.tui.cockpit.picture import Picture, fold
from drillbox.tui.cockpit.screen import CockpitScreen


def test_a_hint_is_a_line_of_the_feed(rush: DrillSession) -> None:
    event = Event(3, 42.0, Audience.ALL, Hinted("you", 2, "Look at the queue."))
    [line] = fold(Picture(), rush.snapshot(), [event]).feed
    assert (line.kind, line.text, line.at) == ("hint", "2: Look at the queue.", 42.0)
    assert _KINDS[line.kind].word == "hint"


def test_hint_and_note_have_keys_of_their_own() -> None:
    keys = {binding.action: binding.key for binding in CockpitScreen.BINDINGS}  # type: ignore[union-attr]  # all are bindings
    assert (keys["act('hint')"], keys["act('note')"]) == ("h", "n")
    assert len(set(LETTERS.values())) == len(LETTERS)
