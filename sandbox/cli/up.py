"""`drillbox up`: the service of a scenario, without its incident, in the background until `drillbox down`."""

from __future__ import annotations

import json
import shlex
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import click

from ..clock import WallClock
from ..model.errors import DrillboxError, Exit, StackError, UsageError, nearest
from ..model.traffic import HIGHEST
from ..paths import home
from ..standing import RATE
from .completion import PROFILES, SCENARIOS, STACKS
from .grounds import where_options
from .output import say, tell
from .terminal import console_progress, quiet_option

if TYPE_CHECKING:
    from ..api.client import RemoteSession
    from ..api.folders import SessionInfo
    from ..model.housekeeping import Housekeeping, Standing, Trial
    from ..session import Snapshot
    from .terminal import ConsoleProgress
    from .wiring import SessionMaker

SCENARIO, PROFILE = "monday-rush", "short"
"""What is brought up where nothing else is asked for: the profile, of the scenarios that have it."""
PATIENCE = 30.0
"""Wall seconds from the moment when everything is up until a prediction must be answered, and to go again."""
TAKING_DOWN = 120.0
"""Wall seconds that a host has to take everything down: a cluster goes more slowly than processes."""
_ANSWER, _LOOK = 5.0, 0.05
_JSON = {"content-type": "application/json"}


@click.command("up")
@click.argument("scenario", default="", shell_complete=SCENARIOS)
@click.option("--stack", default="local", show_default=True, shell_complete=STACKS, help="Where it runs.")
@where_options
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Of the random streams.")
@click.option("--profile", default=None, shell_complete=PROFILES, help="Of the scenario; `short` if it has that.")
@click.option(
    "--rate", default=RATE, show_default=True, type=click.FloatRange(0.0, HIGHEST, min_open=True), help="Requests per second."
)
@quiet_option
@click.pass_obj
def up_command(wiring: SessionMaker, scenario: str, stack: str, seed: int, profile: str | None, rate: float) -> int:
    """Bring the service of a SCENARIO up, without its incident; monday-rush if none is named.

    It returns when the first prediction is answered, and says where things are. The service stays, with steady traffic, until
    `drillbox down`, for a day at most. `drillbox status` shows what runs, `drillbox open` leads to its gateway and its
    Prometheus, `drillbox attach` gives the controls.

    \b
    Examples:
      drillbox up                            as processes on this machine
      drillbox up --stack kind               on a Kubernetes cluster of its own
      drillbox up stormy-sunday --rate 20    with 20 requests a second
      drillbox up -q && drillbox status
      drillbox down                          the end of it

    \b
    Exit codes: 0 it is up, or was already, 2 usage, 3 it could not be brought up, 130 interrupted: nothing is left.
    """
    from ..api.folders import one_at_a_time

    keeper = _keeper(wiring, stack)
    progress = console_progress()
    try:
        with one_at_a_time("up"):
            standing = _standing_already(stack)
            if standing is not None:
                _check_same(standing, scenario)
            info = standing or _launch(wiring, scenario or SCENARIO, stack, seed, profile, rate, progress)
        stands = _await(info, keeper, progress)
    finally:
        progress.close()
    already = " already" if standing is not None else ""
    first, last = f"{info.name} is up{already} on the stack {stack}.", f"End it with: drillbox down {info.name}"
    say("\n".join([first, *_where(stands), last]))
    return int(Exit.PASSED)


def _keeper(wiring: SessionMaker, stack: str) -> Housekeeping:
    """The housekeeping of a stack on which something can stand.

    Raises:
        UsageError: there is no such stack, or nothing outlives a drill on it.
    """
    keepers = wiring.housekeeping()
    if stack in keepers:
        return keepers[stack]
    known = {*keepers, *wiring.stacks()}
    if stack not in known:
        raise UsageError(f"unknown stack {stack!r}; {nearest(stack, known)}")
    real = "".join(f"use --stack {name}, or " for name in sorted(keepers))
    raise UsageError(
        f"nothing can be brought up on the stack {stack}: it runs within a drill only; {real}play: "
        f"drillbox play {SCENARIO} --stack {stack}"
    )


def _standing_already(stack: str) -> SessionInfo | None:
    """The service that stands on a stack, or is being brought up; one that is over does not."""
    from ..api.folders import sessions
    from ..session import Phase
    from .remote import peek

    for info in sessions():
        if info.stack == stack and not info.incident:
            with suppress(DrillboxError):  # one that is going away at this moment
                if peek(info, _ANSWER).phase is not Phase.ENDED:
                    return info
    return None


