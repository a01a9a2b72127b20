"""`drillbox fidelity`: the same drill on the simulation and on another stack, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..fidelity.bands import Comparison
from ..fidelity.text import plain, rows, why
from ..model.errors import Exit
from .comparing import check_stack, held_against, simulated
from .completion import OPERATORS, PROFILES, SCENARIOS, STACKS
from .listing import table
from .output import say
from .playing import Request
from .terminal import console_progress, quiet_option

if TYPE_CHECKING:
    from .wiring import SessionMaker


@click.command("fidelity")
@click.argument("scenario", shell_complete=SCENARIOS)
@click.option("--stack", default="local", show_default=True, shell_complete=STACKS, help="What is compared with the simulation.")
@click.option("--profile", default="short", show_default=True, shell_complete=PROFILES, help="A profile of the scenario.")
@click.option("--operator", default="reference", show_default=True, shell_complete=OPERATORS, help="Who plays it on both.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the random streams, on both.")
@click.option("--times", default=1, show_default=True, type=click.IntRange(1, 100), help="How often the stack plays it.")
@click.option("--json", "as_json", is_flag=True, help="Print an array of comparisons.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the journals and the raw series.")
@click.option("--calibrated", is_flag=True, help="With the times of this machine, as `drillbox calibrate --write` kept them.")
@quiet_option
@click.pass_obj
def fidelity_command(
    wiring: SessionMaker,
    scenario: str,
    stack: str,
    profile: str,
    operator: str,
    seed: int,
    times: int,
    as_json: bool,
    out: Path | None,
    calibrated: bool,
) -> int:
    """Play an incident on the simulation and on another stack, and compare: pages and their order, verdict, throughput, p95,
    errors and AUC, each with the band it has to keep. What cannot be compared is named, and is no pass.

    The exit code is 0 if every band is met each time, 1 if not.

    \b
    Examples:
      drillbox fidelity monday-rush
      drillbox fidelity monday-rush --operator idle --times 3
      drillbox fidelity monday-rush --stack kind --json
    """  # noqa: D205  # click's first paragraph
    check_stack(wiring, stack)
    request = Request(scenario, operator, seed, profile, stack, out, calibrated)
    progress = console_progress()
    found: list[Comparison] = []
    try:
        sim = simulated(wiring, request, progress)
        for number in range(times):
            found.append(held_against(wiring, sim, request, progress))
            progress.close()
            if not as_json:
                if number == 0:
                    say(f"{scenario}, profile {profile or 'full'}, operator {operator}, seed {seed}: sim and {stack}")
                say(("" if times == 1 else f"\nRun {number + 1} of {times}\n") + report(found[-1]))
    finally:
        progress.close()
    if as_json:
        say(json.dumps([plain(one) for one in found], indent=2, ensure_ascii=False, allow_nan=False))
    elif times > 1:
        say(f"\n{sum(one.met for one in found)} of {times} runs met every band.")
    return int(Exit.PASSED if all(one.met for one in found) else Exit.FAILED)


def report(comparison: Comparison) -> str:
    """The table of a comparison, the parts of the drill where something is not met, and what that is."""
    stacks = (comparison.sim.stack, comparison.other.stack)
    parts = [_tables(comparison, stacks)]
    if comparison.met:
        return parts[0] + "\nEvery band is met."
    for name, lines in comparison.parts.items():
        parts.append(f"{name}:\n{table(rows(lines, stacks))}")
    return "\n\n".join([*parts, "Not met:\n" + "\n".join(f"  {line}" for line in why(comparison))])


def _tables(comparison: Comparison, stacks: tuple[str, str]) -> str:
    """Figures in a table; pages, whose lists are long, below one another."""
    short = [line for line in comparison.lines if line.what not in ("pages", "order of pages")]
    pages = next(line for line in comparison.lines if line.what == "pages")
    shown = [f"pages on {name}: {value}" for name, value in zip(stacks, (pages.sim, pages.other), strict=True)]
    judged = [line for line in comparison.lines if line.what in ("pages", "order of pages")]
    met = [f"{line.what}: {'same' if line.met else 'NOT THE SAME: ' + line.note}" for line in judged]
    return "\n".join([table(rows(short, stacks)), *shown, *met])
