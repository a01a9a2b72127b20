"""`Scenario`: the frozen, validated form of a scenario file. `loading` makes it from YAML."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from .params import Params
from .service import ServiceSpec
from .traffic import Flow
from .units import format_duration, format_share


@dataclass(frozen=True, slots=True)
class Traffic:
    """The request rate before any fault, in requests per second: `rate` on an ordinary day, all flows together.

    Without flows it is constant.
    """

    rate: float
    flows: tuple[Flow, ...] = ()


@dataclass(frozen=True, slots=True)
class Clients:
    """How the clients behave: not under the operator's control."""

    timeout: float = 2.0  # seconds until a client hangs up
    retries: int = 0  # further attempts after a failure
    backoff: float = 0.2  # seconds before the first of them, doubled each time, with full jitter
    backoff_limit: float = 5.0  # longest back-off in seconds


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost, in dollars. A prediction's cost depends on the true label, whether it is known yet or not."""

    failed: float  # a request that got no answer
    slow: float  # an answer later than the latency objective's bound
    missed: float  # predicted on time, arrived late
    false_alarm: float  # predicted late, arrived on time
    replica_hour: float
    training_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """The data behind the service. Calendar time at drill time t is `start + pace * t`."""

    name: str
    start: dt.datetime  # naive, the data's local time
    pace: float  # calendar seconds per second of drill time
    traffic: Traffic
    prices: Prices
    clients: Clients = field(default_factory=Clients)
    train_from: dt.datetime | None = None  # training window of the model that serves at the start
    train_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Runtime:
    """How the service behaves: facts of the simulation that real stacks have by nature.

    `calibrate` measures them on a machine.
    """

    service_time: float = 0.05  # mean seconds to answer one request from the model
    service_time_cv: float = 0.4  # coefficient of variation (standard deviation over mean), log-normal
    rules_time: float = 0.004  # mean seconds to answer one from the rules
    start_time: float = 8.0  # seconds until a new replica's process runs
    load_time: float = 12.0  # seconds to load the model
    cancel_on_timeout: bool = False  # whether a server stops work that nobody waits for
    training_time: float = 60.0  # seconds that a training job takes


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the model that can be deployed in the drill.

    `trees` is the size of the real model that is trained for it, on a window of its own or on that of the world. `slow_share` of
    its answers take `slow_factor` times as long: those that the small model of a cascade is unsure of.
    """

    name: str
    trees: int = 60
    slow_share: float = 0.0
    slow_factor: float = 1.0
    train_from: dt.datetime | None = None
    train_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """A fault at a drill time, or on a condition with a latest time. `lasts` None: until the end."""

    id: str
    fault: str
    params: Params
    at: float | None = None  # seconds of drill time
    when: str = ""  # expression over SLIs
    by: float | None = None  # latest time for a condition
    lasts: float | None = None


@dataclass(frozen=True, slots=True)
class Objective:
    """A service level objective: the share of good events that `sli` must reach over a window."""

    id: str
    sli: str
    target: float  # share of good events
    bound: float | None = None  # seconds, for latency: good means answered within it
    brier: float | None = None  # for quality: an evaluation is good whose Brier score is at most this

    @property
    def wanted(self) -> str:
        """What it asks for, in words: `99% answered within 300ms`."""
        share = format_share(self.target)
        if self.brier is not None:
            return f"{share} of the time a Brier score of at most {self.brier:g}"
        return f"{share} answered" + (f" within {format_duration(self.bound)}" if self.bound is not None else "")


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a runbook's step is due.

    At a drill time, when an expression over SLIs has held for `hold` seconds, while an alert of that name fires, or once a log
    line has held that text. Without any it follows the step before.
    """

    at: float | None = None
    metric: str = ""
    hold: float = 0.0
    alert: str = ""
    log: str = ""

    @property
    def symptom(self) -> bool:
        """Whether it waits for something to show."""
        return bool(self.metric or self.alert or self.log)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a runbook."""

    trigger: Trigger
    action: str
    params: Params
    why: str = ""


@dataclass(frozen=True, slots=True)
class Runbook:
    """A scripted operator, no faster than people: `notice` from first symptom to first command, `step` between commands."""

    id: str
    steps: tuple[Step, ...]
    why: str = ""
    notice: float = 60.0
    step: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The component at fault and the cause (the fault's name). `required`: without naming both the drill is not passed."""

    component: str
    cause: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Debrief:
    """What to learn, shown after the drill only."""

    story: str
    sooner: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expectations:
    """What must hold of the alerts: of each pair the first fires before the second, if that fires; others never fire."""

    order: tuple[tuple[str, str], ...] = ()
    forbidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One incident, valid as a whole. `digest` is the SHA-256 of the normalised content with the profile applied."""

    id: str  # with the name of its pack before it, if it is in one: `acme/slow-lane`
    title: str
    group: str
    difficulty: int  # 1 easiest to 5
    skills: tuple[str, ...]
    pager: str
    world: WorldConfig
    service: ServiceSpec
    runtime: Runtime
    duration: float  # seconds from t = 0
    warmup: float  # seconds before t = 0
    verdict_window: float  # seconds before the end
    timeline: tuple[Beat, ...]
    objectives: tuple[Objective, ...]
    answer: Answer
    reference: Runbook
    tempting: tuple[Runbook, ...]
    debrief: Debrief
    versions: tuple[Version, ...] = ()
    hints: tuple[str, ...] = ()  # for who asks, the vaguest first
    alerts: Expectations = field(default_factory=Expectations)
    also_right: str = ""  # the one generic gamer that may win, with its reason beside it
    also_right_because: str = ""
    stacks: tuple[str, ...] = ("sim",)
    control: bool = False
    profile: str = ""
    digest: str = ""
    source: str = ""  # the file it was read from, for messages

    @property
    def stem(self) -> str:
        """The id as a part of a file's name."""
        return self.id.replace("/", "-")

    @property
    def runbooks(self) -> Mapping[str, Runbook]:
        """The scripted operators by name."""
        return {book.id: book for book in (self.reference, *self.tempting)}

    def calendar(self, t: float) -> dt.datetime:
        """Calendar time at drill time `t` (seconds)."""
        return self.world.start + dt.timedelta(seconds=self.world.pace * t)

    @property
    def deployable(self) -> tuple[str, ...]:
        """Names of all versions that there are in the drill."""
        champion = self.service.champion
        named = (champion.version, champion.previous, *(version.name for version in self.versions))
        return tuple(dict.fromkeys(name for name in named if name))

    def version(self, name: str) -> Version:
        """A version by name; one that the file does not describe is an ordinary one."""
        return next((version for version in self.versions if version.name == name), Version(name))

    def latency_bound(self) -> float | None:
        """The bound of the tightest latency objective, in seconds; an answer later than it is slow."""
        return min((goal.bound for goal in self.objectives if goal.bound is not None), default=None)
