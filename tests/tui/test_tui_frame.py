"""What all screens share: a footer that fits, keys that lead on, and an end that tells what there is to tell."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.worker import WorkerFailed
from tui_kit import LARGE, SMALL, TestBackend, drive, text_of, until, until_screen, until_text

from drillbox.cockpit import CockpitBackend, log_file
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.pace import Pace, PaceKeeper, pace_of
from drillbox.tui.app import DrillboxApp
from drillbox.tui.cockpit.screen import CockpitScreen
from drillbox.tui.debrief.replay import Slider
from drillbox.tui.debrief.screen import DebriefScreen
from drillbox.tui.library.screen import LibraryScreen
from drillbox.tui.library.words import best
from drillbox.tui.ports import Wanted
from drillbox.tui.settings.settings import Settings
from drillbox.wiring import Wiring

SHORT = Wanted("monday-rush", profile="short")


@pytest.mark.parametrize(("size", "theme"), [(LARGE, "light"), (SMALL, "dark")])
def test_every_screen_fits_with_its_footer(drill_of_mine: Path, size: tuple[int, int], theme: str) -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        async def fits(*texts: str) -> None:
            await until_text(pilot, *texts, "? Help")
            lines = text_of(app.screen).splitlines()
            assert len(lines) == size[1]
            assert lines[0].startswith(" ▞ drillbox")
            assert "? Help" in lines[-1], lines[-1]

        await fits("Library", "Monday noon", "PAGE flight-delays")
        await pilot.press("comma")
        await fits("Settings", "met, passed, healthy")
        await pilot.press("escape", "b")
        await fits("Past drills", "monday-rush-you-1")
        await pilot.press("enter")
        await fits("Debrief", "PASSED")
        for key, text in (("2", "your actions"), ("3", "saved"), ("4", "What it was")):
            await pilot.press(key)
            await fits(text)
        await pilot.press("r")
        await until(pilot, lambda: bool(app.screen.query(Slider)), "the slider")
        await fits("Replay", "what had happened")

    drive(play, size=size, settings=Settings(theme=theme, animation=False))
    assert drill_of_mine.exists()


@pytest.mark.usefixtures("drillbox_home")
def test_a_lost_drill_leads_to_its_debrief_and_gives_the_exit_code() -> None:
    backend = TestBackend()

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_screen(pilot, CockpitScreen)
        session = backend.drills[0].session
        session.submit("note", {"text": "the crowd is real"})
        session.submit("hint", {})
        session.submit("diagnose", {"component": "gateway", "cause": "traffic.spike"})
        while not session.over:
            session.advance()
        await until_text(pilot, "The drill is over")
        await pilot.press("enter")
        await until_screen(pilot, DebriefScreen)
        await until_text(pilot, "✗ FAILED", "notes; 1 hint asked for", "you: the crowd is real", "hint 1 of")
        await until_text(pilot, "gateway and traffic.spike were named last, which is not what it was")
        await pilot.press("ctrl+q")

    app = drive(play, backend, asked=SHORT)
    assert app.code == 1
    assert app.farewell.startswith("FAILED  Monday noon  impact 0\n  journal  ")


@pytest.mark.usefixtures("drillbox_home")
@pytest.mark.parametrize(("columns", "more"), [(120, ["n Note", "/ Filter", ": Jump"]), (80, []), (60, [])])
def test_the_keys_that_nobody_can_do_without_are_always_in_sight(columns: int, more: list[str]) -> None:
    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_screen(pilot, CockpitScreen)
        await until_text(pilot, "RUNNING", "? Help")
        last = text_of(app.screen).splitlines()[-1]
        for key in ("a Act", "d Declare", "h Hint", "space Pause", "q Leave", "? Help", *more):
            assert key in last, last

    drive(play, size=(columns, 24), asked=SHORT)


@pytest.mark.usefixtures("drillbox_home")
def test_giving_up_is_asked_for_and_judged_as_aborted() -> None:
    backend = TestBackend()

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_screen(pilot, CockpitScreen)
        await until_text(pilot, "RUNNING")
        await pilot.press("ctrl+q")
        await until_text(pilot, "Leave the cockpit?")
        await pilot.press("a")
        await until_screen(pilot, DebriefScreen)
        await until_text(pilot, "✗ ABORTED", "impact n/a")

    assert drive(play, backend, asked=SHORT).code == 4


@pytest.mark.usefixtures("drillbox_home")
def test_leaving_keeps_the_drill_running_and_tells_the_way_back() -> None:
    backend = TestBackend()

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_screen(pilot, CockpitScreen)
        await until_text(pilot, "RUNNING")
        await pilot.press("q")
        await until_text(pilot, "Leave the cockpit?")
        await pilot.press("k")
        await until_screen(pilot, LibraryScreen)

    app = drive(play, backend, asked=SHORT)
    assert not backend.drills[0].session.over
    assert app.farewell == "the drill goes on; come back with: drillbox attach monday-rush-you-1"
    assert app.code == 0


@pytest.mark.usefixtures("drillbox_home")
def test_whatever_is_open_one_is_asked_before_one_leaves_a_drill() -> None:
    backend = TestBackend()

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        await until_screen(pilot, CockpitScreen)
        await until_text(pilot, "RUNNING")
        await pilot.press("space")
        await until_text(pilot, "PAUSED")
        await pilot.press("s")
        await until_text(pilot, "model-server: scale")
        await pilot.press("ctrl+q")
        await until_text(pilot, "Leave the cockpit?", "The drill is paused, and stays paused")
        await pilot.press("k")
        await until_screen(pilot, LibraryScreen)

    app = drive(play, backend, asked=SHORT)
    assert not backend.drills[0].session.over
    assert app.farewell == "the drill is paused; come back with: drillbox attach monday-rush-you-1"


def test_one_can_begin_with_a_running_drill(drillbox_home: Path) -> None:
    assert drillbox_home.is_dir()
    backend = TestBackend()

    async def run() -> None:
        app = DrillboxApp(backend, Settings(animation=False), attach="monday-rush-you-1")
        async with app.run_test(size=LARGE) as pilot:
            await until_screen(pilot, CockpitScreen)

    asyncio.run(run())
    backend.drills[0].journal.close()
    assert backend.attached == ["monday-rush-you-1"]


def test_what_breaks_is_logged_in_the_state_folder(drillbox_home: Path) -> None:
    logger = logging.getLogger("drillbox.tui")
    with log_file() as path:
        assert path == drillbox_home / "ui.log"
        assert not path.exists()
        logger.error("the terminal UI broke", exc_info=ZeroDivisionError("a bug"))
    text = path.read_text(encoding="utf-8")
    assert "ERROR drillbox.tui: the terminal UI broke" in text
    assert "ZeroDivisionError: a bug" in text
    assert logger.handlers == []


@pytest.mark.usefixtures("drillbox_home")
def test_an_application_that_breaks_ends_no_drill_and_knows_the_way_back(caplog: pytest.LogCaptureFixture) -> None:
    backend = TestBackend()
    apps: list[DrillboxApp] = []

    async def broken() -> None:
        raise ZeroDivisionError("a bug")

    async def play(pilot: Pilot[int], app: DrillboxApp) -> None:
        apps.append(app)
        await until_screen(pilot, CockpitScreen)
        await until_text(pilot, "RUNNING")
        app.run_worker(broken())
        await until(pilot, lambda: not app.is_running, "the end")

    with pytest.raises(WorkerFailed, match="a bug"):
        drive(play, backend, asked=SHORT)
    assert not backend.drills[0].session.over
    assert apps[0].return_code == 1
    assert "the terminal UI broke" in caplog.text
    assert apps[0].way_back.endswith("drillbox attach monday-rush-you-1")


def test_the_backend_keeps_scores_apart_by_profile_and_looks_at_new_journals_only(drill_of_mine: Path) -> None:
    backend = CockpitBackend(Wiring())
    told: list[str] = []
    assert backend.attempts() == {}
    found = backend.rate(lambda step, _done: told.append(step))
    assert list(found) == [("monday-rush", "short")]
    assert found["monday-rush", "short"].count == found["monday-rush", "short"].passed == 1
    assert found["monday-rush", "short"].bests == {}  # nobody knows at which speed it was played
    assert "looking through past drills" in told
    told.clear()
    assert backend.rate(lambda step, _done: told.append(step)) == found == backend.attempts()
    assert told == []
    (drill_of_mine.parents[1] / "scores.json").write_text("{broken")
    assert backend.attempts() == {}
    (drill_of_mine.parent / "odd.jsonl").write_text("nonsense\n")
    assert backend.rate(lambda _step, _done: None) == found


def test_the_best_is_kept_for_each_speed_and_of_drills_without_a_pause_only(drill_of_mine: Path) -> None:
    keep = PaceKeeper(drill_of_mine)
    keep(10.0, False)
    keep(60.0, False)
    assert pace_of(drill_of_mine) == Pace(10.0, paused=False)
    again = drill_of_mine.with_name("monday-rush-you-2.jsonl")
    again.write_bytes(drill_of_mine.read_bytes())
    paused = PaceKeeper(again)
    paused(20.0, False)
    paused(20.0, True)
    paused(20.0, False)
    assert pace_of(again) == Pace(20.0, paused=True)
    odd = drill_of_mine.with_name("monday-rush-you-3.jsonl")
    odd.write_bytes(drill_of_mine.read_bytes())
    odd.with_suffix(".pace.json").write_text('{"slowest": "fast"}')
    found = CockpitBackend(Wiring()).rate(lambda _step, _done: None)["monday-rush", "short"]
    assert (found.count, found.passed) == (3, 3)
    assert found.bests == {10.0: pytest.approx(100.0)}
    assert best(found, 10.0) == "✓ best 100 at 10x"
    assert best(found, 20.0) == "✓ played 3"


@pytest.mark.usefixtures("drillbox_home")
def test_the_backend_says_what_is_wrong_with_a_request() -> None:
    backend = CockpitBackend(Wiring())

    def silent(_step: str, _done: float) -> None:
        """Nobody looks."""

    with pytest.raises(UsageError, match="did you mean 'monday-rush'"):
        backend.start(Wanted("monday-rsh"), silent)
    with pytest.raises(UsageError, match="unknown stack 'simm'; did you mean 'sim'"):
        backend.start(Wanted("monday-rush", stack="simm"), silent)
    with pytest.raises(UsageError, match="did you mean 'short'"):
        backend.start(Wanted("monday-rush", profile="shrt"), silent)
    with pytest.raises(UsageError, match="no session 'there' is running"):
        backend.attach("there")
    with pytest.raises(UsageError, match="did you mean 'html'"):
        backend.export(Path("journal.jsonl"), "htm")
    with pytest.raises(UsageError, match="there is no debrief of journal.jsonl yet"):
        backend.export(Path("journal.jsonl"), "html")
