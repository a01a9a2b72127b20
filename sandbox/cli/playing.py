"""Headless drills: from a request to a result, with the journal written on the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..assessing import SIMULATION, Assessor
from ..calibrating import calibrated_text, calibration_file
from ..calibrating import read as read_calibration
from ..drill import Result, header_of, new_journal, operator_for, result_of
from ..journal import JournalWriter, read_journal
from ..loading import find_scenario, load_scenario_text
from ..model.errors import DrillboxError, UsageError
from ..model.events import Ended, Event
from ..model.scenario import Scenario
from ..model.stack import Progress
from ..operators import Idle, Operator
from ..session import DrillSession, Phase
from ..standing import OPERATOR as SERVICE
from ..standing import standing_text
from .output import tell
from .wiring import SessionMaker

PERSON = "you"
"""The operator's name in journals of drills that a person played."""


@dataclass(frozen=True, slots=True)
class Request:
    """A drill that somebody asks for. `operator` empty: a person."""

    scenario: str  # id or path
    operator: str
    seed: int
    profile: str = ""
    stack: str = "sim"
    out: Path | None = None
    calibrated: bool = False  # with the times of this machine, where it cannot keep those of the scenario
    rate: float | None = None  # requests per second of a service that stands without an incident; None: the drill


@dataclass(frozen=True, slots=True)
class Prepared:
    """A drill that is ready to start. Without an operator a person plays. `name` is the operator's, as in the journal."""

    scenario: Scenario
    name: str
    operator: Operator | None
    session: DrillSession
    journal: JournalWriter


class Recorder:
    """Writes events to the journal as they come.

    An interruption, or a disk that is full for a moment, may lose events of the step at which it comes. What follows is then
    left out but for the end, which takes the next number of the file: the journal stays whole.
    """

    def __init__(self, journal: JournalWriter) -> None:
        self._journal = journal
        self._next = 0

    def __call__(self, event: Event) -> None:
        """Write one event."""
        if isinstance(event.body, Ended) and event.body.reason != "finished":
            self._journal.append(replace(event, number=len(read_journal(self._journal.path).events)))
        elif event.number == self._next:
            self._journal.append(event)
            self._next += 1


def whole_library(wiring: SessionMaker, profile: str) -> list[str]:
    """Ids of all scenarios that have a profile, and a note on those that have not."""
    entries = wiring.library().entries()
    found = [entry.id for entry in entries if not profile or profile in entry.profiles]
    if found:  # else the profile itself is wrong, and the first scenario says so
        for name in [entry.id for entry in entries if entry.id not in found]:
            tell(f"note: {name} has no profile {profile}, and is left out")
    return found or [entry.id for entry in entries]


def nothing(_step: str, _done: float) -> None:
    """Progress that nobody looks at."""


def find(wiring: SessionMaker, name: str, profile: str = "") -> Scenario:
    """The scenario of an id or a path.

    Raises:
        UsageError: there is none, or it has no such profile.
        InvalidScenarioError: its file is not valid.
    """
    library = wiring.library()
    return library.load(find_scenario(name, library), profile)


def prepare(
    wiring: SessionMaker, request: Request, progress: Progress, on_event: Callable[[Event], None] | None = None
) -> Prepared:
    """Everything that can fail for a reason of the user's, before anything runs.

    Raises:
        UsageError, InvalidScenarioError: of the scenario, the operator, the data or the journal's folder.
    """
    library = wiring.library()
    path = find_scenario(request.scenario, library)
    text = library.read(path)  # once: what is validated is what the journal keeps
    if request.calibrated:
        text = calibrated_text(text, str(path), request.profile, read_calibration(calibration_file()))
    profile = request.profile
    if request.rate is not None:
        text, profile = standing_text(text, str(path), profile, request.rate), ""
    scenario = load_scenario_text(text, str(path), profile)
    operator = operator_for(request.operator, scenario) if request.operator else None
    name = SERVICE if request.rate is not None else operator.name if operator is not None else PERSON
    header = header_of(scenario, text, request.seed, request.stack, name, wiring.data_hash(progress))
    # The session first: an unknown stack must leave no journal behind.
    recorders: list[Recorder] = []

    def write(event: Event) -> None:
        recorders[0](event)

    sinks = [write] if on_event is None else [write, on_event]
    session = wiring.session(scenario, request.seed, request.stack, sinks)
    journal = new_journal(header, request.out)
    recorders.append(Recorder(journal))
    return Prepared(scenario, name, operator, session, journal)


def assessor(wiring: SessionMaker, progress: Progress) -> Assessor:
    """Compares the results of drills."""

    def make(scenario: Scenario, seed: int) -> DrillSession:
        return wiring.session(scenario, seed, SIMULATION)

    return Assessor(make, wiring.code_hash(), wiring.data_hash(progress))


def conclude(
    wiring: SessionMaker, path: Path, progress: Progress, scenario: Scenario | None = None, *, explain: bool = False
) -> Result:
    """Judge a drill by its journal, and compare it; with `explain`, with itself without each action, too.

    Raises:
        UsageError: the journal or the cache cannot be read or written.
    """
    journal = read_journal(path)
    compares = assessor(wiring, progress)
    result = compares.compare(result_of(journal, path, scenario), progress)
    return compares.explain(result, journal.events, progress) if explain else result


def take_down(session: DrillSession, error: BaseException) -> None:
    """End a drill that cannot go on; a session that never began has taken its stack down itself."""
    if session.snapshot().phase is Phase.NEW:
        return
    with suppress(DrillboxError):  # if the journal cannot be written: the stack is down all the same, and it is known why
        session.end("interrupted" if isinstance(error, KeyboardInterrupt) else "broken")


def play_headless(
    wiring: SessionMaker,
    request: Request,
    progress: Progress = nothing,
    on_event: Callable[[Event], None] | None = None,
    *,
    explain: bool = False,
) -> Result:
    """Play a drill to its end, unpaced, and judge it by its journal. The request must name an operator.

    With `explain` the result tells what each action cost or saved, too.

    Raises:
        UsageError, InvalidScenarioError: of the request; nothing was played.
        StackError: the stack could not be brought up, or broke; the journal says how far it came.
    """
    if not request.operator:
        raise UsageError("nobody is at the controls: name an operator, such as idle or reference")
    playing: list[Scenario] = []

    def show_progress(event: Event) -> None:
        if playing and event.at > 0:
            progress(f"playing {playing[0].id}", min(1.0, event.at / playing[0].duration))

    prepared = prepare(wiring, request, progress, on_event or show_progress)
    playing.append(prepared.scenario)
    try:
        prepared.session.start(progress)
        prepared.session.run(prepared.operator or Idle())
    except BaseException as error:
        take_down(prepared.session, error)
        error.add_note(f"journal: {prepared.journal.path}")
        raise
    finally:
        prepared.journal.close()
    return conclude(wiring, prepared.journal.path, progress, prepared.scenario, explain=explain)
