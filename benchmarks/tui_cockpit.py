"""What the cockpit costs: first paint, key to reaction, share of a processor, memory over a day of drill.

A session host plays monday-rush; the cockpit runs in a process of its own at a pseudo-terminal of 120 by 36 cells.

- First paint: from the start of the process to the first panel on the terminal, Python and imports included, and to the
  numbers of the drill.
- Key to reaction: from `]` to the next chart's title, at 60x, where the cockpit gets ten pictures a second.
- Share of a processor: the cockpit's own, over ten seconds each, paused, at 1x and at 60x.
- Memory: the resident set of a cockpit that is shown 24 hours of drill, an observation every 5 s and a log line with each.

`--check` exits with 1 if a figure is beyond what docs promise.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter, sleep

from _lines import Line, run

from drillbox.sandbox.api.client import RemoteSession
from drillbox.sandbox.api.folders import SessionInfo
from drillbox.sandbox.api.launch import launch
from drillbox.sandbox.model.events import Audience, Event, Logged, Observed
from drillbox.sandbox.paths import HOME_VARIABLE, home
from drillbox.sandbox.session import Catalogue, Phase, Snapshot
from drillbox.tui.cockpit.gauges import GAUGES

FIRST_PAINT = 1.0
REACTION = 0.05
PAUSED, REAL_TIME = 0.03, 0.15
GROWTH = 10.0
SECONDS = 10.0
KEYS = 60
SIZE = (36, 120)
_WHO = "cockpit: "
_TICKS = os.sysconf("SC_CLK_TCK")
_CHILD = """
import sys
from textual.app import App
from drillbox.sandbox.api.client import RemoteSession
from drillbox.sandbox.api.folders import find
from drillbox.tui.cockpit.screen import CockpitScreen

class Alone(App):
    def on_mount(self):
        self.push_screen(CockpitScreen(session))

session = RemoteSession(find(sys.argv[1]))
Alone().run()
"""


@dataclass
class Terminal:
    """The cockpit at a pseudo-terminal, and what it has written."""

    process: subprocess.Popen[bytes]
    master: int
    began: float
    written: bytes = b""

    def read(self, seconds: float) -> None:
        """Take what it writes for so long."""
        end = perf_counter() + seconds
        while (left := end - perf_counter()) > 0:
            if select.select([self.master], [], [], left)[0]:
                self.written += os.read(self.master, 65536)

    def until(self, text: str, patience: float = 30.0) -> float:
        """When a text was written, on the clock of the wall."""
        end = perf_counter() + patience
        while text.encode() not in self.written:
            left = end - perf_counter()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise TimeoutError(f"{text!r} was not written; the last were {self.written[-2000:]!r}")
            self.written += os.read(self.master, 65536)
        return perf_counter()

    def press(self, key: str) -> float:
        """Press a key; when."""
        self.written = b""
        os.write(self.master, key.encode())
        return perf_counter()

    def cpu(self) -> float:
        """Seconds of a processor so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.contextmanager
def terminal(info: SessionInfo) -> Iterator[Terminal]:
    """A cockpit on a session."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    began = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, info.name],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master, began)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(master)


def share(shown: Terminal, seconds: float) -> float:
    """Of a processor."""
    shown.read(1.0)
    begin, before = perf_counter(), shown.cpu()
    shown.read(seconds)
    shown.written = b""
    return (shown.cpu() - before) / (perf_counter() - begin)


def reactions(shown: Terminal, count: int) -> list[float]:
    """Seconds from `]` to the next chart's title, for so many keys."""
    found = []
    for number in range(count):
        shown.read(0.05 + 0.013 * (number % 7))  # at any moment between two pictures
        pressed = shown.press("]")
        found.append(shown.until(f" {GAUGES[(number + 1) % len(GAUGES)].title}: ", 10.0) - pressed)
    return found


