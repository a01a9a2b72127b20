"""On a cluster the cockpit says how kubectl in a second terminal reaches the drill; elsewhere there is no such key."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from textual.pilot import Pilot
from tui_kit import SMALL, TestBackend, drive, until, until_screen, until_text

from drillbox.cockpit import BESIDE, NEEDS
from drillbox.sandbox.cli.env import env_command
from drillbox.tui.app import DrillboxApp
from drillbox.tui.cockpit.screen import CockpitScreen
from drillbox.tui.library.screen import LibraryScreen
from drillbox.tui.ports import Drill, Told, Wanted
from drillbox.wiring import STACKS

pytestmark = pytest.mark.usefixtures("drillbox_home")
SHORT = Wanted("monday-rush", profile="short")
EVAL = 'eval "$(drillbox env monday-rush-you-1)"'


@dataclass
class ClusterBackend(TestBackend):
    """Drills that kubectl reaches, as on a cluster."""

    def start(self, wanted: Wanted, progress: Told) -> Drill:
        drill = super().start(wanted, progress)
        return replace(drill, beside=BESIDE["kind"].format(name=drill.name))


@pytest.mark.parametrize("size", [(120, 36), SMALL])
def test_the_cockpit_says_how_kubectl_reaches_the_drill(size: tuple[int, int]) -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_screen(pilot, CockpitScreen)
        await until(pilot, lambda: any(EVAL in one.message for one in app._notifications))
        app.clear_notifications()
        await pilot.press("e")
        await until(pilot, lambda: [one.title for one in app._notifications] == ["kubectl beside the cockpit"])
        await pilot.press("3")
        service = app.screen.query_one("#service")
        assert str(service.border_subtitle) == "e kubectl in a second terminal"

    drive(play, ClusterBackend(), size, asked=SHORT)


def test_elsewhere_the_key_does_nothing() -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_screen(pilot, CockpitScreen)
        await pilot.press("e")
        await pilot.pause()
        assert not [one for one in app._notifications if "kubectl" in one.message]
        assert not app.screen.query_one("#service").border_subtitle

    drive(play, TestBackend(), asked=SHORT)


def test_every_stack_of_the_library_says_what_it_takes_and_can_be_picked() -> None:
    assert set(NEEDS) == set(STACKS)

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_screen(pilot, LibraryScreen)
        await until_text(pilot, "✓ kind", "takes a container engine with kind and kubectl")
        await until_text(pilot, "at 10x about 2 min of yours")
        await pilot.press("s", "s")
        await until_text(pilot, "at 1x about 20 min of yours")
        await pilot.press("enter")
        await until(pilot, lambda: bool(backend.started))
        assert (backend.started[0].stack, backend.started[0].speed) == ("kind", 1.0)

    backend = TestBackend()
    drive(play, backend)


def test_what_it_says_is_a_command_that_there_is() -> None:
    words = BESIDE["kind"].removeprefix('eval "$(').removesuffix(')"').format(name="drill-1").split()
    assert words[:2] == ["drillbox", "env"]
    with env_command.make_context("env", words[2:]) as context:
        assert context.params["session"] == "drill-1"
