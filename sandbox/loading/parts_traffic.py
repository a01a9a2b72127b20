"""The scenario file's part on traffic: a rate, and shapes that multiply it. See `schema`."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, ValidationInfo, model_validator

from ..model import traffic
from ..model.scenario import Traffic
from ..model.traffic import HIGHEST
from .fields import Context, DrillTime, Finding, LocatedError, Number, Part, Rate, Share, pace_of
from .traces import MAX_TRACE, Trace, TraceError, parse_trace

_DAY = 86_400.0


class ConstantPart(Part):
    """Always the same factor."""

    factor: Number = Field(ge=0, le=1000)
    """The rate is multiplied by this."""


class RampPart(Part):
    """In a straight line to another level, which stays."""

    at: DrillTime
    """When it begins."""
    over: DrillTime = Field(ge=1)
    """How long it takes."""
    factor: Number = Field(ge=0, le=1000)
    """What the rate is multiplied by at its end."""


class SpikePart(Part):
    """Up and down again."""

    at: DrillTime
    """When it begins to rise."""
    for_: DrillTime = Field(alias="for", ge=1)
    """Time from there until it begins to fall."""
    factor: Number = Field(ge=0, le=1000)
    """What the rate is multiplied by at its height."""
    ramp: DrillTime = 0.0
    """Time to rise, and time to fall."""


class StepChangePart(Part):
    """To another level at once."""

    at: DrillTime
    """When."""
    factor: Number = Field(ge=0, le=1000)
    """What the rate is multiplied by from then on."""
    for_: DrillTime | None = Field(default=None, alias="for", ge=1)
    """How long; without it, until the drill's end."""


class DiurnalPart(Part):
    """The hours of the day from the real schedule: the number of flights that leave soon, against the year's mean."""

    ahead: DrillTime | None = None
    """How far people look ahead, `{cal: 6h}` if not given; between one and 24 hours of the calendar."""
    floor: Share = 0.05
    """The least factor: at night no flight leaves."""

    @model_validator(mode="after")
    def _within_a_day(self, info: ValidationInfo[Context | None]) -> DiurnalPart:
        ahead = traffic.LOOK_AHEAD if self.ahead is None else self.ahead * pace_of(info)
        if not 0.999 * 3600.0 <= ahead <= 1.001 * _DAY:
            raise LocatedError(
                (("ahead",), f"{ahead / 3600.0:g}h of the calendar is out of bounds: between {{cal: 1h}} and {{cal: 24h}}")
            )
        return self


class BurstPart(Part):
    """Calm and busy by turns, each for a random time (a Markov-modulated Poisson process)."""

    factor: Number = Field(ge=0, le=1000)
    """What the rate is multiplied by while it is busy."""
    calm: DrillTime = Field(ge=1)
    """Mean length of the calm times."""
    busy: DrillTime = Field(ge=1)
    """Mean length of the busy times."""


class ReplayPart(Part):
    """A recorded course, as CSV with a heading: `time` (seconds, or 5m) and `rate` (per second, or 600/m) or `factor`."""

    file: str | None = Field(default=None, min_length=1, max_length=200)
    """A .csv file in the folder of the scenario, or below it."""
    csv: str | None = Field(default=None, max_length=MAX_TRACE)
    """Or the CSV itself, as a block of text."""
    between: Literal["lines", "steps"] = "lines"
    """What is between two times: a straight line, or the earlier value."""
    repeat: bool = False
    """Whether it begins again when it is at its end; else the last value stays."""

    @model_validator(mode="after")
    def _readable(self) -> ReplayPart:
        if self.file is not None and self.csv is not None:
            raise LocatedError((("file",), "give either file or csv"))
        if self.file is not None:
            raise LocatedError((("file",), "there is no folder to look for it: give the trace itself as csv"))
        if self.csv is None:
            raise LocatedError(((), "a trace is needed: give file, or csv"))
        try:
            parse_trace(self.csv)
        except TraceError as error:
            raise LocatedError((("csv",), str(error))) from None
        return self

    @property
    def trace(self) -> Trace:
        """The trace, which is valid."""
        return parse_trace(self.csv or "")


