from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList
from tui_kit import LARGE, SMALL, TestBackend, drive, static, text_of, until, until_screen, until_text

from drillbox.sandbox.loading import Library
from drillbox.sandbox.pace import PaceKeeper
from drillbox.tui.app import DrillboxApp
from drillbox.tui.cockpit.screen import CockpitScreen
from drillbox.tui.library.choices import Choice, SeedPicker
from drillbox.tui.library.screen import PLAY, LibraryScreen
from drillbox.tui.ports import Running

pytestmark = pytest.mark.usefixtures("drillbox_home")


async def library(pilot: Pilot[int]) -> LibraryScreen:
    await until_text(pilot, "Monday noon")
    assert isinstance(pilot.app.screen, LibraryScreen)
    return pilot.app.screen


def ids(screen: LibraryScreen) -> list[str]:
    options = screen.query_one("#list", OptionList)
    return [str(options.get_option_at_index(place).id) for place in range(options.option_count)]


@pytest.mark.parametrize("size", [LARGE, SMALL])
def test_incidents_are_listed_the_easiest_first_with_the_pagers_text(size: tuple[int, int]) -> None:
    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        screen = await library(pilot)
        assert ids(screen) == [f"play:{entry.id}" for entry in Library.packaged().entries()]
        await until_text(pilot, "PAGE flight-delays", "★☆☆☆☆", "20 min", "new")
        assert "reading saturation and queues" in static(screen, "#rest")
        assert "not played yet" in static(screen, "#rest")

    drive(play, size=size)


def test_nothing_gives_the_cause_away() -> None:
    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        screen = await library(pilot)
        for entry in Library.packaged().entries():
            await until_text(pilot, entry.title)
            shown = text_of(screen) + static(screen, "#head") + static(screen, "#pager") + static(screen, "#rest")
            assert entry.cause not in shown
            await pilot.press("down")

    drive(play)


def test_a_filter_leaves_the_incidents_that_have_its_words() -> None:
    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        screen = await library(pilot)
        await pilot.press("slash", *"quiet night")
        await until(pilot, lambda: ids(screen) == ["play:quiet-night"])
        await pilot.press("enter", "escape")
        await until(pilot, lambda: len(ids(screen)) == len(Library.packaged().entries()))
        await pilot.press("slash", *"no such words")
        await until_text(pilot, "no incident has these words")

    drive(play)


def test_pickers_are_moved_by_keys_and_the_hint_says_how_long_it_takes() -> None:
    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        screen = await library(pilot)
        await pilot.press("plus", "p", "n", "n")
        assert screen.query_one("#speed", Choice).value == "20"
        assert screen.query_one("#profile", Choice).value == "short"
        assert screen.query_one("#seed", SeedPicker).value == 3
        await until_text(pilot, "short at 20x")
        screen.query_one("#seed").focus()
        await pilot.press("backspace", "4", "2", "left", "right")
        assert screen.query_one("#seed", SeedPicker).value == 42

    drive(play)


def test_a_surprise_is_an_incident_that_was_played_least(drill_of_mine: Path) -> None:
    PaceKeeper(drill_of_mine)(10.0, False)

    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        screen = await library(pilot)
        await pilot.press("p")
        await until_text(pilot, "✓ best 100 at 10x")
        rest = static(screen, "#rest")
        assert "played once, passed 1\n  best impact without a pause: 100 at 10x (100 is the reference)" in rest
        await pilot.press("plus")
        await until_text(pilot, "✓ played 1")
        for _ in range(10):
            await pilot.press("r")
            chosen = screen.query_one("#list", OptionList).highlighted_option
            assert chosen is not None
            assert chosen.id != PLAY + "monday-rush"
        await until(pilot, lambda: "monday-rush" not in static(screen, "#head"))

    drive(play)


def test_a_running_drill_is_offered_and_one_comes_back_to_it() -> None:
    backend = TestBackend(going=[Running("monday-rush-you-1", "monday-rush", "Monday noon", "sim", "paused", 65.0, 1200.0, 10.0)])

    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        await library(pilot)
        await until_text(pilot, "01:05 of 20:00, paused at 10x")
        await pilot.press("enter")
        await until_screen(pilot, CockpitScreen)

    drive(play, backend)
    assert backend.attached == ["monday-rush-you-1"]


def test_enter_plays_what_is_picked() -> None:
    backend = TestBackend()

    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        await library(pilot)
        await pilot.press("p", "n", "enter")
        await until_screen(pilot, CockpitScreen)

    drive(play, backend)
    assert [(one.scenario, one.seed, one.profile, one.speed) for one in backend.started] == [("monday-rush", 2, "short", 10.0)]


@pytest.mark.parametrize("size", [(59, 30), (100, 19)])
def test_a_terminal_that_is_too_small_is_told_so(size: tuple[int, int]) -> None:
    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        await until_text(pilot, "This terminal is too small.", "60 columns by 20 rows are needed.")
        await pilot.resize_terminal(*SMALL)
        await until_text(pilot, "Monday noon")

    drive(play, size=size)
