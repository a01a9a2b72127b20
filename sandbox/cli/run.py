"""`drillbox run`: headless drills, for CI."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..model.errors import DrillboxError, Exit
from ..model.stack import Progress
from ..reports.plain import result_data, result_line
from .completion import OPERATORS, PROFILES, SCENARIOS, STACKS
from .grounds import where_options
from .output import say, tell_error
from .playing import Request, nothing, play_headless, whole_library
from .results import Outputs, Played
from .terminal import console_progress, quiet_option

if TYPE_CHECKING:
    from .wiring import SessionMaker

Task = tuple["SessionMaker", Request, bool]
"""What is to be played, and whether with what each action was worth."""


@click.command("run")
@click.argument("scenarios", nargs=-1, metavar="SCENARIO...", shell_complete=SCENARIOS)
@click.option("--all", "everything", is_flag=True, help="The whole library.")
@click.option(
    "--operator",
    default="reference",
    show_default=True,
    shell_complete=OPERATORS,
    help="idle, reference, another runbook, or a runbook's file.",
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the random streams.")
@click.option("--profile", default="", shell_complete=PROFILES, help="A profile of the scenario, such as short.")
@click.option("--stack", default="sim", show_default=True, shell_complete=STACKS, help="Where it runs.")
@where_options
@click.option("--jobs", "-j", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, allow_dash=True), help="Write results as JSON; - is stdout.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, allow_dash=True), help="Write results as JUnit XML.")
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path), help="Write the debrief as one HTML file; a folder for several."
)
@click.option("--md", "md_file", type=click.Path(path_type=Path), help="Write the debriefs as Markdown.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the journals.")
@click.option("--calibrated", is_flag=True, help="With the times of this machine, as `drillbox calibrate --write` kept them.")
@quiet_option
@click.pass_obj
def run_command(
    wiring: SessionMaker,
    scenarios: Sequence[str],
    everything: bool,
    operator: str,
    seed: int,
    profile: str,
    stack: str,
    jobs: int,
    json_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    md_file: Path | None,
    out: Path | None,
    calibrated: bool,
) -> int:
    """Play incidents headless with a scripted operator. SCENARIO is an id or a file.

    The exit code is 0 if every drill was passed, else the gravest of: 1 failed, 2 invalid, 3 broken stack, 4 aborted,
    130 interrupted.

    \b
    Examples:
      drillbox run monday-rush --operator reference
      drillbox run --all --jobs 4
      drillbox run --all --operator idle --profile short --json -
      drillbox run monday-rush --junit drills.xml --html debrief.html
      drillbox run mine.yaml --operator my-runbook.yaml --seed 7 --md debrief.md
    """
    if everything == bool(scenarios):
        raise click.UsageError("name the scenarios to run, or give --all")
    names = whole_library(wiring, profile) if everything else list(scenarios)
    outputs = Outputs(json_file, junit_file, html_file, md_file, several=len(names) > 1)
    outputs.check()
    wanted = Request("", operator, seed, profile, stack, out, calibrated)
    played = _play_all(wiring, names, wanted, jobs=jobs, silent=outputs.use_stdout, explain=outputs.have_debriefs)
    outputs.write(played)
    return int(Exit.gravest(one.code for one in played))


def _play_all(
    wiring: SessionMaker, names: Sequence[str], wanted: Request, *, jobs: int, silent: bool, explain: bool
) -> list[Played]:
    """Results in the order of the names. An interruption ends it; a drill that is invalid or breaks does not end the others."""
    tasks: list[Task] = [(wiring, replace(wanted, scenario=name), explain) for name in names]
    played: list[Played] = []
    for one in _in_turn(tasks) if jobs == 1 or len(tasks) == 1 else _side_by_side(tasks, jobs):
        played.append(one)
        if one.result is not None and not silent:
            say(result_line(one.result))
        if one.code is Exit.INTERRUPTED:
            break
    return played


def _in_turn(tasks: Sequence[Task]) -> Iterator[Played]:
    for task in tasks:
        progress = console_progress()
        yield _play(task, progress, progress.close)


def _side_by_side(tasks: Sequence[Task], jobs: int) -> Iterator[Played]:
    """In worker processes, which get the terminal's interruptions, too: each ends its drill and its journal by itself."""
    progress = console_progress()
    with ProcessPoolExecutor(max_workers=min(jobs, len(tasks))) as pool:
        futures = [pool.submit(_play, task) for task in tasks]
        waited = 0
        try:
            for waited, future in enumerate(futures):
                progress("playing", waited / len(tasks))
                one = future.result()
                progress.close()
                yield one
        except KeyboardInterrupt as error:
            yield _not_played(tasks[waited][1].scenario, error)
        finally:
            progress.close()
            pool.shutdown(cancel_futures=True)


def _play(task: Task, progress: Progress = nothing, done: Callable[[], object] = lambda: None) -> Played:
    """One drill, in whatever process; `done` is called before anything is said."""
    wiring, request, explain = task
    try:
        result = play_headless(wiring, request, progress, explain=explain)
    except (DrillboxError, KeyboardInterrupt) as error:
        done()
        tell_error(error)
        return _not_played(request.scenario, error)
    done()
    data = result_data(result) | {"exit_code": int(result.exit_code)}
    return Played(request.scenario, result.exit_code, data, result)


def _not_played(name: str, error: DrillboxError | KeyboardInterrupt) -> Played:
    """Who reads the results must not take a drill that was not played to its end for one that nobody asked for."""
    interrupted = isinstance(error, KeyboardInterrupt)
    code = Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else error.exit_code
    what = "interrupted" if interrupted else str(error)
    return Played(name, code, {"scenario": name, "verdict": "not played", "error": what, "exit_code": int(code)}, error=what)
