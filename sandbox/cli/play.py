"""`drillbox play`: a drill in plain lines, with a person at the controls, or the reference where there is no terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..drill import Result
from ..model.errors import Exit
from ..model.events import Audience, Began, Event, Logged, Observed
from ..model.scenario import Prices
from ..model.stack import Progress
from ..paths import atomic_write
from ..reports.html import debrief_html
from ..reports.markdown import debrief
from ..reports.plain import STATUS_EVERY, event_line, result_line, status_line
from ..session import DrillSession
from .completion import PROFILES, SCENARIOS, STACKS
from .grounds import where_options
from .listing import choose
from .loop import parse_speed, play_paced
from .output import has_screen, say, tell
from .playing import Prepared, Request, conclude, find, play_headless, prepare, take_down
from .terminal import ConsoleProgress, console_progress, quiet_option

if TYPE_CHECKING:
    from ..api.folders import SessionInfo
    from ..model.telemetry import Scrape
    from .wiring import SessionMaker


@click.command("play")
@click.argument("scenario", shell_complete=SCENARIOS)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the random streams.")
@click.option("--speed", default="10x", show_default=True, callback=parse_speed, help="Drill time over wall time, 1x to 600x.")
@click.option("--profile", default="", shell_complete=PROFILES, help="A profile of the scenario, such as short.")
@click.option("--stack", default="sim", show_default=True, shell_complete=STACKS, help="Where it runs.")
@where_options
@click.option("--plain", is_flag=True, help="Plain lines, no terminal UI.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for journal and debrief.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve /metrics on this port of 127.0.0.1, for a Prometheus.")
@quiet_option
@click.pass_obj
def play_command(
    wiring: SessionMaker,
    scenario: str,
    seed: int,
    speed: float,
    profile: str,
    stack: str,
    plain: bool,
    out: Path | None,
    metrics_port: int | None,
) -> int:
    """Take charge of an incident. SCENARIO is an id or a file.

    In a terminal it opens the terminal UI at this incident. The drill runs in a process of its own and survives the loss of the
    terminal; `drillbox` and `drillbox attach` come back to it.

    With --plain the drill goes on at the given speed while you type: `help` lists the commands. Ctrl-C ends it, `detach`
    leaves it running.

    Without a terminal the reference plays, unpaced. With a port for metrics it is paced, too: at 1x a Prometheus measures what
    the monitor does.

    \b
    Examples:
      drillbox play monday-rush
      drillbox play monday-rush --speed 30x --seed 7
      drillbox play monday-rush --plain
      drillbox play monday-rush --speed 1x --metrics-port 9464
    """
    progress = console_progress()
    able = wiring.stacks().get(stack)
    if able is not None and able.paced:
        speed = 1.0  # whatever is asked for: drill time is wall time there
    person = sys.stdin.isatty() and sys.stdout.isatty()
    request = Request(scenario, "" if person else "reference", seed, profile, stack, out)
    found = find(wiring, scenario, profile)
    show = printer(say, found.world.prices)
    if person and has_screen() and not plain:
        choose([stack], list(wiring.stacks()), "stack")
        return wiring.cockpit(replace(request, scenario=found.source), speed, metrics_port)
    if person:
        return _take_charge(wiring, replace(request, scenario=found.source), speed, metrics_port, show, progress)
    if metrics_port is None:
        result = play_headless(wiring, request, progress, show, explain=True)
    else:
        # The port first: what the user got wrong must leave no journal behind.
        with _metrics(metrics_port) as sessions:
            prepared = prepare(wiring, request, progress, show)
            sessions.append(prepared.session)
            _paced(prepared, speed, progress)
        result = conclude(wiring, prepared.journal.path, progress, prepared.scenario, explain=True)
    progress.close()
    show_result(result)
    return int(result.exit_code)


@click.command("cockpit", hidden=True)
@click.pass_obj
def cockpit_command(wiring: SessionMaker) -> int:
    """Open the terminal UI."""
    return wiring.cockpit()


def _take_charge(
    wiring: SessionMaker,
    request: Request,
    speed: float,
    metrics_port: int | None,
    show: Callable[[Event], object],
    progress: ConsoleProgress,
) -> int:
    """A person plays: the drill runs in a host of its own."""
    from .console import noticing_hang_up
    from .remote import END, stay, tell_how_to_come_back

    def welcome(event: Event) -> None:
        show(event)
        if isinstance(event.body, Began):
            say(f"The clock runs at {speed:g}x. Type `help` for what you can do. Ctrl-C ends the drill, `detach` leaves it.\n")

    with noticing_hang_up() as hang_up:
        try:
            info = start_host(wiring, request, speed, metrics_port, progress)
        finally:
            progress.close()
        if metrics_port is not None:
            tell(f"metrics: http://127.0.0.1:{metrics_port}/metrics")
        over = stay(info, welcome, progress, on_interrupt=END, gone=lambda: hang_up.came)
    return show_end(wiring, info, progress) if over else tell_how_to_come_back(info)


def start_host(wiring: SessionMaker, request: Request, speed: float, metrics_port: int | None, progress: Progress) -> SessionInfo:
    """Start a person's drill in a host of its own; returns once it can be talked to.

    Raises:
        UsageError, InvalidScenarioError: what is wrong with the request; nothing was started.
        StackError: the host did not come up.
    """
    from ..api.launch import launch

    wiring.data_hash(progress)  # here, where its progress is seen: a host says nothing before it can be talked to
    out = str(request.out.absolute()) if request.out is not None else None
    asked = {"scenario": request.scenario, "seed": request.seed, "profile": request.profile, "stack": request.stack}
    progress("starting the session", 0.0)
    return launch(json.dumps(asked | {"speed": speed, "out": out, "metrics_port": metrics_port}))


def show_end(wiring: SessionMaker, info: SessionInfo, progress: ConsoleProgress) -> int:
    """The verdict on a drill that was hosted; gives the exit code."""
    try:
        result = conclude(wiring, Path(info.journal), progress, explain=True)
        progress.close()
        show_result(result)
    except BaseException as error:
        progress.close()
        error.add_note(f"journal: {info.journal}")
        raise
    return int(result.exit_code)


def printer(echo: Callable[[str], object], prices: Prices | None = None) -> Callable[[Event], None]:
    """Prints what an on-call may see: events as they come, and a status line now and then."""
    last = [-STATUS_EVERY]
    said: dict[str, float] = {}

    def again(event: Event) -> bool:
        """Whether a log line says, but for its numbers, what one said a moment ago: a busy service would drown the screen."""
        if not isinstance(event.body, Logged):
            return False
        what = re.sub(r"\d+", "0", f"{event.body.component} {event.body.text}")
        repeated = event.at - said.get(what, -STATUS_EVERY) < STATUS_EVERY
        if not repeated:
            said[what] = event.at
        return repeated

    def show(event: Event) -> None:
        if event.audience is not Audience.ALL or again(event):
            return
        if isinstance(event.body, Observed):
            if event.at - last[0] >= STATUS_EVERY:
                last[0] = event.at
                echo(status_line(event, prices))
            return
        line = event_line(event)
        if line is not None:
            echo(line)
        if isinstance(event.body, Began):
            echo("")

    return show


@contextmanager
def _metrics(port: int | None) -> Iterator[list[DrillSession]]:
    """Serve the metrics of the session that is put into the list, if a port was asked for."""
    sessions: list[DrillSession] = []
    if port is None:
        yield sessions
        return
    from ..exposition import serve

    def latest() -> Scrape | None:
        return sessions[0].last_scrape if sessions else None

    with serve(latest, port) as exposition:
        tell(f"metrics: {exposition.url}")
        yield sessions


def _paced(prepared: Prepared, speed: float, progress: ConsoleProgress) -> None:
    """Play a scripted operator's drill at a speed."""
    session = prepared.session
    try:
        session.start(progress)
        progress.close()
        play_paced(prepared, speed)
    except BaseException as error:
        take_down(session, error)
        raise
    finally:
        prepared.journal.close()
        tell(f"journal: {prepared.journal.path}")


def show_result(result: Result) -> None:
    """The verdict, and where to read more."""
    say("")
    say(result_line(result))
    for one in result.judgement.objectives:
        value = "no data" if one.value is None else f"{one.value:.2%}"
        say(f"  {'met   ' if one.met else 'MISSED'}  {one.objective.id}: {value} (target {one.objective.target:.2%})")
    if result.journal is not None:
        where = {".md": debrief(result), ".html": debrief_html(result)}
        for suffix, text in where.items():
            atomic_write(result.journal.with_suffix(suffix), text.encode())
        say(f"  journal  {result.journal}\n  debrief  {result.journal.with_suffix('.html')} (and .md)")
    if result.exit_code is Exit.ABORTED:
        say("  The drill was not played to its end.")
