"""Headless drills: from a request to a result, with the journal written on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..drill import Result, header_of, new_journal, operator_for, result_of
from ..journal import Header, JournalWriter, read_journal
from ..loading import find_scenario, load_scenario
from ..loading.document import read_text
from ..model.events import Event
from ..model.scenario import Scenario
from ..model.stack import Progress
from ..session import DrillSession
from .wiring import SessionMaker


@dataclass(frozen=True, slots=True)
class Request:
    """A drill that somebody asks for. `operator` empty: a person."""

    scenario: str  # id or path
    operator: str
    seed: int
    profile: str = ""
    stack: str = "sim"
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A drill that is ready to start."""

    scenario: Scenario
    session: DrillSession
    journal: JournalWriter
    header: Header


def nothing(_step: str, _done: float) -> None:
    """Progress that nobody looks at."""


def find(wiring: SessionMaker, name: str, profile: str = "") -> Scenario:
    """The scenario of an id or a path.

    Raises:
        UsageError: there is none, or it has no such profile.
        InvalidScenarioError: its file is not valid.
    """
    return load_scenario(find_scenario(name, wiring.library()), profile)


def prepare(
    wiring: SessionMaker, request: Request, progress: Progress, on_event: Callable[[Event], None] | None = None
) -> Prepared:
    """Everything that can fail for a reason of the user's, before anything runs.

    Raises:
        UsageError, InvalidScenarioError: of the scenario, the operator, the data or the journal's folder.
    """
    scenario = find(wiring, request.scenario, request.profile)
    text = read_text(Path(scenario.source))
    header = header_of(scenario, text, request.seed, request.stack, request.operator or "you", wiring.data_hash(progress))
    # The session first: an unknown stack must leave no journal behind.
    sinks = [] if on_event is None else [on_event]
    writer: list[JournalWriter] = []

    def write(event: Event) -> None:
        writer[0].append(event)

    session = wiring.session(scenario, request.seed, request.stack, [write, *sinks])
    writer.append(new_journal(header, request.out))
    return Prepared(scenario, session, writer[0], header)


def play_headless(
    wiring: SessionMaker, request: Request, progress: Progress = nothing, on_event: Callable[[Event], None] | None = None
) -> Result:
    """Play a drill to its end, unpaced, and judge it by its journal.

    Raises:
        UsageError, InvalidScenarioError: of the request; nothing was played.
        StackError: the stack could not be brought up, or broke; the journal says how far it came.
    """
    operator = operator_for(request.operator, find(wiring, request.scenario, request.profile))
    prepared = prepare(wiring, request, progress, on_event)
    try:
        prepared.session.start(progress)
        prepared.session.run(operator)
    except BaseException as error:
        error.add_note(f"journal: {prepared.journal.path}")
        raise
    finally:
        prepared.journal.close()
    path = prepared.journal.path
    return result_of(read_journal(path), path, prepared.scenario)
