"""The application in tests: the real backend, but drills are played in this process, and no faster than a test lets them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from drillbox.cockpit import CockpitBackend
from drillbox.sandbox.cli.playing import Prepared, Request, nothing, prepare
from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.operators import Scripted
from drillbox.tui.app import DrillboxApp
from drillbox.tui.ports import Drill, Running, Told, Wanted
from drillbox.tui.settings.settings import Settings
from drillbox.wiring import Wiring

PATIENCE = 60.0
"""Wall seconds for anything to happen."""
LARGE, SMALL = (120, 36), (80, 24)


@dataclass
class TestBackend(CockpitBackend):
    """Drills in this process; `trouble` is told instead of starting one, as often as it says."""

    __test__ = False
    wiring: Wiring = field(default_factory=Wiring)
    trouble: list[str] = field(default_factory=list)
    started: list[Wanted] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    drills: list[Prepared] = field(default_factory=list)
    going: list[Running] = field(default_factory=list)

    def start(self, wanted: Wanted, progress: Told) -> Drill:
        self.started.append(wanted)
        if self.trouble:
            raise StackError(self.trouble.pop())
        return self._drill(wanted, progress)

    def attach(self, name: str) -> Drill:
        self.attached.append(name)
        return self._drill(Wanted("monday-rush", profile="short"), nothing)

    def running(self) -> list[Running]:
        return self.going

    def _drill(self, wanted: Wanted, progress: Told) -> Drill:
        prepared = prepare(self.wiring, Request(wanted.scenario, "", wanted.seed, wanted.profile), progress)
        prepared.session.start(progress)
        self.drills.append(prepared)
        return Drill("monday-rush-you-1", wanted, prepared.journal.path, prepared.session, prepared.journal.close)


def played(folder: Path, runbook: str = "reference") -> Path:
    """The journal of a short first incident, as if a person had played it; the runbook says how."""
    prepared = prepare(Wiring(), Request("monday-rush", "", 1, "short", out=folder), nothing)
    prepared.session.start(nothing)
    prepared.session.run(Scripted(prepared.scenario.runbooks[runbook]))
    prepared.journal.close()
    return prepared.journal.path


Play = Callable[[Pilot[int], DrillboxApp], Awaitable[None]]


def drive(
    play: Play,
    backend: TestBackend | None = None,
    size: tuple[int, int] = LARGE,
    settings: Settings | None = None,
    asked: Wanted | None = None,
) -> DrillboxApp:
    """Run the application and do something with it."""
    backend = backend or TestBackend()
    app = DrillboxApp(backend, settings or Settings(animation=False), asked)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await play(pilot, app)

    try:
        asyncio.run(run())
    finally:
        for prepared in backend.drills:
            prepared.journal.close()
    return app


async def until(pilot: Pilot[int], holds: Callable[[], bool], what: str = "it") -> None:
    """Wait for a condition."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, f"waited for {what}:\n{text_of(pilot.app.screen)}"
        await pilot.pause(0.01)


async def until_screen(pilot: Pilot[int], kind: type[Screen[object]]) -> None:
    """Wait for a screen, with all that is on it."""
    await until(pilot, lambda: isinstance(pilot.app.screen, kind) and pilot.app.screen.is_mounted, kind.__name__)


async def until_text(pilot: Pilot[int], *texts: str) -> None:
    """Wait until all of them are on the screen, wherever its lines break."""

    def shown() -> bool:
        text = text_of(pilot.app.screen)
        words = " ".join(text.split())
        return all(one in text or one in words for one in texts)

    await until(pilot, shown, f"{texts}")


def text_of(screen: Screen[object]) -> str:
    """What is on a screen, line by line."""
    width, height = screen.size
    if not width or not height:
        return ""
    return "\n".join("".join(segment.text for segment in line) for line in screen._compositor.render_strips())


def static(screen: Screen[object], selector: str) -> str:
    """The text of a widget, also of what is scrolled away."""
    return str(screen.query_one(selector, Static).content)
