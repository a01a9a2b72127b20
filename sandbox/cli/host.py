"""`drillbox host`: the process behind an interactive drill. Not for people: `play` starts it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..model.errors import DrillboxError, Exit, UsageError
from .output import tell, tell_error
from .playing import PERSON, Prepared, Request, nothing, prepare

if TYPE_CHECKING:
    from ..api.folders import SessionInfo
    from .wiring import SessionMaker


class HostRequest(BaseModel):
    """What `play` asks a host for."""

    model_config = ConfigDict(extra="forbid")

    scenario: str
    seed: int = Field(default=1, ge=0)
    profile: str = ""
    stack: str = "sim"
    speed: float = Field(default=10.0, ge=1.0, le=600.0)
    out: Path | None = None
    metrics_port: int | None = Field(default=None, ge=1, le=65535)


@click.command("host", hidden=True)
@click.argument("request_json")
@click.pass_obj
def host_command(wiring: SessionMaker, request_json: str) -> int:
    """Play a drill for others and serve it on a Unix socket. `drillbox play` starts this; see docs/session-host.md.

    \b
    Example:
      drillbox host '{"scenario": "monday-rush", "speed": 10}'
    """
    try:
        wanted = HostRequest.model_validate_json(request_json)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UsageError(f"no valid request of a host: {told}") from None
    from ..api.folders import sweep

    sweep()
    request = Request(wanted.scenario, "", wanted.seed, wanted.profile, wanted.stack, wanted.out)
    prepared = prepare(wiring, request, nothing)
    try:
        failure = _serve(prepared, wanted)
    finally:
        prepared.journal.close()
    if failure is None:
        return int(Exit.PASSED)
    tell_error(failure)
    if isinstance(failure, DrillboxError):
        return int(failure.exit_code)
    return int(Exit.INTERRUPTED if isinstance(failure, KeyboardInterrupt) else Exit.STACK)


def _serve(prepared: Prepared, wanted: HostRequest) -> BaseException | None:
    from ..api.folders import OwnFolder
    from ..api.host import host

    path = prepared.journal.path
    folder = OwnFolder(path.stem)
    with ExitStack() as undo:
        undo.callback(folder.close)
        if wanted.metrics_port is not None:
            from ..exposition import serve

            undo.enter_context(serve(lambda: prepared.session.last_scrape, wanted.metrics_port))
        info = _info(prepared, wanted, str(folder.socket))
        return host(prepared.session, folder, info, lambda: tell(f"session {info.name} on {info.socket}"))


def _info(prepared: Prepared, wanted: HostRequest, socket: str) -> SessionInfo:
    from ..api.folders import SessionInfo

    scenario, path = prepared.scenario, prepared.journal.path
    return SessionInfo(
        name=path.stem,
        scenario=scenario.id,
        title=scenario.title,
        seed=wanted.seed,
        profile=wanted.profile,
        stack=wanted.stack,
        operator=PERSON,
        speed=wanted.speed,
        journal=str(path),
        socket=socket,
        pid=os.getpid(),
    )
