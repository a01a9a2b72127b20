from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from tui_kit import LARGE, SMALL, drive, text_of, until, until_screen, until_text

from drillbox.tui.app import DrillboxApp
from drillbox.tui.help.screen import HelpScreen, groups_of
from drillbox.tui.help.sheet import cheat_sheet, key_text
from drillbox.tui.library.screen import LibraryScreen

KEYS = Path(__file__).parents[2] / "docs" / "keys.md"


def test_the_cheat_sheet_is_what_the_bindings_say() -> None:
    assert KEYS.read_text(encoding="utf-8") == cheat_sheet(), "run: python docs/make_keys.py"


@pytest.mark.usefixtures("drillbox_home")
@pytest.mark.parametrize("size", [LARGE, SMALL])
def test_help_shows_the_keys_of_the_place_one_is_at(size: tuple[int, int]) -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_text(pilot, "Monday noon")
        await pilot.press("question_mark")
        await until_screen(pilot, HelpScreen)
        await until_text(pilot, "Library", "Only incidents whose words contain a text")
        await pilot.press("question_mark")
        await until_screen(pilot, LibraryScreen)
        app.screen.query_one("#seed").focus()
        await pilot.press("f1")
        await until_text(pilot, "Take the last digit away")
        await pilot.press("escape")

    drive(play, size=size)


@pytest.mark.usefixtures("drillbox_home")
def test_keys_of_ones_own_are_in_the_help() -> None:
    from drillbox.tui.settings.settings import Settings

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_text(pilot, "Monday noon")
        groups = dict(groups_of(app.screen))
        assert ("F3", "Only incidents whose words contain a text") in groups["Library"]

    drive(play, settings=Settings(keys={"library.filter": "f3"}))


@pytest.mark.usefixtures("drillbox_home")
def test_the_palette_offers_help_and_themes() -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_text(pilot, "Monday noon")
        await pilot.press("ctrl+p", *"high-contrast")
        await until_text(pilot, "Theme: high-contrast")
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "high-contrast")
        assert "drillbox" in text_of(app.screen)

    drive(play)


@pytest.mark.parametrize(
    ("keys", "text"),
    [("question_mark,f1", "? or F1"), ("slash", "/"), ("ctrl+q", "ctrl+q"), ("enter,shift+left", "enter or shift+←")],
)
def test_keys_are_written_as_people_read_them(keys: str, text: str) -> None:
    assert key_text(keys) == text
