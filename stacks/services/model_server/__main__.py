"""`python -m drillbox.stacks.services.model_server`: one model server, configured by its environment."""

from __future__ import annotations

import os
import sys

from ....sandbox.model.errors import UsageError
from ..common.logs import Log
from ..common.process import run, serve
from ..common.settings import read
from .gentle import gently
from .settings import ModelSettings


def main() -> int:
    """Run until SIGTERM; the exit code."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # read once, when scikit-learn is loaded; without it every new thread takes all processors
    try:
        settings = read(ModelSettings, os.environ)
    except UsageError as error:
        Log("model-server")("error", str(error))
        print(error, file=sys.stderr)  # noqa: T201 -- a service's diagnostics, as a command's, go to stderr
        return int(error.exit_code)
    log = Log(settings.component or settings.pod or "model-server")
    with gently(settings.load_time):
        from .app import build
        from .server import Server

    async def whole() -> None:
        server = Server(settings, log)
        await serve(build(server), settings, log, server.begin, server.stop, server.end)

    return run(whole, log)


if __name__ == "__main__":
    sys.exit(main())
