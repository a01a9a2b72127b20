"""What the tests of the monitor share."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from drillbox.sandbox.monitor.promtool import Trial, trial_file

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: synthetic_drill

PromtoolTest = Callable[[str, Sequence[Trial]], str]


@pytest.fixture(scope="session")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> PromtoolTest:
    """Run `promtool test rules` on a rule file's text and trials; its complaints, empty if it agrees."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool (Debian: prometheus) is not on the PATH")

    def run(rules: str, trials: Sequence[Trial]) -> str:
        folder = tmp_path_factory.mktemp("promtool")
        (folder / "rules.yml").write_text(rules)
        (folder / "trials.yml").write_text(trial_file(trials, "rules.yml"))
        command = [program, "test", "rules", str(folder / "trials.yml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return "" if done.returncode == 0 else (done.stdout + done.stderr)[:6000] or f"exit code {done.returncode}"

    return run
