"""What tests on a real cluster need: a container engine, kind, kubectl and images.

Where no registry can be reached a fixture beside the project makes them; elsewhere they are this machine's own. From nothing that takes
minutes, so continuous integration begins with it early and in the background:

    python tests/cluster/cluster_fixture.py --idle      # engine, programs, node image, base image, application image

Exits with 0, with 77 if no engine can be had here, which is no failure, or with something else if the application image cannot be
built or anything else goes wrong; the last line says why.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from drillbox.sandbox.model.errors import DrillboxError, StackError
from drillbox.stacks.kind.cluster.engine import connect
from drillbox.stacks.kind.cluster.images import Builder
from drillbox.stacks.kind.cluster.programs import DOCKER, KIND, KUBECTL, find
from drillbox.stacks.kind.settings import Settings

FIXTURE = Path(os.environ.get("KINDLAB", Path(__file__).parents[2].parent / "shared" / "kindlab"))
"""Prepares engine, kind, kubectl, a node image and a base image where no registry can be reached; see its README."""
SKIPPED = 77
"""Exit code of what could not be tried; that of automake."""
PREPARATION = 3000.0
"""Wall seconds that it may take from nothing."""
ENGINES = ("dockerd", "containerd")
_IMAGES = {
    "DRILLBOX_KIND_IMAGE": "kindest/node:v1.20.2",
    "DRILLBOX_KIND_BASE": "drillbox-base:bookworm",
    "DRILLBOX_KIND_BUILD_NETWORK": "host",
    "DRILLBOX_KIND_PROMETHEUS": "host",
}


class NoClusterError(Exception):
    """There is none to be had here; the message says why."""


def prepare() -> Mapping[str, str]:
    """Have everything ready but the application image; what is there already costs seconds.

    Returns:
        What is to be in the environment.

    Raises:
        NoClusterError: an engine or a program cannot be had.
    """
    environment = _made_here() if (FIXTURE / "prepare").is_file() and os.geteuid() == 0 else {}
    try:
        connect().close()
        for tool in (DOCKER, KIND, KUBECTL):
            find(tool, os.environ | environment)
    except StackError as error:
        raise NoClusterError(f"no container engine, or no kind: {error}") from None
    return environment


def _made_here() -> dict[str, str]:
    for step in ("prepare", "base-image"):
        with tempfile.TemporaryFile("w+", encoding="utf-8") as log:  # no pipe: a daemon that it starts would hold that open
            done = subprocess.run(
                ["/bin/bash", FIXTURE / step], stdout=log, stderr=subprocess.STDOUT, timeout=PREPARATION, check=False
            )
            log.seek(0)
            said = log.read().strip()
        if done.returncode:
            raise NoClusterError(f"no container engine: {FIXTURE / step} failed: {said[-300:]}")
        say(said)
    path = subprocess.run(["/bin/sh", "-c", f". {FIXTURE / 'env'}; echo $PATH"], capture_output=True, text=True, check=True)
    return {"PATH": path.stdout.strip(), **{name: os.environ.get(name, value) for name, value in _IMAGES.items()}}


def say(text: str) -> None:
    """A line for people."""
    print(text, flush=True)  # noqa: T201 -- a program of its own


def main() -> int:
    """All of it, in the background if that is asked for."""
    before, there = os.sched_getscheduler(0), _engines()
    if "--idle" in sys.argv[1:]:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    begun = time.monotonic()
    try:
        os.environ |= prepare()
        with closing(connect()) as engine:
            image = Builder(engine, Settings.read()).ensure(lambda _step, _done: None)
        say(f"ready for a cluster after {time.monotonic() - begun:.0f} s: {image.reference}")
    except NoClusterError as error:
        say(str(error))
        return SKIPPED
    except DrillboxError as error:
        say(str(error))
        return 2
    finally:
        for pid in _engines() - there:  # an engine that was started on the way is not to stay in the background
            _as_before(pid, before)
    return 0


def _engines() -> set[int]:
    """The processes of engines on this machine."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            if path.read_text(encoding="utf-8").startswith(ENGINES):
                found.add(int(path.parent.name))
    return found


def _as_before(pid: int, policy: int) -> None:
    """All threads of a process get this scheduling policy, and so does what they start."""
    for thread in Path(f"/proc/{pid}/task").glob("[0-9]*"):
        with suppress(OSError):
            os.sched_setscheduler(int(thread.name), policy, os.sched_param(0))


if __name__ == "__main__":
    sys.exit(main())
