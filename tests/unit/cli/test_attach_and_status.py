"""Back to drills, by name or by pipe, alone or with others; and what there is to come back to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from terminal_kit import TIMEOUT, Terminal

from drillbox.sandbox.api.client import RemoteSession
from drillbox.sandbox.api.launch import launch
from drillbox.sandbox.clock import WallClock
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.events import Accepted
from drillbox.sandbox.session import Phase

Drill = Callable[..., RemoteSession]
Start = Callable[..., subprocess.Popen[str]]


def wait_for(condition: Callable[[], object]) -> None:
    """Look again and again, up to a deadline."""
    clock = WallClock()
    deadline = clock.now() + TIMEOUT
    while not condition():
        assert clock.now() < deadline
        clock.sleep(0.02)


@pytest.fixture
def drill(hosts_end: None) -> Iterator[Drill]:
    """`drill(until=10.0)` plays in the background, paused at the first moment after 10 s."""
    opened: list[RemoteSession] = []

    def call(until: float = 1.0, **request: object) -> RemoteSession:
        session = RemoteSession(launch(json.dumps({"scenario": "monday-rush", "profile": "short", "speed": 60} | request)))
        opened.append(session)
        wait_for(lambda: session.snapshot().now > until)
        session.control(pause=True)
        return session

    yield call
    for one in opened:
        one.close()


def test_several_at_once_see_and_do_the_same_but_only_a_facilitator_sees_the_faults(
    drill: Drill, terminal: Callable[..., Terminal]
) -> None:
    session = drill()
    ann, bob, facilitator = terminal("attach", "--plain"), terminal("attach", "--plain"), terminal("attach", "--facilitator")
    for one in (ann, bob, facilitator):
        one.expect("the last minute:")
    ann.type("declare")
    bob.type("scale 4")
    ann.type("resume")
    for one in (ann, bob, facilitator):
        one.expect("you: declare", "you: scale replicas=4", "change: champion.replicas 3 -> 4 (you)", "PAGE firing")
    assert "FAULT traffic.spike factor=3.5 ramp=10s (crowd)" in facilitator.text
    assert ann.hang_up() == 0
    bob.type("quit")
    for one in (bob, facilitator):
        one.expect("ABORTED")
        assert one.end() == 4
    for one in (ann, bob):
        assert "spike" not in one.text
        assert "fault" not in one.text.lower()
    done = [event.body.action for event in read_journal(Path(session.info.journal)).events if isinstance(event.body, Accepted)]
    assert sorted(done) == ["declare", "scale"]


GOES_ON = "the drill goes on; come back with: drillbox attach monday-rush-you-1\n"


def test_whoever_comes_and_goes_the_drill_stays_as_it_is(drill: Drill, start: Start) -> None:
    session = drill(85.0, speed=600)  # more than a minute after the fault
    for visit in (lines_from_a_pipe, one_who_only_watches, a_reader_that_goes, a_disk_that_is_full):
        visit(start)
        assert session.snapshot().phase is Phase.PAUSED
    session.control(pause=False)
    wait_for(lambda: any(isinstance(event.body, Accepted) for event in session.events()))


def lines_from_a_pipe(start: Start) -> None:
    process = start("attach", "--facilitator", stdin=subprocess.PIPE)
    out, err = process.communicate("declare\nscael 4\ndetach\n", timeout=TIMEOUT)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("Monday noon (monday-rush-you-1): 0")
    before, _, _ = out.partition("the last minute:")
    assert "PAGE firing: AvailabilityBurnRate" in before
    assert "] FAULT traffic.spike factor=3.5 ramp=10s (crowd)\n" in before
    assert "  ? unknown command 'scael'; did you mean 'scale'?" in out
    assert out.endswith(GOES_ON)
    assert "\x1b" not in out


def one_who_only_watches(start: Start) -> None:
    """With nothing to read from: it does not end the pause."""
    watching = start("attach")
    assert watching.stdout is not None
    while "the last minute:" not in watching.stdout.readline():
        pass
    watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=TIMEOUT)
    assert (watching.returncode, err) == (0, "")
    assert out.endswith(GOES_ON)


def a_reader_that_goes(start: Start) -> None:
    """As behind `| head -1`."""
    watching = start("attach")
    assert watching.stdout is not None
    assert watching.stderr is not None
    watching.stdout.readline()
    watching.stdout.close()
    assert watching.wait(timeout=TIMEOUT) == 0
    assert watching.stderr.read() == ""
    watching.stderr.close()


def a_disk_that_is_full(start: Start) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = start("attach", stdout=full)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 2
    assert err == "drillbox: cannot write to stdout: No space left on device\n" + GOES_ON


def test_the_one_that_is_not_over_is_meant(drill: Drill, start: Start) -> None:
    over, goes_on = drill(), drill()
    end(over)
    process = start("attach", stdin=subprocess.PIPE)
    out, _ = process.communicate("detach\n", timeout=TIMEOUT)
    assert process.returncode == 0
    assert "Monday noon (monday-rush-you-1-2):" in out

    ended = start("attach", "monday-rush-you-1")
    out, _ = ended.communicate(timeout=TIMEOUT)
    assert ended.returncode == 4
    assert "ABORTED  monday-rush you seed 1" in out

    end(goes_on)
    both = start("attach")
    _, err = both.communicate(timeout=TIMEOUT)
    assert both.returncode == 2
    assert err == "drillbox: 2 sessions are running: choose one of monday-rush-you-1, monday-rush-you-1-2\n"

    wrong = start("attach", "monday-rush-you-7")
    _, err = wrong.communicate(timeout=TIMEOUT)
    assert wrong.returncode == 2
    assert err == "drillbox: no session 'monday-rush-you-7' is running; did you mean 'monday-rush-you-1'?\n"


def end(session: RemoteSession) -> None:
    """Give up."""
    session.abort()
    wait_for(lambda: session.snapshot().phase is Phase.ENDED)


def test_there_is_nothing_to_come_back_to(start: Start, drillbox_home: Path) -> None:
    def failed(*args: str) -> str:
        process = start(*args)
        out, err = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, out) == (2, "")
        return str(err)

    assert failed("attach", "monday") == "drillbox: no session 'monday' is running; none is\n"
    assert failed("attach").startswith("drillbox: no session is running; start one with: drillbox play")
    drills = drillbox_home / "drills"
    drills.mkdir()
    for number in range(4):
        (drills / f"{number}.jsonl").touch()
        os.utime(drills / f"{number}.jsonl", (number, number))
    assert failed("attach", "monday").splitlines()[1:] == [
        "the last drills are told by:",
        *(f"  drillbox report {drills / f'{number}.jsonl'}" for number in (3, 2, 1)),
    ]


def test_status_tells_of_living_silent_and_dead_hosts(drill: Drill, start: Start) -> None:
    def status(*args: str) -> tuple[str, str]:
        process = start("status", *args)
        out, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0
        return str(out), str(err)

    nothing = "Nothing is up: no drill, no service. Start one with: drillbox play SCENARIO, or: drillbox up\n"
    assert status() == (nothing, "")
    assert status("--json") == ("[]\n", "")

    session = drill()
    info, now = session.info, session.snapshot()
    clock = f"00:{now.now:02.0f}/04:00"
    assert status()[0].splitlines() == [
        f"SESSION            KIND   SCENARIO     STACK  TIME         PHASE   SPEED  {'JOURNAL'.ljust(len(info.journal))}".rstrip(),
        f"monday-rush-you-1  drill  monday-rush  sim    {clock}  paused  60x    {info.journal}",
    ]
    (told,) = json.loads(status("--json")[0])
    assert told == {
        "session": "monday-rush-you-1",
        "kind": "drill",
        "scenario": "monday-rush",
        "title": "Monday noon",
        "stack": "sim",
        "seed": 1,
        "profile": "short",
        "journal": info.journal,
        "phase": "paused",
        "drill_seconds": now.now,
        "duration_seconds": 240.0,
        "speed": 60.0,
        "alerts": [],
        "stands": None,
    }

    os.kill(info.pid, signal.SIGSTOP)
    try:
        out, err = status()
    finally:
        os.kill(info.pid, signal.SIGCONT)
    assert "-     silent  -" in out
    assert f"note: monday-rush-you-1: the session host does not answer within 2 s; the journal is {info.journal}" in err

    os.kill(info.pid, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{info.pid}").exists())
    out, err = status()
    assert out == nothing
    assert err == "note: the host of monday-rush-you-1 is gone; what it left was removed, its journal stays\n"
    assert status() == (out, "")
