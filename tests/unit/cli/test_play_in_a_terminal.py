"""A person at the controls: the command in a real pseudo-terminal, in a process of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.events import Accepted, Changed, Ended, Rejected

TIMEOUT = 30.0
"""Seconds without any output after which a test gives up."""


class Terminal:
    """A drill in a pseudo-terminal."""

    def __init__(self, home: Path, *args: str) -> None:
        self._own, other = pty.openpty()
        environment = {**os.environ, "DRILLBOX_HOME": str(home), "COLUMNS": "100"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drillbox", *args],
            stdin=other,
            stdout=other,
            stderr=other,
            env=environment,
            start_new_session=True,
        )
        os.close(other)
        self.text = ""
        self._seen = 0

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._own, f"{line}\n".encode())

    def control_d(self) -> None:
        """End the input."""
        os.write(self._own, b"\x04")

    def hang_up(self) -> None:
        """Take the terminal away."""
        self.process.send_signal(signal.SIGHUP)

    def expect(self, *texts: str) -> str:
        """Read until every text has come since the last call; all from there to the last of them."""
        start = self._seen
        while any(text not in self.text[start:] for text in texts):
            assert self._read(), f"the output ended before {texts}:\n{self.text}"
        self._seen = max(self.text.index(text, start) + len(text) for text in texts)
        return self.text[start : self._seen]

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(timeout=TIMEOUT)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._own], [], [], TIMEOUT)
        assert ready, f"no output for {TIMEOUT:.0f} s:\n{self.text}"
        try:
            data = os.read(self._own, 1 << 16)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.text += data.decode().replace("\r\n", "\n")
        return bool(data)

    def close(self) -> None:
        """End whatever is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=TIMEOUT)
        os.close(self._own)


@pytest.fixture
def terminal(drillbox_home: Path) -> Iterator[Callable[..., Terminal]]:
    """`terminal("play", "monday-rush", "--speed", "600x")` runs in one."""
    opened: list[Terminal] = []

    def call(*args: str) -> Terminal:
        opened.append(Terminal(drillbox_home, *args))
        return opened[-1]

    yield call
    for one in opened:
        one.close()


def files(home: Path) -> list[str]:
    """Names of what the drill left, hidden files too."""
    return sorted(path.name for path in (home / "drills").iterdir())


