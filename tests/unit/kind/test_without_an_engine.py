"""Where no container engine can be had commands say so, and the tests on a real cluster are skipped, and say why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from drillbox.sandbox.model.errors import Exit

ROOT = Path(__file__).parents[3]
CLUSTER = ROOT / "tests" / "cluster"
NOWHERE = {"PATH": "/nowhere", "KINDLAB": "/nowhere", "DOCKER_HOST": "unix:///nowhere.sock"}
DEADLINE = 300.0


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | NOWHERE
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, timeout=DEADLINE, env=environment, cwd=ROOT
    )


@pytest.mark.parametrize(
    "command",
    [
        ("run", "slow-afternoon", "--stack", "kind", "--operator", "idle"),
        ("up", "--stack", "kind"),
        ("cluster", "up"),
    ],
    ids=" ".join,
)
def test_commands_end_with_what_to_do_and_leave_nothing(command: Sequence[str], drillbox_home: Path) -> None:
    done = run("-m", "drillbox", *command)
    assert done.returncode == Exit.STACK, done.stderr
    assert "no container engine answers at unix:///nowhere.sock: start it" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in (drillbox_home / "kind").glob("**/*") if path.is_file()]


def test_what_continuous_integration_is_told() -> None:
    done = run(CLUSTER / "cluster_fixture.py")
    assert done.returncode == 77, done.stderr  # what could not be tried
    assert done.stdout.splitlines()[-1].startswith(
        "no container engine, or no kind: no container engine answers at unix:///nowhere.sock"
    )


@pytest.mark.slow
def test_what_make_cluster_is_told() -> None:
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "(cluster or engine) and not soak", CLUSTER)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, last = done.stdout.splitlines()
    assert "skipped" in last
    assert not {"passed", "failed", "error"} & set(last.split())
    assert "no container engine answers at unix:///nowhere.sock: start it" in done.stdout