def play(info: SessionInfo) -> Iterator[Line]:
    """All figures but memory."""
    session = RemoteSession(info)
    while session.snapshot().phase is Phase.NEW:
        sleep(0.05)
    with terminal(info) as shown:
        yield Line(f"{_WHO}first paint", shown.until("Objectives") - shown.began, "s", FIRST_PAINT, least=False)
        yield Line(f"{_WHO}the drill's numbers", shown.until("availability") - shown.began, "s")
        session.control(speed=60.0)
        shown.read(1.0)
        waits = reactions(shown, KEYS)
        yield Line(f"{_WHO}key to reaction at 60x, median", statistics.median(waits) * 1000, "ms")
        slow = statistics.quantiles(waits, n=20)[-1] * 1000
        yield Line(f"{_WHO}key to reaction at 60x, 95th", slow, "ms", REACTION * 1000, least=False)
        session.control(speed=1.0)
        yield Line(f"{_WHO}processor at 1x", share(shown, SECONDS) * 100, "%", REAL_TIME * 100, least=False)
        session.control(pause=True)
        yield Line(f"{_WHO}processor while paused", share(shown, SECONDS) * 100, "%", PAUSED * 100, least=False)
        session.control(pause=False, speed=60.0)
        yield Line(f"{_WHO}processor at 60x", share(shown, 4.0) * 100, "%")
    session.abort()
    session.close()


@dataclass
class Endless:
    """A session that is told what happens: as long as one likes."""

    shown: Snapshot
    told: list[Event] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def snapshot(self) -> Snapshot:
        """The present state."""
        with self.lock:
            return self.shown

    def events(self, after: int = -1) -> list[Event]:
        """What is new; what was taken is forgotten, so that only the cockpit's own memory grows."""
        with self.lock:
            self.told = [event for event in self.told if event.number > after]
            return list(self.told)

    def catalogue(self) -> Catalogue:
        """Nothing can be done."""
        return Catalogue((), ())

    def tell(self, hour: int, like: Observed) -> None:
        """An hour of drill."""
        with self.lock:
            for second in range(0, 3600, 5):
                at, number = hour * 3600.0 + second, 2 * (hour * 720 + second // 5)
                self.told.append(Event(number, at, Audience.ALL, replace(like, slis=dict(like.slis), counts=dict(like.counts))))
                self.told.append(
                    Event(number + 1, at, Audience.ALL, Logged(at, "gateway", "warning", f"{number} requests refused"))
                )
            self.shown = replace(self.shown, now=hour * 3600.0 + 3600.0, duration=86400.0, events=self.told[-1].number + 1)


def resident() -> float:
    """Megabytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def day(begin: Snapshot, like: Observed) -> list[float]:
    """Megabytes of the resident set after each hour of drill."""
    from textual.app import App

    from drillbox.tui.cockpit.screen import CockpitScreen

    session = Endless(begin)
    sizes = []

    class Alone(App[None]):
        def on_mount(self) -> None:
            self.push_screen(CockpitScreen(session))  # type: ignore[arg-type]  # what is asked of it, it has

    app = Alone()
    async with app.run_test(size=(SIZE[1], SIZE[0])) as pilot:
        for hour in range(24):
            session.tell(hour, like)
            cockpit = app.screen
            assert isinstance(cockpit, CockpitScreen)
            cockpit.feed.poke()
            while cockpit.picture.last < session.shown.events - 1:
                await pilot.pause(0.01)
            await pilot.press("7", "6")
            sizes.append(resident())
    return sizes


def lines() -> Sequence[Line]:
    """In a state folder of its own, with this machine's cache."""
    shared = home()
    with tempfile.TemporaryDirectory() as folder:
        for part in ("cache", "models"):
            (shared / part).mkdir(parents=True, exist_ok=True)
            (Path(folder) / part).symlink_to(shared / part, target_is_directory=True)
        os.environ[HOME_VARIABLE] = folder
        info = launch(json.dumps({"scenario": "monday-rush", "speed": 1.0}))
        session = RemoteSession(info)
        while not (seen := [event.body for event in session.events() if isinstance(event.body, Observed)]):
            sleep(0.05)
        begin = session.snapshot()
        session.close()
        found = list(play(info))
        sizes = asyncio.run(day(begin, seen[0]))
    growth = 100.0 * (sizes[-1] / sizes[3] - 1.0)
    return [*found, Line(f"{_WHO}memory after 24 h over 4 h of drill", growth, "% more", GROWTH, least=False)]


if __name__ == "__main__":
    run(lines, __doc__)
