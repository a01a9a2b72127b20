"""`python -m drillbox.stacks.services.load`: the load generator, configured by its environment."""

from __future__ import annotations

import os
import sys

from ....sandbox.model.errors import DrillboxError, StackError
from ....sandbox.model.extras import install
from ..common.logs import Log
from ..common.process import run, serve
from ..common.settings import read
from .settings import LoadSettings


def main() -> int:
    """Run until SIGTERM; the exit code."""
    log = Log("load")
    try:
        settings = read(LoadSettings, os.environ)
        try:
            from .app import build  # after the settings: a wrong one is told at once
            from .service import Generator
        except ModuleNotFoundError as error:
            raise StackError(f"the load generator needs {error.name}: {install('local')}") from error
        generator = Generator(settings, log)
    except DrillboxError as error:
        log("error", str(error))
        print(error, file=sys.stderr)  # noqa: T201 -- a service's diagnostics, as a command's, go to stderr
        return int(error.exit_code)
    log.component = settings.component or log.component

    async def whole() -> None:
        await serve(build(generator), settings, log, generator.begin, generator.stop, generator.end)

    return run(whole, log)


if __name__ == "__main__":
    sys.exit(main())
