"""`drillbox prove`: scenarios prove themselves, over seeds and with workers."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import click

from ..gamers import gamers
from ..model.errors import Exit, StackError
from ..model.events import Role
from ..model.scenario import Scenario
from ..model.stack import Progress
from ..operators import Operator
from ..proving import Proof, prove
from ..scoring.record import Record, record_of
from .completion import PROFILES, SCENARIOS, STACKS
from .listing import table
from .output import say
from .playing import find, nothing, whole_library
from .terminal import console_progress, quiet_option

if TYPE_CHECKING:
    from .wiring import SessionMaker

Task = tuple["SessionMaker", str, str, int, str]


@click.command("prove")
@click.argument("scenarios", nargs=-1, metavar="SCENARIO...", shell_complete=SCENARIOS)
@click.option("--all", "everything", is_flag=True, help="The whole library.")
@click.option("--seed", type=click.IntRange(0), help="One seed; 1 if neither --seed nor --seeds is given.")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Seeds 1 to K.")
@click.option("--profile", default="", shell_complete=PROFILES, help="A profile of the scenarios, such as short.")
@click.option("--stack", default="sim", show_default=True, shell_complete=STACKS, help="Where they run.")
@click.option("--jobs", "-j", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@click.option("--json", "as_json", is_flag=True, help="Print an array of proofs.")
@quiet_option
@click.pass_obj
def prove_command(
    wiring: SessionMaker,
    scenarios: Sequence[str],
    everything: bool,
    seed: int | None,
    seeds: int | None,
    profile: str,
    stack: str,
    jobs: int,
    as_json: bool,
) -> int:
    """Check that scenarios are fair: healthy passes, the fault breaks it, idling fails, the reference wins, wrong moves lose.

    \b
    Examples:
      drillbox prove monday-rush
      drillbox prove --all --seeds 5 --jobs 2
      drillbox prove mine.yaml --seed 7 --json
    """
    if everything == bool(scenarios):
        raise click.UsageError("name the scenarios to prove, or give --all")
    if seed is not None and seeds is not None:
        raise click.UsageError("give either --seed or --seeds")
    names = whole_library(wiring, profile) if everything else list(scenarios)
    for name in names:
        find(wiring, name, profile)
    wanted = range(1, seeds + 1) if seeds is not None else [1 if seed is None else seed]
    tasks: list[Task] = [(wiring, name, profile, one, stack) for name in names for one in wanted]
    progress = console_progress()
    proofs: list[Proof] = []
    for number, proof in enumerate(_prove_all(tasks, jobs, progress)):
        proofs.append(proof)
        if len(tasks) > 1:
            progress("proving", (number + 1) / len(tasks))
    progress.close()
    if as_json:
        say(json.dumps([dataclasses.asdict(proof) | {"held": proof.held} for proof in proofs], indent=2, ensure_ascii=False))
    else:
        say(report(proofs))
    return int(Exit.PASSED if all(proof.held for proof in proofs) else Exit.FAILED)


def report(proofs: Iterable[Proof]) -> str:
    """A line for each proof, and each check that did not hold."""
    rows = [["SCENARIO", "PROFILE", "SEED", "HARM HEALTHY", "IDLE", "REFERENCE", "BEST OTHER", "PROVED"]]
    failures = []
    for proof in proofs:
        others = {name: points for name, points in proof.impacts.items() if name not in ("healthy", "idle", "reference")}
        right = {check.name.removesuffix(" is also right") for check in proof.checks if check.name.endswith(" is also right")}
        losing = {name: points for name, points in others.items() if name not in right}
        best = max(losing, key=lambda name: losing[name], default="")
        shown = f"{best} {losing[best]:.0f}" if best else "-"
        harms = [f"${proof.harms[name]:,.0f}" for name in ("healthy", "idle", "reference")]
        rows.append([proof.scenario, proof.profile or "-", str(proof.seed), *harms, shown, "yes" if proof.held else "NO"])
        failures += [
            f"{proof.scenario} seed {proof.seed}: {check.name}: {check.detail}" for check in proof.checks if not check.held
        ]
    return "\n".join([table(rows), *failures])


def prove_one(task: Task, progress: Progress = nothing) -> Proof:
    """One scenario and seed, in whatever process."""
    wiring, name, profile, seed, stack = task
    wanted = find(wiring, name, profile)
    drills = 3 + len(wanted.tempting) + len(gamers(wanted, ()))  # healthy, idle, reference, and what must lose
    played = itertools.count(1)

    def play(scenario: Scenario, operator: Operator) -> Record:
        session = wiring.session(scenario, seed, stack)
        session.start(nothing)
        session.run(operator)
        record = record_of(session.events(role=Role.FACILITATOR))
        if record.ended != "finished":
            raise StackError(f"{scenario.id}: the drill ended as {record.ended}")
        progress(f"proving {scenario.id}", min(1.0, next(played) / drills))
        return record

    return prove(wanted, seed, play)


def _prove_all(tasks: Sequence[Task], jobs: int, progress: Progress) -> Iterator[Proof]:
    if jobs == 1 or len(tasks) == 1:
        yield from (prove_one(task, progress) for task in tasks)
        return
    with ProcessPoolExecutor(max_workers=min(jobs, len(tasks))) as pool:
        yield from pool.map(prove_one, tasks)
