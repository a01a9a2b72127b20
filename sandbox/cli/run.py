"""`drillbox run`: headless drills, for CI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..drill import Result
from ..model.errors import DrillboxError, Exit
from ..paths import atomic_write
from ..reports.markdown import debrief
from ..reports.plain import result_data, result_line
from .playing import Request, play_headless
from .terminal import ConsoleProgress

if TYPE_CHECKING:
    from .wiring import SessionMaker


@click.command("run")
@click.argument("scenarios", nargs=-1, metavar="SCENARIO...")
@click.option("--all", "everything", is_flag=True, help="The whole library.")
@click.option("--operator", default="reference", show_default=True, help="idle, reference, another runbook, or a runbook's file.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the random streams.")
@click.option("--profile", default="", help="A profile of the scenario, such as short.")
@click.option("--stack", default="sim", show_default=True, help="Where it runs.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, allow_dash=True), help="Write results as JSON; - is stdout.")
@click.option("--md", "md_file", type=click.Path(path_type=Path), help="Write the debriefs as Markdown.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the journals.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
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
    md_file: Path | None,
    out: Path | None,
    quiet: bool,
) -> int:
    """Play incidents headless with a scripted operator. SCENARIO is an id or a file.

    The exit code is 0 if every drill was passed, else the gravest of: 1 failed, 2 invalid, 3 broken stack, 4 aborted,
    130 interrupted.

    \b
    Examples:
      drillbox run monday-rush --operator reference
      drillbox run --all --operator idle --profile short --json -
      drillbox run mine.yaml --operator my-runbook.yaml --seed 7 --md debrief.md
    """
    if everything == bool(scenarios):
        raise click.UsageError("name the scenarios to run, or give --all")
    names = [entry.id for entry in wiring.library().entries()] if everything else list(scenarios)
    for target in (json_file, md_file):
        if target is not None and str(target) != "-":
            _check_writable(target)
    results, codes = _play_all(wiring, names, Request("", operator, seed, profile, stack, out), quiet, str(json_file) == "-")
    if json_file is not None:
        text = json.dumps([result_data(result) for result in results], indent=2, ensure_ascii=False) + "\n"
        click.echo(text, nl=False) if str(json_file) == "-" else atomic_write(json_file, text.encode())
    if md_file is not None:
        atomic_write(md_file, "\n\n".join(debrief(result) for result in results).encode())
    return int(Exit.gravest(codes))


def _play_all(
    wiring: SessionMaker, names: Sequence[str], wanted: Request, quiet: bool, silent: bool
) -> tuple[list[Result], list[Exit]]:
    """Play one after the other; an invalid or broken one does not keep the next from being played."""
    results: list[Result] = []
    codes: list[Exit] = []
    for name in names:
        progress = ConsoleProgress(quiet=quiet)
        try:
            request = Request(name, wanted.operator, wanted.seed, wanted.profile, wanted.stack, wanted.out)
            result = play_headless(wiring, request, progress)
        except DrillboxError as error:
            progress.close()
            click.echo(f"drillbox: {error}", err=True)
            codes.append(error.exit_code)
            continue
        progress.close()
        results.append(result)
        codes.append(result.exit_code)
        if not silent:
            click.echo(result_line(result))
    return results, codes


def _check_writable(target: Path) -> None:
    """Find out before the drill, not after it, and leave an old file as it is.

    Raises:
        UsageError: the file cannot be written.
    """
    if target.is_dir():
        raise click.UsageError(f"{target} is a folder, not a file")
    probe = target.with_name(f".{target.name}.probe")
    atomic_write(probe, b"")
    probe.unlink()
