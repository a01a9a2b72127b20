from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from textual.pilot import Pilot
from tui_kit import SMALL, TestBackend, drive, until, until_screen, until_text

from drillbox.sandbox.session import Phase
from drillbox.tui.app import DrillboxApp
from drillbox.tui.cockpit.screen import CockpitScreen
from drillbox.tui.library.screen import LibraryScreen
from drillbox.tui.ports import Drill, Told, Wanted
from drillbox.tui.shell.bring_up import BringUpScreen

pytestmark = pytest.mark.usefixtures("drillbox_home")
SHORT = Wanted("monday-rush", profile="short")


@dataclass
class SlowBackend(TestBackend):
    """Stops in the middle of the bring-up until it is let go on."""

    go_on: threading.Event = field(default_factory=threading.Event)

    def start(self, wanted: Wanted, progress: Told) -> Drill:
        progress("training the model", 0.4)
        assert self.go_on.wait(60.0)
        return super().start(wanted, progress)


def test_a_drill_that_was_asked_for_is_brought_up_and_played() -> None:
    backend = TestBackend()

    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        await until_screen(pilot, CockpitScreen)

    drive(play, backend, asked=SHORT)
    assert backend.started == [SHORT]


def test_each_step_is_shown_with_its_share_and_what_it_takes() -> None:
    backend = SlowBackend()

    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        await until_text(pilot, "▸ training the model", "40%", "It takes about 0.4 GB of memory")
        backend.go_on.set()
        await until_screen(pilot, CockpitScreen)

    drive(play, backend, asked=SHORT)


def test_what_goes_wrong_is_told_and_can_be_tried_again() -> None:
    backend = TestBackend(trouble=["no room on the disk: free 50 MB"])

    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        await until_text(pilot, "✗ The drill could not be brought up", "no room on the disk: free 50 MB", "r tries again")
        await pilot.press("r")
        await until_screen(pilot, CockpitScreen)

    drive(play, backend, asked=SHORT)
    assert len(backend.started) == 2


def test_cancelling_takes_down_what_comes_up_afterwards() -> None:
    backend = SlowBackend()

    async def play(pilot: Pilot[int], _app: DrillboxApp) -> None:
        await until_screen(pilot, BringUpScreen)
        await pilot.press("escape")
        await until_screen(pilot, LibraryScreen)
        backend.go_on.set()
        await until(pilot, lambda: bool(backend.drills) and backend.drills[0].session.snapshot().phase is Phase.ENDED)

    drive(play, backend, asked=SHORT)


def test_of_many_steps_the_first_become_one_where_there_is_no_room() -> None:
    names = [f"step {number}" for number in range(1, 15)]

    @dataclass
    class ManySteps(SlowBackend):
        """As many steps as a cluster takes."""

        def start(self, wanted: Wanted, progress: Told) -> Drill:
            for name in names:
                progress(name, 0.0)
            return super().start(wanted, progress)

    backend = ManySteps()

    async def small(pilot: Pilot[int], _app: DrillboxApp) -> None:
        await until_text(pilot, "✓ 12 steps", "✓ step 13", "✓ step 14", "▸ training the model")
        await until_text(pilot, "It takes about")
        await pilot.resize_terminal(120, 50)
        await until_text(pilot, *(f"✓ {name} " for name in names))
        backend.go_on.set()
        await until_screen(pilot, CockpitScreen)

    drive(small, backend, SMALL, asked=SHORT)