def test_a_person_looks_acts_and_gives_up(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    drill = terminal("play", "monday-rush", "--speed", "600x")
    drill.expect("You are on call", "Type `help`")
    drill.type("pause")
    drill.expect("  paused")

    drill.type("help")
    page = drill.expect("set-autoscaler", "give up: the drill ends as aborted")
    assert "Set the number of champion replicas" in page
    drill.type("help scale")
    drill.expect("usage: scale replicas=between 0 and 64")
    drill.type("help pause")
    drill.expect("pause: stop the clock")

    for typo, answer in [
        ("scael 4", "unknown command 'scael'; did you mean 'scale'?"),
        ("scale replica=4", "unknown parameter 'replica'; did you mean 'replicas'?"),
        ("scale many", "'many' is not a number. usage: scale"),
        ("scale 4 5", "'5' is one too many"),
        ("shed 200%", "is not a share"),
        ("speed 9000x", "out of bounds: 1x to 600x"),
    ]:
        drill.type(typo)
        drill.expect(answer)

    drill.type("scale 4")
    drill.type("resume")
    drill.expect("  resumed", "you: scale replicas=4", "change: champion.replicas 3 -> 4 (you)")
    drill.type("speed 60x")
    drill.expect("  60x")
    drill.expect("PAGE firing: AvailabilityBurnRate")
    drill.type("pause")
    drill.expect("  paused")
    drill.type("status")
    assert "/s  answered" in drill.expect("replicas ")
    drill.type("alerts")
    drill.expect("AvailabilityBurnRate -")
    drill.type("changes champion")
    drill.expect("champion.replicas 3 -> 4 (you)")
    drill.type("logs queue full")
    drill.expect("model-champion-1 warning:", "requests refused: queue full")
    drill.type("logs no such text")
    drill.expect("nothing yet")
    drill.type("quit")
    drill.expect("ABORTED  monday-rush you seed 1", "The drill was not played to its end.")
    assert drill.end() == 4
    assert "Traceback" not in drill.text
    assert "spike" not in drill.text
    assert "FAULT" not in drill.text

    assert files(drillbox_home) == ["monday-rush-you-1.html", "monday-rush-you-1.jsonl", "monday-rush-you-1.md"]
    journal = read_journal(drillbox_home / "drills" / "monday-rush-you-1.jsonl")
    bodies = [event.body for event in journal.events]
    assert bodies[-1] == Ended("aborted")
    assert [body.params for body in bodies if isinstance(body, Accepted)] == [{"replicas": 4}]
    assert Changed("champion.replicas", 3, 4, "you") in bodies
    assert "## Aborted" in (drillbox_home / "drills" / "monday-rush-you-1.md").read_text(encoding="utf-8")


def test_what_the_service_refuses_is_told_with_the_reason(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    drill = terminal("play", "monday-rush", "--speed", "600x", "--profile", "short")
    drill.expect("Type `help`")
    drill.type("scale 6")
    drill.expect("REJECTED: the autoscaler keeps between 3 and 4 replicas")
    drill.type("quit")
    assert drill.end() == 4
    journal = read_journal(drillbox_home / "drills" / "monday-rush-you-1.jsonl")
    assert any(isinstance(event.body, Rejected) for event in journal.events)


def test_without_further_input_the_drill_goes_on_to_its_end(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    """Ctrl-D during a pause, too: nobody could end the pause any more."""
    drill = terminal("play", "monday-rush", "--speed", "600x", "--profile", "short")
    drill.expect("Type `help`")
    drill.type("pause")
    drill.expect("  paused")
    drill.control_d()
    drill.expect("nothing more can be typed; the drill goes on", "  resumed")
    drill.expect("the drill is over: finished", "FAILED   monday-rush you seed 1")
    assert drill.end() == 1
    assert read_journal(drillbox_home / "drills" / "monday-rush-you-1.jsonl").complete


def test_ctrl_c_ends_the_drill(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    drill = terminal("play", "monday-rush", "--speed", "60x")
    drill.expect("answered 100%")
    drill.process.send_signal(signal.SIGINT)
    drill.expect("interrupted")
    assert drill.end() == 130
    assert "Traceback" not in drill.text
    assert files(drillbox_home) == ["monday-rush-you-1.jsonl"]
    assert read_journal(drillbox_home / "drills" / "monday-rush-you-1.jsonl").events[-1].body == Ended("interrupted")


def test_a_drill_survives_its_terminal_and_one_comes_back_to_it(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    lost = terminal("play", "monday-rush", "--speed", "60x", "--profile", "short")
    lost.expect("answered 100%")
    lost.type("pause")
    lost.expect("  paused")
    lost.hang_up()
    assert lost.process.wait(timeout=TIMEOUT) == 0

    status = terminal("status")
    assert status.end() == 0
    assert "monday-rush-you-1  monday-rush  sim" in status.text
    assert "paused" in status.text

    back = terminal("attach")
    back.expect("Monday noon (monday-rush-you-1)", "paused", "answered 100%")
    back.type("declare")
    back.type("detach")
    back.expect("the drill goes on; come back with: drillbox attach monday-rush-you-1")
    assert back.end() == 0

    left = terminal("attach", "monday-rush-you-1")
    left.expect("Monday noon")
    left.process.send_signal(signal.SIGINT)
    left.expect("the drill goes on")
    assert left.end() == 0

    last = terminal("attach", "monday-rush-you-1")
    last.expect("Monday noon")
    last.type("speed 600x")
    last.type("resume")
    last.expect("you: declare", "the drill is over: finished", "FAILED   monday-rush you seed 1")
    assert last.end() == 1
    assert "Traceback" not in lost.text + back.text + left.text + last.text
    journal = drillbox_home / "drills" / "monday-rush-you-1.jsonl"
    assert any(isinstance(event.body, Accepted) and event.body.action == "declare" for event in read_journal(journal).events)
    replayed = terminal("replay", str(journal))
    assert replayed.end() == 0
    assert "identical" in replayed.text


def test_a_facilitator_sees_what_the_operator_does_not(terminal: Callable[..., Terminal]) -> None:
    drill = terminal("play", "monday-rush", "--speed", "60x", "--profile", "short")
    drill.expect("answered 100%")
    watching = terminal("attach", "--facilitator")
    watching.expect("FAULT traffic.spike factor=3.5 ramp=10s (crowd)")
    drill.expect("PAGE firing")
    assert "spike" not in drill.text
    drill.type("quit")
    drill.expect("ABORTED")
    watching.expect("ABORTED")
    assert (drill.end(), watching.end()) == (4, 4)


def test_there_is_nothing_to_come_back_to(terminal: Callable[..., Terminal]) -> None:
    nothing = terminal("attach", "monday-rush-you-1")
    assert nothing.end() == 2
    assert "no session 'monday-rush-you-1' is running; none is" in nothing.text
    anything = terminal("attach")
    assert anything.end() == 2
    assert "no session is running; start one with: drillbox play" in anything.text
    status = terminal("status")
    assert status.end() == 0
    assert "No drill is running." in status.text
    as_json = terminal("status", "--json")
    assert as_json.end() == 0
    assert as_json.text.strip() == "[]"


@pytest.mark.parametrize(
    ("args", "message", "code"),
    [
        (("monday-rus",), "unknown scenario 'monday-rus'; did you mean 'monday-rush'?", 2),
        (("monday-rush", "--profile", "shrt"), "unknown profile 'shrt'; did you mean 'short'?", 2),
        (("monday-rush", "--stack", "simm"), "unknown stack 'simm'; did you mean 'sim'?", 2),
        (("monday-rush", "--out", "/dev/null/there"), "cannot write /dev/null/there", 2),
    ],
)
def test_what_is_wrong_with_a_request_is_told_here(
    terminal: Callable[..., Terminal], drillbox_home: Path, args: tuple[str, ...], message: str, code: int
) -> None:
    drill = terminal("play", *args)
    assert drill.end() == code
    assert message in drill.text
    assert "Traceback" not in drill.text
    assert not list((drillbox_home / "sessions").glob("[!.]*")) if (drillbox_home / "sessions").exists() else True
