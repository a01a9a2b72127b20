"""`python -m drillbox.stacks.services.registry`: the registry service, configured by its environment."""

from __future__ import annotations

import os
import sys

from ....sandbox.model.errors import DrillboxError
from ..common.logs import Log
from ..common.process import run, serve
from ..common.settings import read
from .app import Registry, build
from .archives import Archives
from .settings import RegistrySettings

NAME = "registry"


def main() -> int:
    """Run until SIGTERM; the exit code."""
    log = Log(NAME)
    try:
        settings = read(RegistrySettings, os.environ)
        log.component = settings.component or NAME
        registry = Registry(settings, Archives(settings.folder, settings.room))
    except DrillboxError as error:
        log("error", str(error))
        print(error, file=sys.stderr)  # noqa: T201 -- a service's diagnostics, as a command's, go to stderr
        return int(error.exit_code)

    async def begin() -> None:
        found = registry.archives
        log("info", f"{len(found.entries())} models, {found.size:,} bytes, in {settings.folder}")

    def stop() -> None:
        registry.stopping = True

    async def end() -> None:
        """Nothing is left to do: each archive was written when it was answered."""

    async def whole() -> None:
        await serve(build(registry), settings, log, begin, stop, end)

    return run(whole, log)


if __name__ == "__main__":
    sys.exit(main())
