"""The Dockerfile passes hadolint; what it leaves out on purpose it says itself."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from drillbox.stacks.deploy import image

HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"
DOCKERFILE = Path(image.__file__).with_name("Dockerfile")


def linted(text: str) -> tuple[int, str]:
    """Exit code and findings; settings of this machine's user do not count."""
    command = [HADOLINT, "--no-color", "--failure-threshold", "style", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env={"HOME": "/nonexistent"})
    return done.returncode, done.stdout + done.stderr


def test_the_dockerfile_passes() -> None:
    assert linted(DOCKERFILE.read_text()) == (0, "")


@pytest.mark.parametrize(
    ("line", "rule"), [("RUN cd /tmp", "DL3003"), ("ADD app.txt /app.txt", "DL3020"), ("USER root", "DL3002")]
)
def test_what_is_wrong_is_found(line: str, rule: str) -> None:
    code, findings = linted(DOCKERFILE.read_text() + line + "\n")
    assert code == 1
    assert rule in findings
