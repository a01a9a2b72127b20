"""A real drill's host is killed at random moments: `drillbox down` leaves nothing, and the journal can be read.

Three moments in each run, from the bring-up into the drill; DRILLBOX_KILLS=20 for twenty.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from local_kit import left, until

from drillbox.sandbox.cli.main import run
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.deploy.envoy.program import find_envoy
from drillbox.stacks.real.machine.records import Identity, labelled
from drillbox.wiring import Wiring

try:
    find_envoy()
except StackError as missing:
    pytest.skip(str(missing), allow_module_level=True)

KILLS = int(os.environ.get("DRILLBOX_KILLS", "3"))
LONGEST = 15.0
"""Wall seconds after the start at which it is killed at the latest: it plays by then, on a machine that is not too busy."""
DRILL = ("run", "monday-rush", "--profile", "short", "--stack", "local", "--operator", "idle", "--seed")


def listening(process: Identity) -> set[int]:
    """The TCP ports of this machine that a process listens on. Source: proc(5), of net/tcp."""
    sockets = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                sockets.add(str(entry.readlink()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


def session_ports(home: Path) -> set[int]:
    """Those of all sessions of a state folder."""
    folders = (home / "local").glob("*")
    return {port for folder in folders for one in labelled(folder.name, folder.resolve()) for port in listening(one)}


def open_ports() -> set[int]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A"}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_nothing_is_left_of_a_drill_whose_host_was_killed(
    number: int, drillbox_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = (number + random.Random(number).random()) / KILLS * LONGEST  # noqa: S311  # no secret
    command = [sys.executable, "-m", "drillbox", *DRILL, str(number + 1)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moment)
        if number == KILLS - 1:
            until(lambda: session_ports(drillbox_home))  # at least this one has all that can be left
        folders = list((drillbox_home / "local").glob("*"))
        ports = session_ports(drillbox_home)
        process.kill()
    monkeypatch.setattr("signal.signal", lambda *_args: None)  # the test runner keeps its handlers
    assert run(["down"], Wiring()) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.endswith("Nothing is left.\n")
    assert [thing for folder in folders for thing in left(folder, folder.name)] == []
    assert list((drillbox_home / "local").glob("*")) == []
    assert ports & open_ports() == set()
    for journal in (drillbox_home / "drills").glob("*.jsonl"):
        assert read_journal(journal).header.scenario == "monday-rush"
