"""A drill in this process that goes on only when a test says so, and the cockpit on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from drillbox.sandbox.loading import find_scenario, load_scenario
from drillbox.sandbox.session import DrillSession, Session
from drillbox.tui.cockpit.panels import ListPanel
from drillbox.tui.cockpit.screen import CockpitScreen, Leave
from drillbox.wiring import Wiring

T = TypeVar("T")
DEADLINE = 10.0
"""Seconds that something may take which a test waits for."""
FULL, SMALL = (120, 36), (80, 24)


def drill(name: str, profile: str = "", until: float = 0.0) -> DrillSession:
    """A drill that has been played idly until a drill second."""
    wiring = Wiring()
    made = wiring.session(load_scenario(find_scenario(name, wiring.library()), profile), 1, "sim")
    made.start(lambda _step, _done: None)
    play(made, until)
    return made


def play(session: DrillSession, until: float) -> None:
    """Let a drill go on until a drill second, or its end."""
    while session.now < until and not session.over:
        session.advance()


class Host(App[Leave]):
    """An application that has nothing but a cockpit."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.cockpit = CockpitScreen(session)
        self.left: Leave | None = None
        self.copied = ""

    def on_mount(self) -> None:
        self.push_screen(self.cockpit, self.leave)

    def leave(self, left: Leave | None) -> None:
        self.left = left

    def copy_to_clipboard(self, text: str) -> None:
        self.copied = text


@dataclass
class Stage:
    """The cockpit under test, and the hands on its keys."""

    app: Host
    pilot: Pilot[Leave]
    session: Session
    said: list[str] = field(default_factory=list)

    @property
    def cockpit(self) -> CockpitScreen:
        return self.app.cockpit

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to be so."""
        loop = asyncio.get_running_loop()
        end = loop.time() + DEADLINE
        while not condition():
            assert loop.time() < end, f"not so within {DEADLINE:g} s"
            await self.pilot.pause(0.01)

    async def press(self, *keys: str) -> None:
        """Press keys, and let what they begin come to its end."""
        await self.pilot.press(*keys)
        await self.until(lambda: all(one.is_finished for one in self.app.workers if one.group == "asking"))
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text into the line that has the focus, all at once."""
        line = self.app.focused
        assert isinstance(line, Input)
        line.insert_text_at_cursor(text)
        await self.pilot.pause()

    async def show(self) -> None:
        """Wait until the cockpit shows all that has happened."""
        self.cockpit.feed.poke()
        await self.until(lambda: self.cockpit.picture.last == self.session.events()[-1].number)
        await self.until(lambda: self.cockpit.picture.snapshot == self.session.snapshot())
        await self.pilot.pause()

    async def play(self, until: float) -> None:
        """Let the drill go on, and show it."""
        assert isinstance(self.session, DrillSession)
        play(self.session, until)
        self.cockpit.feed.poke()
        if not self.session.over:
            await self.show()

    def panel(self, name: str) -> str:
        """What a panel of rows says."""
        return "\n".join(row.text.plain for row in self.cockpit.query_one(f"#{name}", ListPanel).rows)

    def screen(self) -> str:
        """All that is on the screen."""
        return "\n".join("".join(segment.text for segment in strip) for strip in self.app.screen._compositor.render_strips())


Script = Callable[[Stage], Awaitable[T]]


def perform(session: Session, script: Script[T], size: tuple[int, int] = FULL) -> T:
    """Open a cockpit on a session and do what a script says."""

    async def run() -> T:
        app = Host(session)
        async with app.run_test(size=size) as pilot:
            stage = Stage(app, pilot, session)
            await stage.until(lambda: stage.cockpit.picture.last >= 0 and stage.cockpit.actions)
            await pilot.pause()
            return await script(stage)

    return asyncio.run(run())


@contextmanager
def played(name: str, profile: str = "", until: float = 0.0) -> Iterator[DrillSession]:
    """A drill that is taken down at last."""
    made = drill(name, profile, until)
    try:
        yield made
    finally:
        made.end("aborted")


@pytest.fixture(scope="session")
def rush(session_home: Path) -> Iterator[DrillSession]:
    """Monday noon, almost four minutes after the crowd has come, with nobody on call; only to be looked at."""
    assert session_home.is_dir()
    with played("monday-rush", until=400.0) as made:
        yield made


@pytest.fixture(scope="session")
def storm(session_home: Path) -> Iterator[DrillSession]:
    """A stormy Sunday, the feed of the weather in other units; only to be looked at."""
    assert session_home.is_dir()
    with played("stormy-sunday", until=420.0) as made:
        yield made


@pytest.fixture
def short(session_home: Path) -> Iterator[DrillSession]:
    """The short form of Monday noon at its beginning, to be played."""
    assert session_home.is_dir()
    with played("monday-rush", "short", until=5.0) as made:
        yield made
