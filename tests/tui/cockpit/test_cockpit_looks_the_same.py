"""Pictures of the cockpit, character by character: a change of looks is seen in review.

`UPDATE_PICTURES=1 pytest tests/tui/cockpit/test_cockpit_looks_the_same.py` writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import FULL, SMALL, Stage, perform
from .told_kit import Told

PICTURES = Path(__file__).parent / "pictures"
SIZES = {"120x36": FULL, "80x24": SMALL}
KEYS = {
    "overview": (),
    "service": ("3",),
    "logs": ("7",),
    "act": ("a",),
    "form": ("x",),
    "component": ("3", "enter"),
    "alert": ("2", "enter"),
    "leave": ("q",),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", KEYS)
def test_it_looks_as_it_did(name: str, size: str) -> None:
    async def script(stage: Stage) -> str:
        await stage.press(*KEYS[name])
        await stage.pilot.pause(0.05)
        return stage.screen()

    shown = "\n".join(line.rstrip() for line in perform(Told(), script, SIZES[size]).split("\n")) + "\n"  # type: ignore[arg-type]  # no abort, no control
    kept = PICTURES / f"{name}-{size}.txt"
    if "UPDATE_PICTURES" in os.environ:
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(shown, encoding="utf-8")
    assert shown == kept.read_text(encoding="utf-8")


@pytest.mark.parametrize("theme", ["textual-light", "ansi-dark", "nord"])
def test_a_theme_changes_colours_and_nothing_else(theme: str) -> None:
    async def script(stage: Stage) -> str:
        before = stage.app.export_screenshot()
        stage.app.theme = theme
        await stage.pilot.pause(0.05)
        assert stage.app.export_screenshot() != before
        return stage.screen()

    shown = "\n".join(line.rstrip() for line in perform(Told(), script).split("\n")) + "\n"  # type: ignore[arg-type]  # as above
    assert shown == (PICTURES / "overview-120x36.txt").read_text(encoding="utf-8")


def test_without_colours_it_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def script(stage: Stage) -> str:
        return stage.screen()

    shown = "\n".join(line.rstrip() for line in perform(Told(), script).split("\n")) + "\n"  # type: ignore[arg-type]  # as above
    assert shown == (PICTURES / "overview-120x36.txt").read_text(encoding="utf-8")
