"""`drillbox calibrate`: what this machine needs for an answer, a start and a training, beside what scenarios assume."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..assessing import SIMULATION
from ..calibrating import Claim, Load, calibration_file, claims, loads_of, save
from ..model.calibration import Calibration
from ..model.errors import Exit
from ..model.scenario import Scenario
from ..model.stack import Progress
from ..model.telemetry import Scrape
from ..model.units import format_duration
from ..operators import Idle, Scripted
from ..provenance import cpu_model, versions
from .completion import PROFILES
from .listing import table
from .output import say, tell
from .playing import find, nothing, whole_library
from .terminal import console_progress, quiet_option

if TYPE_CHECKING:
    from .wiring import SessionMaker


@click.command("calibrate")
@click.option("--stack", default="local", show_default=True, type=click.Choice(["local"]), help="Whose services are measured.")
@click.option("--profile", default="short", show_default=True, shell_complete=PROFILES, help="What is asked of scenarios.")
@click.option("--write", is_flag=True, help="Keep it in the state folder, for `run --calibrated`.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@quiet_option
@click.pass_obj
def calibrate_command(wiring: SessionMaker, stack: str, profile: str, write: bool, as_json: bool) -> int:  # noqa: ARG001
    """Measure this machine: start real model servers, ask them, train a model, and compare with what scenarios assume of a
    machine that they are played on for real. docs/fidelity.md says what each number means.

    The exit code is 0 if this machine can keep what every scenario assumes, 1 if not.

    \b
    Examples:
      drillbox calibrate
      drillbox calibrate --write
      drillbox calibrate --json
    """  # noqa: D205  # click's first paragraph
    scenarios = [find(wiring, name, profile) for name in whole_library(wiring, profile)]
    progress = console_progress()
    try:
        timings = wiring.measure(scenarios[0].world, progress)
        now = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
        found = Calibration(timings, cpu_model(), cores(), now, versions())
        judged = [(one, claims(one, simulated_loads(wiring, one, progress), found)) for one in scenarios]
    finally:
        progress.close()
    if write:
        save(found, calibration_file())
        tell(f"written: {calibration_file()}")
    if as_json:
        say(json.dumps(_plain(found, judged), indent=2, ensure_ascii=False))
    else:
        say(report(found, judged))
    return int(Exit.PASSED if all(claim.kept for _, made in judged for claim in made) else Exit.FAILED)


def cores() -> int:
    """Processors that this process may use."""
    able = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(able(0)) if able is not None else os.cpu_count() or 1


def simulated_loads(wiring: SessionMaker, scenario: Scenario, progress: Progress) -> list[Load]:
    """What the model servers have to do while the reference plays, and while nobody does anything, in the simulation."""
    found: list[Load] = []
    for operator in (Idle(), Scripted(scenario.reference)):
        progress(f"simulating {scenario.id}", 0.0)
        scrapes: list[Scrape] = []
        session = wiring.session(scenario, 1, SIMULATION)
        session.start(nothing)
        while not session.over:
            session.advance(operator)
            if session.last_scrape is not None and (not scrapes or session.last_scrape.at > scrapes[-1].at):
                scrapes.append(session.last_scrape)
        found += loads_of(scrapes)
    return found


def report(found: Calibration, judged: Sequence[tuple[Scenario, Sequence[Claim]]]) -> str:
    """What was measured, and for each scenario what it assumes."""
    timings = found.timings
    lines = [
        f"{found.machine}, {found.cores} cores; {timings.requests} requests, {timings.starts} processes",
        "",
        table(
            [
                ["MEASURED", "VALUE"],
                ["answer, one at a time", f"{1000 * timings.answer:.2f} ms (cv {timings.answer_cv:.2f})"],
                ["processor time per request", f"{1000 * timings.answer_cpu:.2f} ms"],
                ["processor time of a refusal", f"{1000 * timings.refusal_cpu:.2f} ms"],
                ["answer from the rules", f"{1000 * timings.rules:.2f} ms"],
                ["start of the process", f"{timings.start:.2f} s"],
                ["load of the model", f"{timings.load:.2f} s"],
                ["training", f"{timings.training:.2f} s"],
            ]
        ),
        "",
        "Measured, and the most that each scenario bears:",
    ]
    heading = ["SCENARIO", *(claim.what.upper() for claim in judged[0][1]), "KEPT"] if judged else []
    rows = [
        heading,
        *([one.id, *map(_claim, made), "yes" if all(claim.kept for claim in made) else "NO"] for one, made in judged),
    ]
    broken = [
        f"{one.id}: {claim.what}: {_claim(claim)}: this machine cannot keep that"
        for one, made in judged
        for claim in made
        if not claim.kept
    ]
    return "\n".join([*lines, table(rows), *broken])


def _claim(claim: Claim) -> str:
    if claim.unit == "cores":
        return f"{claim.measured:.2f} of {claim.assumed:g}"
    return f"{_seconds(claim.measured)} of {_seconds(claim.assumed)}"


def _seconds(value: float) -> str:
    """With three digits that count."""
    return format_duration(float(f"{value:.3g}"))


def _plain(found: Calibration, judged: Sequence[tuple[Scenario, Sequence[Claim]]]) -> dict[str, object]:
    scenarios = {one.id: [dataclasses.asdict(claim) | {"kept": claim.kept} for claim in made] for one, made in judged}
    return {**dataclasses.asdict(found), "scenarios": scenarios}
