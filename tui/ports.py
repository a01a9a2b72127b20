"""What the application needs beyond a session: library, starting and finding drills, debrief. `drillbox.cockpit` has it all.

Everything here may take its time, and is called in threads: reading journals, starting a host, playing baselines. Every method
raises a DrillboxError whose message is meant for the user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..sandbox.model.events import Event
    from ..sandbox.model.scenario import Objective, Prices
    from ..sandbox.session import Session


@dataclass(frozen=True, slots=True)
class StackChoice:
    """A stack, as a place where an incident can be played, or cannot, and why not.

    Attributes:
        name: of the stack.
        able: whether it can play it.
        why_not: empty if it can.
        needs: what it will take.
        paced: whether drill time follows the wall clock, whatever speed is asked for.
    """

    name: str
    able: bool
    why_not: str = ""
    needs: str = ""
    paced: bool = False


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a person has played an incident, and the best impact at each speed (drill seconds per wall second).

    Only drills that were never paused have a say in the best; their speed is the slowest at which some of them was played.
    """

    count: int = 0
    passed: int = 0
    bests: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as the on-call may know it before the debrief."""

    id: str
    title: str
    pager: str
    difficulty: int  # 1 easiest to 5
    skills: tuple[str, ...]
    minutes: float
    stacks: tuple[StackChoice, ...]
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """A drill that goes on in its host. `now` and `duration` are drill seconds; without an answer the phase is `silent`."""

    name: str
    scenario: str
    title: str
    stack: str
    phase: str
    now: float = 0.0
    duration: float = 0.0
    speed: float = 0.0


@dataclass(frozen=True, slots=True)
class Past:
    """The journal of a drill in the state folder, and what it came to, as far as that is known."""

    journal: Path
    when: str  # its last change, in the local time
    ended: bool = False
    passed: bool = False
    impact: float | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A drill that somebody asks for. `scenario` is an id or a path, `speed` drill seconds per wall second."""

    scenario: str
    stack: str = "sim"
    seed: int = 1
    speed: float = 10.0
    profile: str = ""
    out: Path | None = None
    metrics_port: int | None = None


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill in its host.

    Attributes:
        name: of the session.
        wanted: what was asked for.
        journal: where it is.
        session: can be closed without ending the drill.
        close: closes it.
        beside: what to type into a second terminal so that its tools reach the drill; empty where there are none to use.
    """

    name: str
    wanted: Wanted
    journal: Path
    session: Session
    close: Callable[[], None]
    beside: str = ""


Points = tuple[tuple[float, float | None], ...]
"""(drill second, value); None where there is no data."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: whose it is, its points, and what sums it up, as a person reads it."""

    who: str  # you, idle, reference or wanted
    points: Points
    summary: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart on an axis that the scenario fixes and not the values. `write` writes a value with its unit."""

    title: str
    note: str
    bottom: float
    top: float
    lines: tuple[Line, ...]
    write: Callable[[float], str]
    limit: float | None = None
    limit_note: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """Stretches of time of one kind: fault, page or ticket; (start, end) in drill seconds."""

    kind: str
    name: str
    spans: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Deed:
    """A command: what was asked, what became of it, and what it saved (dollars; negative: cost), where that is known."""

    at: float
    actor: str
    what: str
    outcome: str
    reason: str = ""
    saved: float | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """An objective and whether it was met. `value` is in words."""

    id: str
    wanted: str
    value: str
    met: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that counts; None: never. `note` says what it is, and how long after what."""

    name: str
    at: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Debrief:
    """All that a debrief shows. Harms are dollars by part, and `harms` has one column for each of you, idle, reference."""

    scenario: str
    title: str
    verdict: str
    passed: bool
    reasons: tuple[str, ...]
    impact: float | None
    scale: str  # what an impact means
    least: float  # impact of a pass
    duration: float
    window: float  # drill seconds at the end over which the objectives are judged
    goals: tuple[Goal, ...]
    harms: Mapping[str, Mapping[str, float]]
    moments: tuple[Moment, ...]
    deeds: tuple[Deed, ...]
    notes: tuple[tuple[float, str, str], ...]  # (drill second, who or which hint, text)
    hints: int  # that were asked for
    explained: bool  # whether it was looked into what each deed saved
    lanes: tuple[Lane, ...]
    charts: tuple[Chart, ...]
    component: str
    cause: str
    story: str
    sooner: str
    tempting: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    journal: Path
    wanted: Wanted
    exit_code: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A journal to look through: what the on-call could see, event by event."""

    title: str
    duration: float
    events: tuple[Event, ...]
    objectives: tuple[Objective, ...]
    prices: Prices
    rate: float  # usual requests per second, for an axis
    bound: float | None  # seconds, of the latency objective


FORMATS = ("html", "md", "json")
"""What a debrief can be exported as."""


class Told(Protocol):
    """Told of progress."""

    def __call__(self, step: str, done: float, /) -> None:
        """`done` is the share of the step that is finished, 0 to 1."""


class Backend(Protocol):
    """All that the application asks for."""

    @property
    def settings(self) -> Path:
        """The settings file; it need not exist."""

    def needs(self, stack: str) -> str:
        """What a stack takes, in words; empty where that is not known."""

    def incidents(self) -> Sequence[Incident]:
        """The library, the easiest first. Quick: nothing is computed."""

    def attempts(self) -> Mapping[tuple[str, str], Attempts]:
        """What past drills of a person came to, by scenario and profile. Quick: only what is known already."""

    def rate(self, progress: Told) -> Mapping[tuple[str, str], Attempts]:
        """The same, after all past drills were looked through; may play baselines."""

    def past(self) -> Sequence[Past]:
        """Drills that were played, the latest first."""

    def running(self) -> Sequence[Running]:
        """The drills that go on at the moment."""

    def start(self, wanted: Wanted, progress: Told) -> Drill:
        """Start a drill in a host of its own; returns as soon as the host can be talked to, before the stack is up."""

    def attach(self, name: str) -> Drill:
        """Come back to a running drill."""

    def debrief(self, journal: Path, progress: Told) -> Debrief:
        """Judge a drill and compare it with idle, with the reference, and with itself without each action."""

    def export(self, journal: Path, form: str, target: Path | None = None) -> Path:
        """Write the debrief that was last made of a journal in one of `FORMATS`; beside the journal if no target is given."""

    def recording(self, journal: Path) -> Recording:
        """What happened, to scrub through."""
