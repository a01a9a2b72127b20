"""`python -m drillbox.stacks.services.controller`: the controller of the gateway, configured by its environment."""

from __future__ import annotations

import os
import sys

from ....sandbox.model.errors import DrillboxError, Exit, StackError
from ....sandbox.model.extras import install
from ..common.logs import Log
from ..common.process import run, serve
from ..common.settings import read
from .settings import ControllerSettings

NAME = "controller"


def main() -> int:
    """Run until SIGTERM; the exit code."""
    log = Log(NAME)
    try:
        settings = read(ControllerSettings, os.environ)
        log.component = settings.component or NAME
    except DrillboxError as error:
        return _failed(log, error)
    try:
        from .app import build  # after the settings: a wrong one is told at once
        from .service import Controller
    except ModuleNotFoundError as error:
        return _failed(log, StackError(f"the controller needs {error.name}: {install('kind', 'local')}"))

    async def whole() -> None:
        controller = Controller(settings, log)
        await serve(build(controller, settings.token), settings, log, controller.begin, controller.stop, controller.end)

    return run(whole, log)


def _failed(log: Log, error: DrillboxError) -> int:
    log("error", str(error))
    print(error, file=sys.stderr)  # noqa: T201 -- a service's diagnostics, as a command's, go to stderr
    return int(error.exit_code or Exit.STACK)


if __name__ == "__main__":
    sys.exit(main())
