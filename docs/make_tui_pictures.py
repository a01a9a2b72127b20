# ruff: noqa: INP001 - a script, no package
"""Make the pictures of the terminal UI, docs/tui/*.svg, from real drills: `python docs/make_tui_pictures.py [FOLDER]`.

It plays the first incident as a person might, in a state folder of its own that is removed afterwards; only the cache of data and
models is that of the person who runs it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from textual.pilot import Pilot
from textual.screen import Screen

from drillbox.cockpit import CockpitBackend
from drillbox.sandbox.paths import home
from drillbox.sandbox.session import Session
from drillbox.tui.app import DrillboxApp
from drillbox.tui.cockpit.screen import CockpitScreen
from drillbox.tui.debrief.screen import DebriefScreen
from drillbox.tui.ports import Wanted
from drillbox.tui.settings.settings import Settings
from drillbox.wiring import Wiring

ROOT = Path(__file__).parent
LARGE, SMALL = (120, 36), (80, 24)
KINDS = (
    (LARGE, "", "dark", ()),
    (SMALL, "-80x24", "dark", ("library", "cockpit", "debrief-score", "replay")),
    (LARGE, "-light", "light", ("library", "cockpit", "debrief-course")),
)
"""Size, ending of the names, theme, and which pictures; none named: all."""
PATIENCE = 180.0
"""Wall seconds for anything to happen."""
WHAT_TO_DO = (
    (60.0, "declare", {}),
    (80.0, "shed", {"share": "35%"}),
    (95.0, "set-autoscaler", {"minimum": 8, "maximum": 10}),
    (110.0, "scale", {"replicas": 40}),
    (130.0, "shed", {"share": "0%"}),
    (150.0, "diagnose", {"component": "clients", "cause": "traffic.spike"}),
)
"""Drill second, action, parameters; the fourth is refused."""


class Pictured(CockpitBackend):
    """The settings are where they are on most machines, whatever folder the pictures are made in."""

    @property
    def settings(self) -> Path:
        """Only shown."""
        return Path("~/.local/share/drillbox/settings.toml")


class Photographer:
    """Presses keys, waits for what comes, and takes pictures.

    Args:
        pilot: of the running application.
        folder: where the pictures go.
        only: names of those that are wanted, without their endings; none: all.
    """

    def __init__(self, pilot: Pilot[int], folder: Path, only: Sequence[str]) -> None:
        self.pilot, self.app, self._folder, self._only = pilot, pilot.app, folder, only

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for a condition."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not holds():
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"waited {PATIENCE:g} s for {what}; there is {self.app.screen}")
            await self.pilot.pause(0.05)

    async def screen(self, kind: type[Screen[object]]) -> None:
        """Wait for a screen."""
        await self.until(lambda: isinstance(self.app.screen, kind), kind.__name__)

    async def shoot(self, name: str, settle: float = 0.3) -> None:
        """Take a picture, if it is wanted, some wall seconds after what changed last."""
        if self._only and not name.startswith(tuple(self._only)):
            return
        await self.pilot.pause(settle)
        path = self._folder / f"{name}.svg"
        path.write_text(self.app.export_screenshot(), encoding="utf-8")
        print(path)  # noqa: T201  # the output of a script

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)


async def play(session: Session, at: Callable[[], float]) -> None:
    """Do what a person might do, each thing at its time."""
    for when, action, params in WHAT_TO_DO:
        while at() < when:  # noqa: ASYNC110  # the drill tells nobody of its time
            await asyncio.sleep(0.02)
        await asyncio.to_thread(session.submit, action, params)


async def the_drill(camera: Photographer, suffix: str) -> None:
    """From the library to the end of a replay."""
    app = camera.app
    if not isinstance(app, DrillboxApp):
        raise TypeError("this is not the application")
    await camera.until(lambda: app.screen.query("#list").first().option_count > 0, "the library")  # type: ignore[attr-defined]
    await camera.shoot(f"library{suffix}")
    app.play(Wanted("monday-rush"))  # in full: its warm-up takes long enough for a picture
    await camera.until(lambda: len(getattr(app.screen, "steps", ())) > 1, "the second step of the bring-up")
    await camera.shoot(f"bring-up{suffix}", settle=0.0)
    await camera.press("escape")
    app.play(Wanted("monday-rush", speed=20.0, profile="short"))
    await camera.screen(CockpitScreen)
    session: Session = app.screen.session  # type: ignore[attr-defined]

    def now() -> float:
        snapshot = getattr(getattr(app.screen_stack[1], "picture", None), "snapshot", None)
        return snapshot.now if snapshot is not None else -1.0

    acting = asyncio.create_task(play(session, now))
    await camera.until(lambda: now() >= 100.0, "the middle of the drill")
    await camera.shoot(f"cockpit{suffix}")
    await camera.press("question_mark")
    await camera.shoot(f"help{suffix}")
    await camera.press("escape")
    await acting
    await asyncio.to_thread(session.control, speed=600.0)
    await camera.until(lambda: now() >= 240.0, "the end of the drill")
    await camera.pilot.pause(0.5)
    await camera.press("enter")
    await camera.screen(DebriefScreen)
    await camera.until(lambda: getattr(app.screen, "debrief", None) is not None, "the debrief")
    for key, name in (("1", "score"), ("f", "course"), ("3", "actions"), ("4", "lesson")):
        await camera.press(key)
        await camera.shoot(f"debrief-{name}{suffix}")
    await camera.press("r")
    await camera.until(lambda: bool(app.screen.query("#slider")), "the replay")
    await camera.press(*["right_square_bracket"] * 8)
    await camera.shoot(f"replay{suffix}")
    await camera.press("escape", "escape")
    await camera.press("comma")
    await camera.shoot(f"settings{suffix}")
    await camera.press("escape")


async def main(folder: Path) -> None:
    """All pictures."""
    cache, models = home() / "cache", home() / "models"
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  # nothing else runs yet
    with tempfile.TemporaryDirectory(prefix="drillbox-") as place:
        for name, there in (("cache", cache), ("models", models)):
            there.mkdir(parents=True, exist_ok=True)
            (Path(place) / name).symlink_to(there, target_is_directory=True)
        os.environ["DRILLBOX_HOME"] = place
        for size, suffix, theme, only in KINDS:
            app = DrillboxApp(Pictured(Wiring()), Settings(theme=theme))
            async with app.run_test(size=size) as pilot:
                await the_drill(Photographer(pilot, folder, only), suffix)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "tui", help="where the pictures go; by default docs/tui")
    asyncio.run(main(parser.parse_args().folder))
