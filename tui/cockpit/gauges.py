"""What is charted: each gauge once, with its unit, its fixed axis and the objective that it is held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...sandbox.model.scenario import Objective
from ...sandbox.model.units import format_duration, format_share
from ..widgets.chart import Axis, Curve, Points
from . import money, words
from .budgets import standing
from .picture import Picture


@dataclass(frozen=True, slots=True)
class Limit:
    """What an objective allows of a gauge at most."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Gauge:
    """One chart. `slis` are its curves, the first gives the number; `read` gives curves that no SLI has."""

    id: str
    title: str
    help: str
    slis: tuple[str, ...]
    write: Callable[[float | None], str]
    axis: Callable[[Picture], Axis]
    limit: Callable[[Picture], Limit | None] = lambda _: None
    read: Callable[[Picture], Sequence[Points]] | None = None
    names: tuple[str, ...] = ()
    goal: str = ""  # the SLI whose objective says whether it is as it should be

    def curves(self, picture: Picture) -> tuple[Curve, ...]:
        """All its curves over the drill so far."""
        names = self.names or self.slis
        found = self.read(picture) if self.read else [picture.series(name) for name in self.slis]
        return tuple(Curve(name, points) for name, points in zip(names, found, strict=True))

    def value(self, picture: Picture) -> float | None:
        """The number: the latest value of the first curve."""
        if self.read is None:
            return picture.slis.get(self.slis[0])
        points = self.read(picture)[0]
        return points[-1][1] if points else None

    def met(self, picture: Picture) -> bool | None:
        """Whether its objective is met now; None without an objective or without data."""
        goal = _goal(picture, self.goal) if self.goal else None
        return standing(goal, picture.samples).met if goal else None


def _goal(picture: Picture, sli: str) -> Objective | None:
    goals = picture.snapshot.objectives if picture.snapshot else ()
    return min((goal for goal in goals if goal.sli == sli), key=lambda goal: goal.bound or 0.0, default=None)


def _fixed(top: float, bottom: float = 0.0, *, root: bool = False) -> Callable[[Picture], Axis]:
    axis = Axis(top, bottom, root)
    return lambda _: axis


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1.0, 2.0, 5.0, 10.0) if step * unit >= value * 0.999)


def _traffic_axis(picture: Picture) -> Axis:
    """Five times the traffic with which the drill began."""
    first = next((one.body.slis["request_rate"] for one in picture.samples if "request_rate" in one.body.slis), 100.0)
    return Axis(_round_up(4.0 * first))


def _latency_axis(picture: Picture) -> Axis:
    """Four times what the objective allows, or the gateway's timeout if that is less."""
    goal = _goal(picture, "latency")
    return Axis(4.0 * (goal.bound if goal and goal.bound else 0.5))


def _replica_axis(picture: Picture) -> Axis:
    """Beyond what the autoscaler may ask for, and what was ever wanted."""
    spec = picture.snapshot.spec if picture.snapshot else None
    asked = [8.0] + ([spec.champion.replicas, spec.autoscaler.maximum] if spec else [])
    asked += [float(change.body.after) for change in picture.changes if change.body.field in _REPLICAS]
    return Axis(_even(1.25 * max(asked)))


_REPLICAS = ("champion.replicas", "autoscaler.maximum")


def _even(value: float) -> float:
    return 2.0 * math.ceil(value / 2.0)


def _queue_axis(picture: Picture) -> Axis:
    """The room in the queues of the replicas with which the drill began."""
    spec = picture.snapshot.spec if picture.snapshot else None
    first = picture.samples[0].body.slis.get("replicas", 4.0) if picture.samples else 4.0
    return Axis(_round_up(max(10.0, first * (spec.champion.queue if spec else 16))))


def _money_axis(picture: Picture) -> Axis:
    """What it would cost if no request of the drill's beginning were answered."""
    prices = picture.snapshot.prices if picture.snapshot else None
    first = picture.samples[0].body.slis.get("request_rate", 100.0) if picture.samples else 100.0
    return Axis(_round_up(first * (prices.failed if prices else 0.01) * 60.0 * 4.0))


def _per_minute(value: float | None) -> str:
    """`$456/m`: of eight cells."""
    return words.dollars(value) if value is None else f"${value:,.0f}/m" if abs(value) >= 10 else f"${value:.2f}/m"


