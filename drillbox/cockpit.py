"""The backend of the terminal UI: everything behind `tui.ports`, made of the parts that the plain commands use."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from .sandbox.model.errors import DrillboxError, Exit, UsageError, nearest
from .sandbox.paths import atomic_write, home
from .tui.ports import FORMATS, Attempts, Debrief, Drill, Incident, Past, Recording, Running, StackChoice, Told, Wanted

if TYPE_CHECKING:
    from .sandbox.api.folders import SessionInfo
    from .sandbox.cli.playing import Request
    from .sandbox.cli.wiring import SessionMaker
    from .sandbox.drill import Result
    from .sandbox.loading.library import Entry
    from .sandbox.model.stack import Capabilities
    from .scores import Score

PATIENCE = 2.0
"""Wall seconds that a host has to tell how its drill stands."""
LOG, LOG_SIZE = "ui.log", 1_000_000
"""The log of the terminal UI in the state folder, and its bytes; then it is moved away, and the one before forgotten."""
NEEDS = {
    "sim": "about 0.4 GB of memory and 10 MB of disk; the first time it reads the data and trains the model, some seconds",
    "local": "about 1.2 GB of memory, two cores and 200 MB of disk; ten seconds to start; drill time is wall time",
    "kind": "a container engine with kind and kubectl, about 3 GB of memory and 4 GB of disk; a minute or two to start, more the "
    "first time, when the images are made; drill time is wall time",
}
"""What a stack takes."""
BESIDE = {"kind": 'eval "$(drillbox env {name})"'}
"""What makes a second terminal reach a session of a stack."""


def open_cockpit(wiring: SessionMaker, request: Request | None, speed: float, metrics_port: int | None, attach: str = "") -> int:
    """Run the terminal UI, at a drill that somebody asks for, at one that is running, or at the library; gives the exit code.

    Raises:
        UsageError: the settings cannot be read.
    """
    from .sandbox.cli.output import say, tell
    from .tui.app import DrillboxApp
    from .tui.settings.settings import read_settings

    backend = CockpitBackend(wiring)
    settings = read_settings(backend.settings)
    asked = None
    if request is not None:
        asked = Wanted(request.scenario, request.stack, request.seed, speed, request.profile, request.out, metrics_port)
    for name in ("COLUMNS", "LINES"):  # a parent's, now or once: the terminal knows its size, also after it changed
        os.environ.pop(name, None)
    app = DrillboxApp(backend, settings, asked, attach)
    with log_file() as path:
        code = app.run(mouse=settings.mouse)
    broken = bool(app.return_code)  # it has told how
    if broken:
        tell(f"drillbox: the terminal UI broke, which is a bug and no fault of yours; its log: {path}")
    told = app.way_back if broken else app.farewell
    if told:
        say(told)
    return int(Exit.STACK) if broken else code or 0


@contextmanager
def log_file() -> Iterator[Path]:
    """Keep what the application logs in a file of the state folder, which is made with the first line; gives its path."""
    path = home() / LOG
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=LOG_SIZE, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("drillbox.tui")
    logger.addHandler(handler)
    before, logger.propagate = logger.propagate, False  # stderr is the terminal that the application draws on
    try:
        yield path
    finally:
        logger.propagate = before
        logger.removeHandler(handler)
        handler.close()


@dataclass
class CockpitBackend:
    """Implements `tui.ports.Backend`. Heavy packages are imported when they are needed."""

    wiring: SessionMaker
    _results: dict[Path, Result] = field(default_factory=dict)

    @property
    def settings(self) -> Path:
        """The settings file."""
        return home() / "settings.toml"

    def needs(self, stack: str) -> str:
        """What a stack takes."""
        return NEEDS.get(stack, "")

    def incidents(self) -> Sequence[Incident]:
        """The library, the easiest first."""
        stacks = self.wiring.stacks()
        return [_incident(entry, stacks) for entry in self.wiring.library().entries()]

    def attempts(self) -> Mapping[tuple[str, str], Attempts]:
        """What past drills came to, as far as it is known."""
        from .scores import known

        return dict(_summed(known().values()))

    def rate(self, progress: Told) -> Mapping[tuple[str, str], Attempts]:
        """What all past drills came to."""
        from .scores import judged

        return dict(_summed(judged(lambda path: self._score(path, progress), progress).values()))

    def past(self) -> Sequence[Past]:
        """Drills that were played, the latest first; those that still go on are none."""
        from .sandbox.api.folders import sessions
        from .scores import journals, known

        going, scores = {info.journal for info in sessions()}, known()
        return [_past(path, scores.get(path)) for path in journals() if str(path) not in going]

    def running(self) -> Sequence[Running]:
        """The drills that go on."""
        from .sandbox.api.folders import sessions

        found = [_running(info) for info in sessions()]
        return [one for one in found if one.phase != "ended"]

    def start(self, wanted: Wanted, progress: Told) -> Drill:
        """Start a drill in a host of its own."""
        from .sandbox.cli.play import start_host
        from .sandbox.cli.playing import Request, find

        scenario = find(self.wiring, wanted.scenario, wanted.profile)
        stacks = self.wiring.stacks()
        if wanted.stack not in stacks:
            raise UsageError(f"unknown stack {wanted.stack!r}; {nearest(wanted.stack, stacks)}")
        request = Request(scenario.source, "", wanted.seed, wanted.profile, wanted.stack, wanted.out)
        return _drill(start_host(self.wiring, request, wanted.speed, wanted.metrics_port, progress), wanted)

    def attach(self, name: str) -> Drill:
        """Come back to a running drill."""
        from .sandbox.api.folders import find

        info = find(name)
        return _drill(info, Wanted(info.scenario, info.stack, info.seed, info.speed, info.profile))

    def debrief(self, journal: Path, progress: Told) -> Debrief:
        """Judge a drill and compare it."""
        from .debriefing import debrief_of
        from .sandbox.cli.playing import conclude
        from .scores import keep, score_of

        result = conclude(self.wiring, journal, progress, explain=True)
        self._results[journal] = result
        if journal.parent == home() / "drills":
            keep({journal: score_of(result, journal)})
        return debrief_of(result, journal)

    def export(self, journal: Path, form: str, target: Path | None = None) -> Path:
        """Write the debrief that was last made of a journal."""
        if form not in FORMATS:
            raise UsageError(f"unknown format {form!r}; {nearest(form, FORMATS)}")
        if journal not in self._results:
            raise UsageError(f"there is no debrief of {journal} yet")
        path = target or journal.with_suffix(f".{form}")
        atomic_write(path, _writers()[form](self._results[journal]).encode())
        return path

    def recording(self, journal: Path) -> Recording:
        """What happened, to scrub through."""
        from .debriefing import recording_of
        from .sandbox.drill import result_of
        from .sandbox.journal import read_journal

        read = read_journal(journal)
        return recording_of(result_of(read, journal), read)

    def _score(self, path: Path, progress: Told) -> Score:
        """The score of a journal; only drills of a person that came to their end are compared: the others have no impact."""
        from .sandbox.cli.playing import PERSON, assessor
        from .sandbox.drill import result_of
        from .sandbox.journal import read_journal
        from .scores import Score, score_of, stamp_of

        journal = read_journal(path)
        if journal.header.operator != PERSON:
            return Score(stamp_of(path))
        result = result_of(journal, path)
        if result.record.ended == "finished":
            result = assessor(self.wiring, progress).compare(result, progress)
        return score_of(result, path)


def _incident(entry: Entry, stacks: Mapping[str, Capabilities]) -> Incident:
    choices = tuple(_choice(name, entry, able.paced) for name, able in stacks.items())
    return Incident(entry.id, entry.title, entry.pager, entry.difficulty, entry.skills, entry.minutes, choices, entry.profiles)


def _choice(name: str, entry: Entry, paced: bool) -> StackChoice:
    able = name in entry.stacks
    why_not = "" if able else f"this incident is made for {', '.join(entry.stacks)}"
    return StackChoice(name, able, why_not, NEEDS.get(name, ""), paced)


def _running(info: SessionInfo) -> Running:
    from .sandbox.cli.remote import peek

    try:
        now = peek(info, PATIENCE)
    except DrillboxError:
        return Running(info.name, info.scenario, info.title, info.stack, "silent")
    return Running(info.name, info.scenario, info.title, info.stack, now.phase.value, now.now, now.duration, now.speed)


def _past(path: Path, score: Score | None) -> Past:
    when = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    return Past(path, when) if score is None else Past(path, when, score.ended, score.passed, score.impact)


def _drill(info: SessionInfo, wanted: Wanted) -> Drill:
    from .sandbox.api.client import RemoteSession

    session = RemoteSession(info)
    beside = BESIDE.get(info.stack, "").format(name=info.name)
    return Drill(info.name, wanted, Path(info.journal), session, session.close, beside)


def _summed(scores: Iterable[Score]) -> Iterator[tuple[tuple[str, str], Attempts]]:
    """Attempts by scenario and profile."""
    found: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        if score.scenario:
            found.setdefault((score.scenario, score.profile), []).append(score)
    for key, ones in found.items():
        yield key, Attempts(len(ones), sum(one.passed for one in ones), _bests(ones))


def _bests(scores: Iterable[Score]) -> Mapping[float, float]:
    """The best impact at each speed, the slowest first; of drills that were never paused."""
    bests: dict[float, float] = {}
    for one in scores:
        if one.counts and one.speed is not None and one.impact is not None:
            bests[one.speed] = max(one.impact, bests.get(one.speed, one.impact))
    return dict(sorted(bests.items()))


def _writers() -> Mapping[str, Callable[[Result], str]]:
    from .sandbox.reports.html import debrief_html
    from .sandbox.reports.markdown import debrief
    from .sandbox.reports.plain import result_data

    def data(result: Result) -> str:
        return json.dumps(result_data(result), indent=2, ensure_ascii=False) + "\n"

    return {"html": debrief_html, "md": debrief, "json": data}
