"""The terminal UI brings a cluster up from nothing, plays an incident on it beside kubectl, and takes it down."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tui"))  # test folders are no packages; that one has a module of its own
from tmux_kit import Tmux

from drillbox.sandbox.api.client import RemoteSession
from drillbox.sandbox.api.folders import sessions
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.errors import DrillboxError
from drillbox.sandbox.model.events import Accepted, Alerted, Changed, Ended
from drillbox.stacks.kind.cluster.programs import KUBECTL, find

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.soak,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux on the PATH"),
]
UP, DOWN, ALERT = 900.0, 240.0, 240.0
"""Wall seconds for cluster, image and drill to come up, to go away, and for the incident to be seen."""
LOOK = 0.5
"""Wall seconds between two looks at the engine."""
NAME = "slow-afternoon-you-1"
PAGE, TOLERANCE = "LatencyBurnRate", 30.0
"""Fires at the same drill second as in the simulation, give or take these."""


@pytest.fixture
def terminal(kind_environment: None, drillbox_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tmux]:
    """The UI on a cluster of its own; nothing outlives the test."""
    monkeypatch.setenv("DRILLBOX_KIND_CLUSTER", f"drillbox-ui-{os.getpid()}")
    with tempfile.TemporaryDirectory(prefix="drillbox-") as place:  # sockets have short paths
        made = Tmux(Path(place), drillbox_home)
        yield made
        made.kill()
    for info in sessions():
        with suppress(DrillboxError), closing(RemoteSession(info)) as session:
            session.abort("interrupted")
    subprocess.run([sys.executable, "-m", "drillbox", "down"], check=False, timeout=UP)


def beside(*words: str) -> str:
    """What a command says in a second terminal, after what the cockpit said to type there."""
    told = subprocess.run(
        [sys.executable, "-m", "drillbox", "env", NAME, "--shell", "bash"], capture_output=True, text=True, check=True
    ).stdout
    line = f'{told}exec "$@"'
    done = subprocess.run(["/bin/sh", "-c", line, "sh", *words], capture_output=True, text=True, check=True, timeout=UP)
    return done.stdout


def paged(journal: Path) -> float:
    """Drill time of the page."""
    events = read_journal(journal).events
    return next(one.at for one in events if isinstance(one.body, Alerted) and (one.body.name, one.body.state) == (PAGE, "firing"))


def simulated(out: Path) -> Path:
    """The journal of the same drill in the simulation, where nobody does anything."""
    drill = ("slow-afternoon", "--operator", "idle", "--profile", "short", "--out", str(out))
    done = subprocess.run(
        [sys.executable, "-m", "drillbox", "run", *drill], capture_output=True, text=True, check=False, timeout=UP
    )
    assert done.returncode == 1, done.stderr  # the verdict: idling fails
    (journal,) = out.glob("*.jsonl")
    return journal


def test_from_nothing_by_keys_to_an_alert_an_action_and_nothing_again(
    terminal: Tmux, drillbox_home: Path, tmp_path: Path, things: Callable[[str], object]
) -> None:
    cluster = os.environ["DRILLBOX_KIND_CLUSTER"]
    before = things(cluster)
    terminal.until("Library", "Monday noon")
    terminal.press("/")
    terminal.until("filter by title")
    for letter in "distribution":
        terminal.press(letter)
    terminal.press("Enter")
    terminal.until("Most travellers notice nothing", "slow-afternoon", "✓ kind")
    terminal.press("s")
    terminal.press("s")
    terminal.press("p")
    terminal.until("◂ kind ▸", "◂ short ▸")
    terminal.press("Enter")
    terminal.until("Bring-up", "on kind", "It takes a container engine with kind and kubectl")
    terminal.until("✓ kind: preparing nodes", patience=UP)
    terminal.until("pods", patience=UP)
    shown = terminal.until("RUNNING", "kubectl beside the cockpit", patience=UP)
    assert f'eval "$(drillbox env {NAME})"' in shown

    kubectl = str(find(KUBECTL).path)
    pods = json.loads(beside(kubectl, "get", "pods", "--output=json"))["items"]
    assert sum(one["metadata"]["name"].startswith("model-champion-") for one in pods) >= 3
    terminal.until(PAGE, patience=ALERT)
    terminal.press("d")
    terminal.until("you: declare")
    beside(kubectl, "rollout", "undo", "deployment/model-champion")
    terminal.press("8")
    terminal.until("champion.version", "kubectl")

    terminal.press("q")
    terminal.until("Leave the cockpit?")
    terminal.press("a")
    terminal.until("what it cost", patience=DOWN)
    terminal.press("C-q")
    assert terminal.end() == 0
    deadline = time.monotonic() + DOWN  # the drill's host takes it down, while what it cost is shown
    while things(cluster) != before:
        assert time.monotonic() < deadline, "the cluster stays"
        time.sleep(LOOK)
    took_down = subprocess.run([sys.executable, "-m", "drillbox", "down"], capture_output=True, text=True, check=True, timeout=UP)
    assert took_down.stdout.endswith("Nothing is left.\n")
    assert things(cluster) == before
    journal = drillbox_home / "drills" / f"{NAME}.jsonl"
    bodies = [event.body for event in read_journal(journal).events]
    assert [body.action for body in bodies if isinstance(body, Accepted)] == ["declare"]
    assert paged(journal) == pytest.approx(paged(simulated(tmp_path / "simulated")), abs=TOLERANCE)
    changes = [(body.field, body.after) for body in bodies if isinstance(body, Changed) and body.by == "kubectl"]
    assert ("champion.version", "v7") in changes
    assert bodies[-1] == Ended("aborted")