def _money(picture: Picture) -> Sequence[Points]:
    prices = picture.snapshot.prices if picture.snapshot else None
    return [money.rate_history(picture.samples, prices) if prices else []]


_BAD = ("null_rate", "out_of_range")


def _bad_data(picture: Picture) -> Sequence[Points]:
    """The worse of both, then each."""
    both = [picture.series(name) for name in _BAD]
    worst = [(at, max((one for one in (a, b) if one is not None), default=None)) for (at, a), (_, b) in zip(*both, strict=True)]
    return [worst, *both]


def _errors_limit(picture: Picture) -> Limit | None:
    goal = _goal(picture, "availability")
    return Limit(1.0 - goal.target, f"objective: at most {format_share(round(1.0 - goal.target, 6))}") if goal else None


def _latency_limit(picture: Picture) -> Limit | None:
    goal = _goal(picture, "latency")
    if goal is None or goal.bound is None:
        return None
    return Limit(goal.bound, f"objective: {format_share(goal.target)} within {format_duration(goal.bound)}")


def _quality_limit(picture: Picture) -> Limit | None:
    goal = _goal(picture, "quality")
    return Limit(goal.brier, f"objective: at most {goal.brier:g}") if goal and goal.brier is not None else None


GAUGES: tuple[Gauge, ...] = (
    Gauge("latency", "Latency", "time to an answer: median, 95th, 99th percentile",
          ("latency_p95", "latency_p50", "latency_p99"), words.seconds, _latency_axis, _latency_limit,
          names=("p95", "p50", "p99"), goal="latency"),
    Gauge("errors", "Errors", "share of requests that failed or were refused",
          ("error_ratio",), words.share, _fixed(1.0, root=True), _errors_limit, names=("errors",),
          goal="availability"),
    Gauge("traffic", "Traffic", "requests that reach the gateway; further tries; refused on purpose",
          ("request_rate", "retry_rate", "shed_rate"), words.rate, _traffic_axis, names=("requests", "retries", "shed")),
    Gauge("saturation", "Saturation", "busy share of the slots of all ready replicas",
          ("saturation",), words.share, _fixed(1.0), names=("busy",)),
    Gauge("queue", "Queue", "requests that wait at the replicas",
          ("queue_length",), words.number, _queue_axis, names=("waiting",)),
    Gauge("replicas", "Replicas", "replicas that are ready, and that are wanted",
          ("replicas", "replicas_wanted"), words.number, _replica_axis, names=("ready", "wanted")),
    Gauge("quality", "Quality", "Brier score of the champion where the label is known: less is better",
          ("quality_brier",), words.number, _fixed(0.5), _quality_limit, names=("Brier score",),
          goal="quality"),
    Gauge("auc", "AUC", "AUC of the champion where the label is known: 0.5 is a guess",
          ("quality_auc", "quality_ap"), words.number, _fixed(1.0), names=("AUC", "average precision")),
    Gauge("drift", "Drift", "PSI of the worst feature over the largest of any day of the training data: 1 is as then",
          ("drift",), words.number, _fixed(5.0), names=("worst feature",)),
    Gauge("data", "Bad data", "values missing beyond training, or far out of its range; in the worst feature",
          (*_BAD,), words.share, _fixed(1.0), read=_bad_data, names=("worst", "missing", "out of range")),
    Gauge("freshness", "Freshness", "calendar age of the oldest online feature in use",
          ("feature_freshness",), words.age, _fixed(6 * 3600.0), names=("oldest value",)),
    Gauge("labels", "Labels", "flights whose label is overdue; flights that wait for theirs",
          ("labels_overdue", "labels_pending"), words.number, _fixed(1000.0), names=("overdue", "pending")),
    Gauge("rules", "Rules", "share of answers from the rules in place of the model",
          ("rules_share",), words.share, _fixed(1.0), names=("rules",)),
    Gauge("money", "Money", "what the drill costs per minute: failed, slow and wrong answers, replicas, training",
          (), _per_minute, _money_axis, read=_money, names=("$ per minute",)),
)  # fmt: skip
"""In the order in which they are shown."""
BY_ID = {gauge.id: gauge for gauge in GAUGES}
