"""The scenario file's parts on the drill: timeline, objectives, answer, operators, debrief. See `schema`."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import Field, ValidationInfo, model_validator

from ..model.actions import ACTIONS
from ..model.errors import nearest
from ..model.faults import FAULTS
from ..model.params import Param, Value, parse_params
from ..model.slis import LATENCY_BUCKETS, SLIS
from ..model.units import format_duration
from .fields import (
    Condition,
    Context,
    DrillTime,
    Duration,
    Finding,
    Line,
    LocatedError,
    Name,
    Number,
    Part,
    Share,
    Text,
    drill_seconds,
    pace_of,
    short,
)

PartT = TypeVar("PartT")


class BeatPart(Part):
    """A fault at a drill time (`at`), or on a condition (`when`) with a latest time (`by`)."""

    id: Name
    """Name of the beat, unique in the file."""
    at: DrillTime | None = None
    """When the fault begins."""
    when: Condition | None = None
    """Or: begin once this holds, such as `saturation < 50%`."""
    by: DrillTime | None = None
    """With `when`: begin then at the latest."""
    for_: Annotated[DrillTime, Field(gt=0)] | None = Field(default=None, alias="for")
    """How long it lasts; without it, until the drill's end."""
    fault: str
    """Name of the fault, such as `traffic.spike`."""
    with_: dict[str, object] = Field(default_factory=dict, alias="with")
    """The fault's parameters."""

    @model_validator(mode="after")
    def _complete(self, info: ValidationInfo[Context | None]) -> BeatPart:
        problems = _either(self.at, self.when)
        if self.when is not None and self.at is None and self.by is None:
            problems.append((("when",), "a beat on a condition needs a latest time: add by, such as `by: 5m`"))
        if self.by is not None and self.when is None:
            problems.append((("by",), "goes with when; a beat at a drill time has only at"))
        if self.fault not in FAULTS:
            problems.append((("fault",), f"unknown fault {self.fault[:60]!r}; {nearest(self.fault[:60], FAULTS)}"))
        else:
            problems += parse_all(FAULTS[self.fault].params, self.with_, pace_of(info))[1]
        return _checked(self, problems)


class ObjectivePart(Part):
    """A service level objective."""

    id: Name
    """Name of the objective, unique in the file."""
    sli: str
    """The SLI: `availability`, `latency` or `quality`."""
    target: Share
    """Share of good requests, such as `99%`."""
    bound: Duration | None = None
    """For latency: an answer within it is good. One of the histogram's bucket bounds."""
    brier: Number | None = Field(default=None, gt=0, lt=1)
    """For quality: an evaluation is good whose Brier score is at most this."""

    @model_validator(mode="after")
    def _complete(self) -> ObjectivePart:
        problems: list[Finding] = []
        usable = [sli.name for sli in SLIS.values() if sli.objective]
        if self.sli not in SLIS:
            problems.append((("sli",), f"unknown SLI {self.sli[:60]!r}; {nearest(self.sli[:60], usable)}"))
        elif self.sli not in usable:
            message = f"no objective can be set on {self.sli!r}: it does not count good events; choose one of {', '.join(usable)}"
            problems.append((("sli",), message))
        if not 0 < self.target < 1:
            problems.append((("target",), "must be above 0% and below 100%: a target of 100% leaves no error budget"))
        if self.sli == "latency" and self.bound is None:
            problems.append(((), "a latency objective needs its bound, such as `bound: 300ms`"))
        if (self.sli == "quality") != (self.brier is not None):
            what = "needs the highest Brier score, such as `brier: 0.2`" if self.brier is None else "has no Brier score"
            problems.append(((), f"an objective on {self.sli[:60]} {what}"))
        if self.sli != "latency" and self.bound is not None:
            problems.append((("bound",), f"only a latency objective has a bound, not {self.sli[:60]!r}"))
        elif self.bound is not None and not any(abs(self.bound - bucket) < 1e-9 for bucket in LATENCY_BUCKETS):
            bucket = min(LATENCY_BUCKETS, key=lambda bucket: abs(bucket - (self.bound or 0.0)))
            message = f"{format_duration(self.bound)} is not a bound of the latency histogram; the nearest is"
            problems.append((("bound",), f"{message} {format_duration(bucket)}"))
        return _checked(self, problems)


class AnswerPart(Part):
    """What a diagnosis must name."""

    component: str
    """The component at fault; `none` in a control."""
    cause: str
    """The cause: the fault's name; `none` in a control."""
    required: bool = False
    """Whether the drill is only passed by those who name both."""

    @model_validator(mode="after")
    def _known(self) -> AnswerPart:
        if self.cause == "none" and self.component == "none":
            return self
        if self.cause not in FAULTS:
            raise LocatedError((("cause",), f"unknown cause {self.cause[:60]!r}; {nearest(self.cause[:60], FAULTS)}"))
        component = FAULTS[self.cause].component
        if self.component != component:
            raise LocatedError(
                (("component",), f"{self.component[:60]!r} is not the component of {self.cause}: that is {component!r}")
            )
        return self


