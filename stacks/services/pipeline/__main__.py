"""`python -m drillbox.stacks.services.pipeline`: the pipeline, configured by its environment."""

from __future__ import annotations

import os
import sys

from ....sandbox.model.errors import DrillboxError, Exit, StackError
from ....sandbox.model.extras import install
from ..common.logs import Log
from ..common.process import run, serve
from ..common.settings import read
from .settings import PipelineSettings

NAME = "pipeline"


def main() -> int:
    """Run until SIGTERM; the exit code."""
    log = Log(NAME)
    try:
        settings = read(PipelineSettings, os.environ)
        log.component = settings.component or NAME
        try:
            from .app import build  # after the settings: a wrong one is told at once
            from .service import PipelineService
        except ModuleNotFoundError as error:
            raise StackError(f"the pipeline needs {error.name}: {install('local')}") from error
        service = PipelineService(settings, log)
    except DrillboxError as error:
        log("error", str(error))
        print(error, file=sys.stderr)  # noqa: T201 -- a service's diagnostics, as a command's, go to stderr
        return int(error.exit_code)

    async def whole() -> None:
        await serve(build(service, settings.token), settings, log, service.begin, service.stop, service.end)

    return run(whole, log) or (int(Exit.STACK) if service.failed else 0)


if __name__ == "__main__":
    sys.exit(main())