class ShapePart(Part):
    """One shape: exactly one of these keys."""

    constant: ConstantPart | None = None
    """Always the same factor."""
    ramp: RampPart | None = None
    """In a straight line to another level."""
    spike: SpikePart | None = None
    """Up and down again."""
    step: StepChangePart | None = None
    """To another level at once."""
    diurnal: DiurnalPart | None = None
    """The hours of the day, from the real schedule of the flights."""
    burst: BurstPart | None = None
    """Calm and busy by turns, at random."""
    replay: ReplayPart | None = None
    """A recorded course."""

    @model_validator(mode="after")
    def _one(self) -> ShapePart:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(type(self).model_fields)
            many = f"has {' and '.join(given)}; write each as an entry of its own"
            what = many if given else f"is empty; choose one of {names}"
            raise LocatedError(((), what))
        return self


class FlowPart(Part):
    """Requests of one sort of clients."""

    rate: Rate = Field(gt=0, le=HIGHEST)
    """The request rate, such as `120/s`."""
    shapes: list[ShapePart] = Field(default_factory=list, max_length=16)
    """What it is multiplied by over time; several multiply each other. Without any it is constant."""

    @model_validator(mode="after")
    def _bounded(self, info: ValidationInfo[Context | None]) -> FlowPart:
        flow = flow_of(self, pace_of(info))
        problems: list[Finding] = []
        if flow.highest > HIGHEST * (1 + 1e-9):
            problems.append((("shapes",), f"together they reach {flow.highest:,.0f}/s; at most {HIGHEST:,.0f}/s can be played"))
        elif flow.highest == 0:
            problems.append((("shapes",), "together they leave no request at any time"))
        if problems:
            raise LocatedError(*problems)
        return self


class TrafficPart(FlowPart):
    """How many requests arrive before any fault."""

    plus: list[FlowPart] = Field(default_factory=list, max_length=16)
    """Further clients, whose requests are added; each with a rate and shapes of its own."""

    @model_validator(mode="after")
    def _bounded_together(self, info: ValidationInfo[Context | None]) -> TrafficPart:
        highest = math.fsum(flow_of(part, pace_of(info)).highest for part in (self, *self.plus))
        if self.plus and highest > HIGHEST * (1 + 1e-9):
            message = f"all clients together reach {highest:,.0f}/s; at most {HIGHEST:,.0f}/s can be played"
            raise LocatedError((("plus",), message))
        return self


def traffic_of(part: TrafficPart, pace: float) -> Traffic:
    """The traffic of a valid part; constant traffic has no flows."""
    parts = (part, *part.plus)
    rate = math.fsum(one.rate for one in parts)
    if not any(one.shapes for one in parts):
        return Traffic(rate)
    return Traffic(rate, tuple(flow_of(one, pace) for one in parts))


def flow_of(part: FlowPart, pace: float) -> traffic.Flow:
    """The flow of a valid part."""
    return traffic.Flow(part.rate, tuple(_shape(one, part.rate, pace) for one in part.shapes))


def _shape(part: ShapePart, rate: float, pace: float) -> traffic.Shape:
    match part:
        case ShapePart(constant=ConstantPart() as one):
            return traffic.Constant(one.factor)
        case ShapePart(ramp=RampPart() as one):
            return traffic.Ramp(one.at, one.over, one.factor)
        case ShapePart(spike=SpikePart() as one):
            return traffic.Spike(one.at, one.for_, one.factor, one.ramp)
        case ShapePart(step=StepChangePart() as one):
            return traffic.Step(one.at, one.factor, one.for_)
        case ShapePart(diurnal=DiurnalPart() as one):
            return traffic.Diurnal(traffic.LOOK_AHEAD if one.ahead is None else one.ahead * pace, one.floor)
        case ShapePart(burst=BurstPart() as one):
            return traffic.Burst(one.factor, one.calm, one.busy)
        case ShapePart(replay=ReplayPart() as one):
            trace = one.trace
            factors = trace.values if trace.column == "factor" else tuple(value / rate for value in trace.values)
            return traffic.Replay(trace.times, factors, one.between == "steps", one.repeat)
    raise AssertionError("a valid part has one shape")
