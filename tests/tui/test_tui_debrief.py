from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.pilot import Pilot
from tui_kit import LARGE, SMALL, TestBackend, drive, played, static, text_of, until, until_screen, until_text

from drillbox.sandbox.journal import read_journal
from drillbox.tui.app import DrillboxApp
from drillbox.tui.cockpit.screen import CockpitScreen
from drillbox.tui.debrief.moments import Timeline
from drillbox.tui.debrief.past import PastScreen
from drillbox.tui.debrief.replay import ReplayScreen, Slider
from drillbox.tui.debrief.screen import DebriefScreen
from drillbox.tui.debrief.words import dashed, dollars, gauge
from drillbox.tui.library.screen import LibraryScreen


async def judged(pilot: Pilot[int], app: DrillboxApp, journal: Path) -> DebriefScreen:
    app.show_debrief(journal)
    await until_screen(pilot, DebriefScreen)
    screen = app.screen
    assert isinstance(screen, DebriefScreen)
    await until(pilot, lambda: screen.debrief is not None, "the debrief")
    return screen


@pytest.mark.parametrize("size", [LARGE, SMALL])
def test_a_won_drill_shows_verdict_score_course_actions_and_lesson(drill_of_mine: Path, size: tuple[int, int]) -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        screen = await judged(pilot, app, drill_of_mine)
        await until_text(pilot, "✓ PASSED", "impact 100", "idle is 0, the reference 100", "objectives", "availability")
        await pilot.press("2")
        await until_text(pilot, "your actions", "Availability", "f shows the fault")
        assert "FAULT" not in text_of(screen)
        await pilot.press("f")
        await until_text(pilot, "FAULT")
        await pilot.press("3")
        await until_text(pilot, "saved", "set-autoscaler minimum=8 maximum=10", "shed share=35%")
        await pilot.press("4")
        await until_text(pilot, "What it was", "traffic.spike")

    drive(play, size=size)


def test_a_lost_drill_says_why(drillbox_home: Path) -> None:
    journal = played(drillbox_home / "drills", "restart-replicas")

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        screen = await judged(pilot, app, journal)
        await until_text(pilot, "✗ FAILED", "the target is 99.00%")
        assert screen.debrief is not None
        assert not screen.debrief.passed
        assert {"you", "idle", "reference"} == set(screen.debrief.harms)

    drive(play)


def test_a_debrief_is_written_in_each_format(drill_of_mine: Path) -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await judged(pilot, app, drill_of_mine)
        for key, suffix in (("e", ".html"), ("m", ".md"), ("j", ".json")):
            await pilot.press(key)
            await until(pilot, drill_of_mine.with_suffix(suffix).exists, suffix)

    drive(play)
    assert json.loads(drill_of_mine.with_suffix(".json").read_text())["verdict"] == "passed"
    assert "# Monday noon" in drill_of_mine.with_suffix(".md").read_text()


def test_one_plays_the_same_drill_again(drill_of_mine: Path) -> None:
    backend = TestBackend()

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await judged(pilot, app, drill_of_mine)
        await pilot.press("p")
        await until_screen(pilot, CockpitScreen)

    drive(play, backend)
    assert [(one.scenario, one.seed, one.profile) for one in backend.started] == [("monday-rush", 1, "short")]


def test_past_drills_are_listed_and_opened(drill_of_mine: Path) -> None:
    assert drill_of_mine.exists()

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_text(pilot, "Monday noon")
        await pilot.press("b")
        await until_screen(pilot, PastScreen)
        await until_text(pilot, "monday-rush-you-1")
        await pilot.press("enter")
        await until_screen(pilot, DebriefScreen)
        await until_text(pilot, "✓ PASSED")
        await pilot.press("escape", "escape")
        await until_screen(pilot, LibraryScreen)
        assert app.is_running

    drive(play)


def test_a_journal_that_is_damaged_is_told(drillbox_home: Path) -> None:
    path = drillbox_home / "drills" / "broken.jsonl"
    path.parent.mkdir()
    path.write_text("no journal\n")

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        app.show_debrief(path)
        await until_text(pilot, "This drill cannot be judged", "its first line is no")
        await pilot.press("r")
        await until_screen(pilot, ReplayScreen)
        await until_text(pilot, "its first line is no")
        await pilot.press("escape", "escape")
        await until_screen(pilot, LibraryScreen)

    drive(play)


@pytest.mark.parametrize("size", [LARGE, SMALL])
def test_a_replay_is_scrubbed_by_time_and_by_event(drill_of_mine: Path, size: tuple[int, int]) -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        app.push_screen(ReplayScreen(drill_of_mine))
        await until(pilot, lambda: bool(app.screen.query(Slider)), "the slider")
        screen, slider = app.screen, app.screen.query_one(Slider)
        assert slider.at == 0.0
        await pilot.press("shift+right", "right")
        await until(pilot, lambda: slider.at == 65.0)
        assert "AvailabilityBurnRate" in static(screen, "#now")
        assert "shed" not in static(screen, "#events")
        before = slider.at
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: slider.at > before)
        await pilot.press("end")
        await until(pilot, lambda: "reference: shed share=35%" in static(screen, "#events"))
        assert "the drill is over: finished" in static(screen, "#events")
        assert "refused" not in static(screen, "#events")  # log lines would drown the rest
        await pilot.press("l")
        await until(pilot, lambda: "requests refused" in static(screen, "#events"), "the log lines")
        await pilot.press("l")
        await until(pilot, lambda: "requests refused" not in static(screen, "#events"))
        await pilot.press("home")
        await until(pilot, lambda: slider.at == 0.0)
        await pilot.press("space")
        await until(pilot, lambda: slider.at > 0.0)

    drive(play, size=size)


def test_a_moment_holds_what_was_known_then_and_no_injector(journal: Path) -> None:
    backend = TestBackend()
    timeline = Timeline(backend.recording(journal))
    assert not any(type(event.body).__name__ == "Injected" for event in timeline.recording.events)
    assert any(type(event.body).__name__ == "Injected" for event in read_journal(journal).events)
    assert timeline.at(-1.0).slis == {}
    assert timeline.at(timeline.end).slis["replicas"] >= 8
    times = [0.0]
    while times[-1] < timeline.end:
        times.append(timeline.next(times[-1], 1))
    assert times == sorted(set(times))
    assert [timeline.next(at, -1) for at in times[2:]] == times[1:-1]


@pytest.mark.parametrize(("value", "text"), [(0.0, "$0.00"), (99.999, "$100.00"), (-12.5, "-$12.50"), (1234.5, "$1,234")])
def test_dollars(value: float, text: str) -> None:
    assert dollars(value) == text


@pytest.mark.parametrize(("impact", "place"), [(-500.0, 0), (-50.0, 0), (50.0, 24), (150.0, 49), (900.0, 49)])
def test_the_bar_of_the_impact_ends_at_its_ends(impact: float, place: int) -> None:
    drawn = "".join(text for part in gauge(impact, 90.0) for text in [part[0] if isinstance(part, tuple) else str(part)])
    bar, scale = drawn.splitlines()
    assert bar.index("●") == place
    assert len(bar) == 50
    assert "pass 90" in scale or "100" in scale


def test_a_dashed_curve_has_gaps_and_no_other_values() -> None:
    points = [(float(at), 1.0) for at in range(100)]
    drawn = dashed(points, 10.0, 0.5)
    assert [at for at, value in drawn if value is not None] == [at for at, _ in points if at % 10 < 5]
    assert dashed(points, 10.0, 1.0) == points
