"""For tests of the local stack's supervision: programs to run, and what is left of a session."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from drillbox.stacks.real.machine import cgroups
from drillbox.stacks.real.machine.processes import cgroup_name
from drillbox.stacks.real.machine.programs import Program
from drillbox.stacks.real.machine.records import Identity, labelled

DEADLINE = 30.0
"""Wall seconds for what takes milliseconds on a machine that is not busy."""


def until(condition: Callable[[], object], deadline: float = DEADLINE) -> None:
    """Look again and again."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


def shell(name: str, script: str, **limits: float) -> Program:
    """A program of a few lines of shell."""
    return Program(name, ("sh", "-c", script), {}, **limits)


def python(name: str, script: str, **limits: float) -> Program:
    """A program of a few lines of Python."""
    return Program(name, (sys.executable, "-I", "-S", "-c", script), {}, **limits)


def left(folder: Path, label: str) -> list[object]:
    """Processes and cgroups of a session."""
    return [*labelled(label, folder.resolve()), *cgroups.ours(cgroup_name(folder.resolve(), label))]


class Stranger:
    """A process of somebody else."""

    def __init__(self, **environment: str) -> None:
        self.popen = subprocess.Popen(["/bin/sleep", "1000"], env={**os.environ, **environment})
        found = Identity.of(self.popen.pid)
        assert found is not None
        self.identity = found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.wait()

    @property
    def alive(self) -> bool:
        """Whether it was left alone."""
        return self.popen.poll() is None
