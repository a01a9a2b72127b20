"""Playing a drill so that it can be compared: its journal with the raw series beside it, reduced to figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from ..assessing import SIMULATION
from ..drill import result_of
from ..fidelity.bands import Comparison, bands_of, compare
from ..fidelity.figures import Outcome, Stretch, outcome_of, stretches_of
from ..fidelity.series import SeriesWriter, read_series, series_path
from ..journal import read_journal
from ..model.errors import UsageError, nearest
from ..model.events import Event, Observed
from ..model.stack import Progress
from ..operators import Idle
from ..paths import home
from .playing import Request, prepare, take_down
from .wiring import SessionMaker


@dataclass(frozen=True, slots=True)
class Reduced:
    """A drill that was played, and over which stretches it was measured."""

    outcome: Outcome
    stretches: tuple[Stretch, ...]
    journal: Path


def play_recorded(wiring: SessionMaker, request: Request, progress: Progress) -> tuple[Path, float | None]:
    """Play a drill to its end, with the raw series beside its journal; gives the journal, and the crowd (see `Outcome`).

    Raises:
        UsageError, InvalidScenarioError: of the request; nothing was played.
        StackError: the stack could not be brought up, or broke.
    """
    writers: list[SeriesWriter] = []
    crowds: list[float] = []

    def note(event: Event) -> None:
        if event.at > 0:
            progress(step, min(1.0, event.at / prepared.scenario.duration))
        if isinstance(event.body, Observed) and writers:
            writers[0].add(prepared.session.last_scrape)
            if prepared.session.paced and hasattr(os, "getloadavg"):
                crowds.append(os.getloadavg()[0] / (os.cpu_count() or 1))

    prepared = prepare(wiring, replace(request, out=request.out or home() / "fidelity"), progress, note)
    step = f"playing {prepared.scenario.id} on {request.stack}"
    try:
        writers.append(SeriesWriter(series_path(prepared.journal.path)))
        prepared.session.start(progress)
        prepared.session.run(prepared.operator or Idle())
    except BaseException as error:
        take_down(prepared.session, error)
        error.add_note(f"journal: {prepared.journal.path}")
        raise
    finally:
        prepared.journal.close()
        for writer in writers:
            writer.close()
    return prepared.journal.path, fmean(crowds) if crowds else None


def reduce(journal: Path, crowd: float | None = None, stretches: Sequence[Stretch] = ()) -> Reduced:
    """What is compared of a drill, over the stretches given, or over its own.

    Raises:
        UsageError: the journal or the series cannot be read.
    """
    read = read_journal(journal)
    result = result_of(read, journal)
    over = tuple(stretches) or stretches_of(result.record, result.scenario)
    about = (result.stack, result.operator, result.seed)
    outcome = outcome_of(result.record, result.scenario, read_series(series_path(journal)), over, about)
    return Reduced(replace(outcome, crowd=crowd), over, journal)


def simulated(wiring: SessionMaker, request: Request, progress: Progress) -> Reduced:
    """The drill on the simulation."""
    return reduce(*play_recorded(wiring, replace(request, stack=SIMULATION), progress))


def held_against(wiring: SessionMaker, sim: Reduced, request: Request, progress: Progress) -> Comparison:
    """Play the drill on another stack, and compare it with the simulation's."""
    other = reduce(*play_recorded(wiring, request, progress), sim.stretches)
    return compare(sim.outcome, other.outcome, bands_of(request.stack))


def check_stack(wiring: SessionMaker, stack: str) -> None:
    """Find out before anything is played.

    Raises:
        UsageError: there is no such stack.
    """
    known = wiring.stacks()
    if stack not in known:
        raise UsageError(f"unknown stack {stack!r}; {nearest(stack, known)}")
