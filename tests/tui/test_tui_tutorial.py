from __future__ import annotations

import asyncio

import pytest
from textual.pilot import Pilot
from tui_kit import TestBackend, drive, until, until_screen, until_text

from drillbox.sandbox.session import Phase
from drillbox.tui.app import DrillboxApp
from drillbox.tui.cockpit.screen import CockpitScreen
from drillbox.tui.help.coach import Coach
from drillbox.tui.help.lessons import LESSONS, SPEEDY

pytestmark = pytest.mark.usefixtures("drillbox_home")


def test_each_step_goes_on_when_what_it_asks_for_has_happened() -> None:
    backend = TestBackend()

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_text(pilot, "Monday noon")
        await pilot.press("t")
        await until_screen(pilot, CockpitScreen)
        await until(pilot, lambda: bool(app.screen.query(Coach)), "the coach")
        session, coach = backend.drills[0].session, app.screen.query_one(Coach)

        async def goes_on_to(place: int, seconds: float = 0.0) -> None:
            """The drill is played, but never past the step."""
            until_then = session.now + seconds
            while coach.place < place and session.now < until_then:
                session.advance()
                if session.now % 5 == 0:
                    await asyncio.sleep(0)
            await until(pilot, lambda: coach.place == place, f"step {place + 1}")

        await until_text(pilot, "PAUSED", "tutorial 1 of 9", "Press space to let the clock run")
        await pilot.press("space")
        await goes_on_to(1, 5.0)
        while not any(alert.firing and alert.severity == "page" for alert in coach._cockpit.picture.alerts.values()):
            session.advance()
            await pilot.pause()
        await goes_on_to(2)
        await pilot.press("d")
        await goes_on_to(3, 3.0)
        await pilot.press("right_square_bracket", "right_square_bracket", "right_square_bracket")
        await goes_on_to(4)
        await pilot.press("x")
        await until(pilot, lambda: session.snapshot().phase is Phase.PAUSED, "the clock that stands while a form is open")
        await pilot.press("escape")
        await until(pilot, lambda: session.snapshot().phase is Phase.RUNNING, "the clock that goes on")
        session.submit("shed", {"share": "35%"})
        await goes_on_to(5, 3.0)
        session.submit("set-autoscaler", {"minimum": 8, "maximum": 10})
        await goes_on_to(6, 3.0)
        session.submit("shed", {"share": "0%"})
        await goes_on_to(7, 60.0)
        session.submit("diagnose", {"component": "clients", "cause": "traffic.spike"})
        await goes_on_to(8, 3.0)
        await until(pilot, lambda: session.speed == SPEEDY, "the fast clock")
        while not session.over:
            session.advance()
        await until(pilot, lambda: not coach.is_attached, "the end of the tutorial")

    drive(play, backend)
    assert [(one.scenario, one.profile) for one in backend.started] == [("monday-rush", "short")]


def test_it_can_be_skipped_and_ended() -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_text(pilot, "Monday noon")
        await pilot.press("f10")  # nothing to skip yet
        await pilot.press("t")
        await until(pilot, lambda: bool(app.screen.query(Coach)), "the coach")
        coach = app.screen.query_one(Coach)
        await pilot.press("f10")
        await until(pilot, lambda: coach.place == 1)
        await pilot.press("f9")
        await until(pilot, lambda: not coach.is_attached)
        assert isinstance(app.screen, CockpitScreen)

    drive(play)


def test_every_key_that_it_names_is_one() -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_text(pilot, "Monday noon")
        await pilot.press("t")
        await until(pilot, lambda: bool(app.screen.query(Coach)), "the coach")
        coach = app.screen.query_one(Coach)
        for lesson in LESSONS:
            shown = "".join(part if isinstance(part, str) else part[0] for part in coach.parts(lesson))
            assert "cockpit." not in shown
            assert "app." not in shown
            assert "{" not in shown

    drive(play)