def _check_same(info: SessionInfo, scenario: str) -> None:
    """Refuse to take one service for another."""
    if scenario and scenario != info.scenario:
        raise UsageError(
            f"{info.name} is up on the stack {info.stack}, with the service of {info.scenario}: drillbox down {info.name} first"
        )


def _launch(
    wiring: SessionMaker, scenario: str, stack: str, seed: int, profile: str | None, rate: float, progress: ConsoleProgress
) -> SessionInfo:
    """Start the host; it can be talked to, and is bringing things up.

    Raises:
        UsageError, InvalidScenarioError: what is wrong with the request; nothing was started.
        StackError: the host did not come up.
    """
    from ..api.launch import launch
    from ..loading import find_scenario

    library = wiring.library()
    path = find_scenario(scenario, library)
    if profile is None:
        profile = PROFILE if any(one.id == scenario and PROFILE in one.profiles for one in library.entries()) else ""
    library.load(path, profile)
    wiring.data_hash(progress)
    progress("starting the session", 0.0)
    asked = {"scenario": str(path), "seed": seed, "profile": profile, "stack": stack, "speed": 1, "rate": rate}
    return launch(json.dumps(asked | {"out": str(home() / "up")}))


def _await(info: SessionInfo, keeper: Housekeeping, progress: ConsoleProgress) -> Standing:
    """Wait until a prediction is answered. Whoever interrupts it does not want the service.

    Raises:
        StackError: it could not be brought up, or does not answer.
    """
    from ..api.client import RemoteSession
    from .remote import interrupt

    try:
        with closing(RemoteSession(info)) as session:
            stands = _come_up(session, keeper, progress)
            _await_answer(session, stands, progress)
            return stands
    except KeyboardInterrupt:  # also before anything is up
        progress.close()
        tell("\ntaking it down ...")  # beside a ^C
        interrupt(info, TAKING_DOWN)
        raise


def _come_up(session: RemoteSession, keeper: Housekeeping, progress: ConsoleProgress) -> Standing:
    """Wait until everything runs, which the host limits, and the stack says how to ask for a prediction."""
    from ..session import Phase

    clock, deadline = WallClock(), float("inf")
    while clock.now() < deadline:
        now = session.snapshot()
        _check_alive(session, now)
        if now.phase is not Phase.NEW:
            deadline = min(deadline, clock.now() + PATIENCE)
        if now.bringing_up:
            progress(now.bringing_up, now.done)
        for one in keeper.standing() if now.phase is not Phase.NEW else ():  # to look costs something, and nothing is there yet
            if one.host == session.info.pid and one.trial is not None:
                return one
        clock.sleep(_LOOK)
    name = session.info.name
    raise StackError(f"{name} is up, but its stack does not say how to ask for a prediction; end it with: drillbox down {name}")


def _await_answer(session: RemoteSession, stands: Standing, progress: ConsoleProgress) -> None:
    """Ask for a prediction until one is given."""
    clock = WallClock()
    deadline, told = clock.now() + PATIENCE, ""
    progress("first prediction", 0.0)
    while clock.now() < deadline:
        told = _ask(stands.trial)
        if not told:
            return
        _check_alive(session, session.snapshot())
        clock.sleep(_LOOK)
    raise StackError(
        f"{session.info.name} is up, but no prediction is answered within {PATIENCE:g} s: {told}; "
        f"end it with: drillbox down {session.info.name}"
    )


def _ask(trial: Trial | None) -> str:
    """Ask for a prediction; what is wrong with the answer, nothing if it is one."""
    import httpx

    if trial is None:
        return "nobody to ask"
    try:
        answer = httpx.post(trial.url, content=trial.body, headers=_JSON, timeout=_ANSWER, trust_env=False)
    except httpx.HTTPError as error:
        return f"{trial.url}: {error}"
    return "" if answer.is_success else f"{trial.url} answers {answer.status_code}"


def _check_alive(session: RemoteSession, now: Snapshot) -> None:
    from ..session import Phase

    if now.error:
        raise StackError(now.error)
    if now.phase is Phase.ENDED:
        raise StackError(f"{session.info.name} was taken down meanwhile; its journal is {session.info.journal}")


def _where(stands: Standing) -> list[str]:
    """Where things are, and how to ask for a prediction."""
    wide = max(len(one.name) for one in stands.addresses)
    lines = [f"  {one.name:{wide}}  {one.where}" for one in stands.addresses]
    if stands.trial is not None:
        body, url = shlex.quote(stands.trial.body), shlex.quote(stands.trial.url)
        lines += ["Ask for a prediction (Open Inference Protocol V2):", f"  curl -d {body} {url}"]
    return lines
