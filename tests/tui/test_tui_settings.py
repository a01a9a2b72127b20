from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList
from tui_kit import TestBackend, drive, text_of, until, until_screen, until_text

from drillbox.sandbox.model.errors import UsageError
from drillbox.tui.app import DrillboxApp
from drillbox.tui.help.sheet import classes
from drillbox.tui.library.screen import LibraryScreen
from drillbox.tui.settings.keymap import bound, clashes, together
from drillbox.tui.settings.screen import SettingsScreen
from drillbox.tui.settings.settings import Settings, SettingsError, parse_settings, read_settings, save_setting
from drillbox.tui.settings.themes import ABOUT, themes

SETTINGS = """# mine
theme = "light"   # for the sun
speed = "20x"
seed = 7
stack = "sim"
profile = "short"
mouse = false
animation = false

[keys]
"library.filter" = "f3,f"
"cockpit.pause" = "ctrl+b"
"""


def test_all_settings_are_read() -> None:
    assert parse_settings(SETTINGS) == Settings(
        "light", 20.0, "sim", 7, "short", False, False, {"library.filter": "f3,f", "cockpit.pause": "ctrl+b"}
    )


def test_without_a_file_the_usual_ones_hold(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "settings.toml") == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("theme = ", "this is not TOML"),
        ('thme = "dark"', "unknown setting 'thme'; did you mean 'theme'?"),
        ('theme = "drak"', "theme: unknown theme 'drak'; did you mean 'dark'?"),
        ("theme = 1", "theme: unknown theme 1; choose one of"),
        ('speed = "fast"', "speed: 'fast' is not a speed"),
        ("speed = 1000", "speed: 1000 is not a speed"),
        ("speed = true", "speed: True is not a speed"),
        ("seed = -1", "seed: -1 is not a seed"),
        ('mouse = "no"', "mouse: 'no' is neither true nor false"),
        ("stack = 1", "stack: 1 is not a text"),
        ('keys = "f3"', "keys: this is a table"),
        ('[keys]\n"library.fliter" = "f3"', "keys.library.fliter: there is no such binding; did you mean 'library.filter'?"),
        ('[keys]\n"library.filter" = "slsh"', "keys.library.filter: unknown key 'slsh'; did you mean 'slash'?"),
        ('[keys]\n"library.filter" = "ctl+f"', "keys.library.filter: unknown modifier 'ctl'; did you mean 'ctrl'?"),
        ('[keys]\n"library.filter" = ""', "keys.library.filter: '' is not a text with one key or more"),
        ('[keys]\n"library.filter" = "r"', "keys.library.filter: 'r' is the key of library.surprise already (Library)"),
        ('[keys]\n"library.filter" = "f1"', "keys.library.filter: 'f1' is the key of app.help already (Library)"),
    ],
)
def test_what_is_wrong_is_told_with_its_key_and_the_nearest_choice(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    assert message in str(caught.value)
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=str(path)):
        read_settings(path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is a directory"):
        read_settings(tmp_path)
    path = tmp_path / "settings.toml"
    path.write_bytes(b"theme = '\xff'")
    with pytest.raises(UsageError, match="it is not UTF-8"):
        read_settings(path)


def test_saving_a_theme_leaves_the_rest_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "there" / "settings.toml"
    save_setting(path, "theme", "high-contrast")
    assert path.read_text() == 'theme = "high-contrast"\n'
    path.write_text(SETTINGS)
    save_setting(path, "theme", "dark")
    assert path.read_text() == SETTINGS.replace('theme = "light"   # for the sun', 'theme = "dark"')
    path.write_text('# only keys\n[keys]\n"library.filter" = "f3"\n')
    save_setting(path, "theme", "light")
    assert read_settings(path) == Settings(theme="light", keys={"library.filter": "f3"})
    assert "# only keys" in path.read_text()


def test_themes_are_tried_at_once_and_kept_on_demand(drillbox_home: Path) -> None:
    backend = TestBackend()

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_text(pilot, "Monday noon")
        await pilot.press("comma")
        await until_screen(pilot, SettingsScreen)
        for name in list(ABOUT)[1:]:
            await pilot.press("down")
            await until(pilot, lambda name=name: app.theme == name)  # type: ignore[misc]
            await until_text(pilot, "✗ missed, failed, a page")
        await pilot.press("escape")
        await until(pilot, lambda: app.theme == "dark")
        await pilot.press("comma", "down", "enter", "escape")
        await until_screen(pilot, LibraryScreen)
        assert app.theme == "light"
        await pilot.press("ctrl+t")
        assert app.theme == "colour-blind-dark"

    drive(play, backend)
    assert read_settings(drillbox_home / "settings.toml").theme == "colour-blind-dark"


@pytest.mark.parametrize("theme", list(ABOUT))
def test_text_can_be_read_in_every_theme(theme: str) -> None:
    """The contrast of text and signals on the background, by WCAG 2.1: at least 4.5 to 1, and 7 to 1 for text at high contrast."""
    from textual.color import Color

    found = next(one for one in themes() if one.name == theme)
    surface = Color.parse(str(found.background))
    for colour in (found.foreground, found.primary, found.warning, found.error, found.success, found.accent):
        least = 7.0 if theme == "high-contrast" else 4.5
        assert surface.get_contrast_text  # the background is a colour
        assert contrast(Color.parse(str(colour)).rgb, surface.rgb) >= least, colour


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    def luminance(rgb: tuple[int, int, int]) -> float:
        parts = [part / 255 for part in rgb]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.usefixtures("drillbox_home")
def test_keys_of_ones_own_take_the_place_of_the_usual_ones() -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_text(pilot, "Monday noon")
        await pilot.press("slash")
        assert not app.screen.query_one("#filter").has_class("shown")
        await pilot.press("f3")
        assert app.screen.query_one("#filter").has_class("shown")

    drive(play, settings=Settings(keys={"library.filter": "f3"}))


@pytest.mark.usefixtures("drillbox_home")
def test_without_colours_the_screen_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_text(pilot, "Monday noon", "★☆☆☆☆", "not played yet", "? Help")
        assert app.screen.query_one("#list", OptionList).highlighted == 0
        seen.append(text_of(app.screen))

    drive(play)
    monkeypatch.setenv("NO_COLOR", "1")
    app = drive(play)
    assert app.no_color
    assert seen[0] == seen[1]


def test_no_two_bindings_of_one_place_have_the_same_key() -> None:
    for title, node in classes():
        assert clashes(together(node), {}) == [], title


def test_every_binding_has_an_id_of_its_own_and_a_help() -> None:
    seen: dict[str, str] = {}
    for title, node in classes():
        for one in bound(node):
            assert one.id, f"{title}: {one.key}"
            assert one.tooltip or one.description, one.id
            assert seen.setdefault(one.id, one.action) == one.action, one.id