class StepPart(Part):
    """One step of a runbook: at a drill time (`at`), on a symptom that has held `for` a while, or after the step before."""

    at: DrillTime | None = None
    """When the step is due."""
    when: Condition | None = None
    """Or: the symptom that it waits for, such as `saturation > 0.9`."""
    for_: DrillTime | None = Field(default=None, alias="for")
    """With `when`: how long the symptom must have held."""
    alert: str | None = None
    """And, or instead: an alert of this name fires, such as `AvailabilityBurnRate`."""
    log: Line | None = None
    """And, or instead: a log line has held this text."""
    do: str
    """The action, such as `shed`."""
    with_: dict[str, object] = Field(default_factory=dict, alias="with")
    """The action's parameters."""
    why: Text = ""
    """The reasoning, for the debrief."""

    @model_validator(mode="after")
    def _complete(self, info: ValidationInfo[Context | None]) -> StepPart:
        problems: list[Finding] = []
        if self.at is not None and self.when is not None:
            problems.append((("when",), "give either at or when, not both"))
        if self.for_ is not None and not (self.when or self.alert or self.log):
            problems.append((("for",), "goes with when, alert or log: it is how long a symptom must have held"))
        if self.do not in ACTIONS:
            problems.append((("do",), f"unknown action {self.do[:60]!r}; {nearest(self.do[:60], ACTIONS)}"))
        else:
            problems += parse_all(ACTIONS[self.do].params, self.with_, pace_of(info))[1]
        return _checked(self, problems)


class RunbookPart(Part):
    """A scripted operator, no faster than people."""

    why: Text = ""
    """The idea behind it."""
    notice: DrillTime | None = None
    """Time from the first symptom to the first command: 60s by default and at least (20s in the profile `short`)."""
    step: DrillTime | None = None
    """Time between two commands: 30s by default and at least (10s in the profile `short`)."""
    steps: list[StepPart]
    """What it does, in this order."""


class RunbookFilePart(RunbookPart):
    """A runbook in a file of its own."""

    id: Name
    """Its name, for the journal and the report."""


class OperatorsPart(Part):
    """The scripted operators."""

    reference: RunbookPart
    """What a good engineer does."""
    tempting: dict[Name, RunbookPart] = Field(default_factory=dict)
    """What seems right and is not, by name."""


class AlertsPart(Part):
    """What must hold of the alerts, on every stack."""

    expect: list[Line] = Field(default_factory=list)
    """Orders such as `LatencyBurnRate before AvailabilityBurnRate`: the first fires, and before the second if that fires."""
    forbid: list[str] = Field(default_factory=list)
    """Alerts that never fire."""

    @model_validator(mode="after")
    def _readable(self) -> AlertsPart:
        problems: list[Finding] = [
            (("expect", index), f"{text[:60]!r} is not an order: write `A before B` with the names of two alerts")
            for index, text in enumerate(self.expect)
            if len(text.split()) != 3 or text.split()[1] != "before"
        ]
        return _checked(self, problems)


class DebriefPart(Part):
    """What to learn; shown after the drill only."""

    story: Text
    """What happened, and why."""
    sooner: Text = ""
    """How to see it sooner."""
    sources: list[Text] = Field(default_factory=list)
    """Where it has happened: post-mortems, papers, issues."""


def parse_all(declared: tuple[Param, ...], raw: dict[str, object], pace: float) -> tuple[dict[str, Value], list[Finding]]:
    """All parameters in base units, and every problem with them. Durations may be given in calendar time."""
    problems: list[Finding] = []
    names = [param.name for param in declared]
    unknown = [name for name in raw if name not in names]
    problems += [(("with", name), f"unknown parameter {name[:60]!r}; {nearest(name[:60], names)}") for name in unknown]
    values: dict[str, Value] = {}
    for param in declared:
        try:
            given = {param.name: _in_drill_time(raw[param.name], pace)} if param.name in raw else {}
            values |= parse_params((param,), given)
        except ValueError as error:  # ParamError or UnitError
            problems.append((("with", param.name) if param.name in raw else ("with",), str(error)))
    return values, problems


def _in_drill_time(raw: object, pace: float) -> object:
    if isinstance(raw, dict):
        return f"{drill_seconds(raw, pace):.9f}s"
    return short(raw)


def _either(at: float | None, when: str | None) -> list[Finding]:
    if at is None and when is None:
        return [((), "when is it due? give at (a drill time) or when (a condition)")]
    if at is not None and when is not None:
        return [(("when",), "give either at or when, not both")]
    return []


def _checked(part: PartT, problems: list[Finding]) -> PartT:
    if problems:
        raise LocatedError(*problems)
    return part
