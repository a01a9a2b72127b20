"""`python -m drillbox.stacks.services.controller.envoy`: waits for the files that the controller writes, then becomes Envoy."""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType

from ....sandbox.model.errors import DrillboxError
from ...deploy.envoy.gateway import BOOTSTRAP, command
from ...deploy.envoy.program import usable_envoy
from ..common.logs import Log
from ..common.settings import read
from .settings import FolderSettings

NAME = "gateway"
_POLL = 0.1
REMIND = 10.0
"""Seconds between two lines that say what is missing."""


def main() -> int:
    """Does not return unless something is wrong, or SIGTERM comes before there is an Envoy; the exit code."""
    log = Log(NAME)
    signal.signal(signal.SIGTERM, _leave)  # the first process of a container is not ended by a signal that it does not handle
    try:
        settings = read(FolderSettings, os.environ)
        log.component = settings.component or NAME
        program = usable_envoy()
        asked = float("-inf")
        while not (settings.folder / BOOTSTRAP).exists():
            if time.monotonic() - asked >= REMIND:
                asked = time.monotonic()
                log("info", f"waiting for the controller to write {settings.folder / BOOTSTRAP}")
            time.sleep(_POLL)
        argv = command(program, settings.folder)
        log("info", "the configuration is there: Envoy starts")
        os.execv(argv[0], argv)  # noqa: S606 -- Envoy takes this process over, and with it the container's signals
    except DrillboxError as error:
        log("error", str(error))
        print(error, file=sys.stderr)  # noqa: T201 -- a service's diagnostics, as a command's, go to stderr
        return int(error.exit_code)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
