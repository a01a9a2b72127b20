"""A person at the controls: the command in a real pseudo-terminal, in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from terminal_kit import Terminal

from drillbox.sandbox.api.folders import SessionInfo, find
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.events import Accepted, Changed, Ended, Rejected

JOURNAL, PACE = "monday-rush-you-1.jsonl", "monday-rush-you-1.pace.json"
SHORT = ("play", "monday-rush", "--plain", "--profile", "short")


def files(home: Path) -> list[str]:
    """Names of what the drill left, hidden files too."""
    return sorted(path.name for path in (home / "drills").iterdir())


def test_a_person_looks_acts_and_gives_up(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    drill = terminal("play", "monday-rush", "--plain", "--speed", "600x")
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

    assert files(drillbox_home) == ["monday-rush-you-1.html", JOURNAL, "monday-rush-you-1.md", PACE]
    journal = read_journal(drillbox_home / "drills" / JOURNAL)
    bodies = [event.body for event in journal.events]
    assert bodies[-1] == Ended("aborted")
    assert [body.params for body in bodies if isinstance(body, Accepted)] == [{"replicas": 4}]
    assert Changed("champion.replicas", 3, 4, "you") in bodies
    assert "## Aborted" in (drillbox_home / "drills" / "monday-rush-you-1.md").read_text(encoding="utf-8")


def test_what_the_service_refuses_is_told_with_the_reason(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    drill = terminal("play", "monday-rush", "--plain", "--speed", "600x", "--profile", "short")
    drill.expect("Type `help`")
    drill.type("scale 6")
    drill.expect("REJECTED: the autoscaler keeps between 3 and 4 replicas")
    drill.type("quit")
    assert drill.end() == 4
    journal = read_journal(drillbox_home / "drills" / JOURNAL)
    assert any(isinstance(event.body, Rejected) for event in journal.events)


def test_without_further_input_the_drill_goes_on_to_its_end(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    """Ctrl-D during a pause, too: nobody could end the pause any more."""
    drill = terminal("play", "monday-rush", "--plain", "--speed", "600x", "--profile", "short")
    drill.expect("Type `help`")
    drill.type("pause")
    drill.expect("  paused")
    drill.control_d()
    drill.expect("nothing more can be typed; the drill goes on", "  resumed")
    drill.expect("the drill is over: finished", "FAILED   monday-rush you seed 1")
    assert drill.end() == 1
    assert read_journal(drillbox_home / "drills" / JOURNAL).complete


def sessions_in(home: Path) -> list[str]:
    """Names of the folders of sessions."""
    return sorted(path.name for path in (home / "sessions").glob("[!.]*"))


@pytest.mark.parametrize("moment", ["starting the session", "warm-up", "answered 100%"])
def test_ctrl_c_ends_the_drill_and_its_host(terminal: Callable[..., Terminal], drillbox_home: Path, moment: str) -> None:
    drill = terminal("play", "monday-rush", "--plain", "--speed", "60x")
    drill.expect(moment)
    drill.control_c()
    drill.expect("interrupted")
    assert drill.end() == 130
    assert "Traceback" not in drill.text
    assert sessions_in(drillbox_home) == []
    if moment == "starting the session":
        return  # there may or may not be a journal yet
    journal = drillbox_home / "drills" / JOURNAL
    assert f"journal: {journal}" in drill.text
    assert set(files(drillbox_home)) - {PACE} == {JOURNAL}  # the pace is kept from t = 0 on
    ends = [event.body for event in read_journal(journal).events][-1:]
    assert ends == ([] if moment == "warm-up" else [Ended("interrupted")])


def test_a_drill_survives_its_terminal_and_one_comes_back_to_it(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    lost = terminal(*SHORT, "--speed", "60x")
    lost.expect("answered 100%")
    lost.type("scale 4")
    lost.expect("you: scale replicas=4")
    lost.type("pause")
    lost.expect("  paused")
    assert lost.hang_up() == 0

    status = terminal("status")
    assert status.end() == 0
    assert "monday-rush-you-1  drill  monday-rush  sim" in status.text
    assert "paused" in status.text

    back = terminal("attach", "--plain")
    back.expect("Monday noon (monday-rush-you-1)", "paused", "answered 100%", "nothing is firing", "you: scale replicas=4")
    back.type("declare")
    back.type("detach")
    back.expect("the drill goes on; come back with: drillbox attach monday-rush-you-1")
    assert back.end() == 0

    left = terminal("attach", "monday-rush-you-1", "--plain")
    left.expect("Monday noon")
    left.control_c()
    left.expect("the drill goes on")
    assert left.end() == 0

    last = terminal("attach", "monday-rush-you-1", "--plain")
    last.expect("Monday noon")
    last.type("speed 600x")
    last.type("resume")
    last.expect("you: declare", "the drill is over: finished", "FAILED   monday-rush you seed 1")
    assert last.end() == 1
    assert "Traceback" not in lost.text + back.text + left.text + last.text

    journal = drillbox_home / "drills" / JOURNAL
    accepted = [event.body for event in read_journal(journal).events if isinstance(event.body, Accepted)]
    assert [body.action for body in accepted] == ["scale", "declare"]
    replayed = terminal("replay", str(journal))
    assert replayed.end() == 0
    assert "identical" in replayed.text


def test_a_terminal_may_go_before_the_drill_has_begun(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    lost = terminal("play", "monday-rush", "--plain", "--speed", "600x")
    lost.expect("starting the session")
    assert lost.hang_up() == 0
    back = terminal("attach", "--plain")
    back.expect("Monday noon")
    back.type("quit")
    back.expect("ABORTED")
    assert back.end() == 4
    assert sessions_in(drillbox_home) == ["monday-rush-you-1"]  # for a while it can be asked


def test_one_can_leave_and_let_the_drill_go_on(terminal: Callable[..., Terminal]) -> None:
    drill = terminal(*SHORT, "--speed", "60x")
    drill.expect("answered 100%")
    drill.type("detach")
    drill.expect("the drill goes on; come back with: drillbox attach monday-rush-you-1")
    assert drill.end() == 0
    back = terminal("attach", "--plain")
    back.expect("Monday noon (monday-rush-you-1)")
    back.type("speed 600x")
    back.expect("the drill is over: finished", "FAILED")
    assert back.end() == 1


def host_of(home: Path) -> SessionInfo:
    """The only session, which must be one of this test."""
    info = find()
    assert info.folder.is_relative_to(home)
    return info


def test_a_host_that_dies_is_told_and_what_it_left_is_cleared_up(terminal: Callable[..., Terminal], drillbox_home: Path) -> None:
    drill = terminal(*SHORT, "--speed", "60x")
    drill.expect("answered 100%")
    os.kill(host_of(drillbox_home).pid, signal.SIGKILL)
    journal = drillbox_home / "drills" / JOURNAL
    drill.expect(f"drillbox: the session host is gone; the journal is {journal}; see it with: drillbox report {journal}")
    assert drill.end() == 3
    assert "Traceback" not in drill.text

    status = terminal("status")
    assert status.end() == 0
    assert "note: the host of monday-rush-you-1 is gone; what it left was removed, its journal stays" in status.text
    assert "Nothing is up: no drill, no service." in status.text
    assert sessions_in(drillbox_home) == []
    told = terminal("report", str(journal))
    assert told.end() in {0, 1, 4}
    assert "Monday noon" in told.text


@pytest.mark.parametrize(
    ("args", "message", "code"),
    [
        (("monday-rus",), "unknown scenario 'monday-rus'; did you mean 'monday-rush'?", 2),
        (("monday-rush", "--profile", "shrt"), "unknown profile 'shrt'; did you mean 'short'?", 2),
        (("monday-rush", "--stack", "simm"), "unknown stack 'simm'; did you mean 'sim'?", 2),
        (("monday-rush", "--out", "/dev/null/there"), "cannot write /dev/null/there", 2),
        (("monday-rush", "--speed", "0x"), "'0x' is out of bounds: 1x to 600x", 2),
    ],
)
def test_what_is_wrong_with_a_request_is_told_here(
    terminal: Callable[..., Terminal], drillbox_home: Path, args: tuple[str, ...], message: str, code: int
) -> None:
    drill = terminal("play", "--plain", *args)
    assert drill.end() == code
    assert message in drill.text
    assert "Traceback" not in drill.text
    assert sessions_in(drillbox_home) == []
    assert not (drillbox_home / "drills").exists()


def test_a_state_folder_that_cannot_be_written_is_told(
    terminal: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    del terminal
    drill = Terminal(Path("/dev/null/home"), *SHORT)
    code = drill.end()
    drill.close()
    assert code == 2
    assert "cannot write /dev/null/home" in drill.text
    assert "set DRILLBOX_HOME" in drill.text
