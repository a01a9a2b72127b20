"""`drillbox run`: headless drills, for CI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..model.errors import DrillboxError, Exit
from ..reports.plain import result_data, result_line
from .completion import OPERATORS, PROFILES, SCENARIOS, STACKS
from .output import say, tell_error
from .playing import Request, play_headless, whole_library
from .results import Outputs, Played
from .terminal import console_progress, quiet_option

if TYPE_CHECKING:
    from .wiring import SessionMaker


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
@click.option("--json", "json_file", type=click.Path(path_type=Path, allow_dash=True), help="Write results as JSON; - is stdout.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, allow_dash=True), help="Write results as JUnit XML.")
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path), help="Write the debrief as one HTML file; a folder for several."
)
@click.option("--md", "md_file", type=click.Path(path_type=Path), help="Write the debriefs as Markdown.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the journals.")
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
    json_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    md_file: Path | None,
    out: Path | None,
) -> int:
    """Play incidents headless with a scripted operator. SCENARIO is an id or a file.

    The exit code is 0 if every drill was passed, else the gravest of: 1 failed, 2 invalid, 3 broken stack, 4 aborted,
    130 interrupted.

    \b
    Examples:
      drillbox run monday-rush --operator reference
      drillbox run --all --operator idle --profile short --json -
      drillbox run monday-rush --junit drills.xml --html debrief.html
      drillbox run mine.yaml --operator my-runbook.yaml --seed 7 --md debrief.md
    """
    if everything == bool(scenarios):
        raise click.UsageError("name the scenarios to run, or give --all")
    names = whole_library(wiring, profile) if everything else list(scenarios)
    outputs = Outputs(json_file, junit_file, html_file, md_file, several=len(names) > 1)
    outputs.check()
    wanted = Request("", operator, seed, profile, stack, out)
    played = _play_all(wiring, names, wanted, silent=outputs.use_stdout, explain=outputs.have_debriefs)
    outputs.write(played)
    return int(Exit.gravest(one.code for one in played))


def _play_all(wiring: SessionMaker, names: Sequence[str], wanted: Request, *, silent: bool, explain: bool) -> list[Played]:
    """Play one after the other. An invalid or broken one does not keep the next from being played; an interruption does."""
    played: list[Played] = []
    for name in names:
        progress = console_progress()
        try:
            result = play_headless(wiring, replace(wanted, scenario=name), progress, explain=explain)
        except (DrillboxError, KeyboardInterrupt) as error:
            progress.close()
            tell_error(error)
            played.append(_not_played(name, error))
            if isinstance(error, KeyboardInterrupt):
                break
            continue
        progress.close()
        played.append(Played(name, result.exit_code, result_data(result) | {"exit_code": int(result.exit_code)}, result))
        if not silent:
            say(result_line(result))
    return played


def _not_played(name: str, error: DrillboxError | KeyboardInterrupt) -> Played:
    """Who reads the results must not take a drill that was not played to its end for one that nobody asked for."""
    interrupted = isinstance(error, KeyboardInterrupt)
    code = Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else error.exit_code
    what = "interrupted" if interrupted else str(error)
    return Played(name, code, {"scenario": name, "verdict": "not played", "error": what, "exit_code": int(code)}, error=what)
