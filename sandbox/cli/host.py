"""`drillbox host`: the process behind an interactive drill. Not for people: `play` starts it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from ..drill import result_of
from ..journal import read_journal
from ..model.errors import Exit
from ..model.events import Ended
from .output import tell
from .playing import Prepared, Request, nothing, prepare

if TYPE_CHECKING:
    from ..api.folders import OwnFolder, SessionInfo
    from ..api.request import HostRequest
    from ..session import DrillSession
    from .wiring import SessionMaker


@click.command("host", hidden=True)
@click.argument("request_json")
@click.pass_obj
def host_command(wiring: SessionMaker, request_json: str) -> int:
    """Play a drill for others and serve it on a Unix socket. `drillbox play` starts this; see docs/session-host.md.

    \b
    Example:
      drillbox host '{"scenario": "monday-rush", "speed": 10}'
    """
    from ..api.folders import sweep
    from ..api.request import read_request

    wanted = read_request(request_json)
    sweep()
    request = Request(wanted.scenario, "", wanted.seed, wanted.profile, wanted.stack, wanted.out, rate=wanted.rate)
    with ExitStack() as undo:
        served: list[DrillSession] = []
        if wanted.metrics_port is not None:  # the port first: what the user got wrong must leave no journal behind
            from ..exposition import serve

            undo.enter_context(serve(lambda: served[0].last_scrape if served else None, wanted.metrics_port))
        prepared = prepare(wiring, request, nothing)
        undo.callback(prepared.journal.close)
        served.append(prepared.session)
        failure = _serve(prepared, wanted)
    if failure is not None:
        raise failure
    return int(_exit_code(prepared))


def _serve(prepared: Prepared, wanted: HostRequest) -> BaseException | None:
    """Host the session until nobody asks for it any more; what broke it, if anything did."""
    from ..api.folders import OwnFolder
    from ..api.host import host

    folder = OwnFolder(prepared.journal.path.stem)
    try:
        info = _info(prepared, wanted, folder)
        return host(prepared.session, folder, info, lambda: tell(f"session {info.name} on {info.socket}"))
    finally:
        folder.close()


def _exit_code(prepared: Prepared) -> Exit:
    """What the drill came to, as of any other drill; here without anything to compare it with."""
    journal = read_journal(prepared.journal.path)
    ended = journal.events[-1].body if journal.events else None
    if isinstance(ended, Ended) and ended.reason == "interrupted":
        return Exit.INTERRUPTED
    return result_of(journal, prepared.journal.path, prepared.scenario).exit_code


def _info(prepared: Prepared, wanted: HostRequest, folder: OwnFolder) -> SessionInfo:
    from ..api.folders import SessionInfo

    scenario, path = prepared.scenario, prepared.journal.path
    return SessionInfo(
        name=folder.name,
        scenario=scenario.id,
        title=scenario.title,
        seed=wanted.seed,
        profile=wanted.profile,
        stack=wanted.stack,
        operator=prepared.name,
        speed=wanted.speed,
        journal=str(path.absolute()),
        socket=str(folder.socket),
        pid=os.getpid(),
        incident=wanted.rate is None,
    )
