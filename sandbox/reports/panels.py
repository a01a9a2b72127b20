"""What is charted of a drill: panels on axes that the scenario fixes, with the drill itself, idle and reference in each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..drill import Result
from ..model.units import format_duration
from ..scoring.harm import harm_of
from ..scoring.record import Record

Curve = tuple[tuple[float, float | None], ...]
"""(drill second, value); None where there is no data."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart. `top` is the end of its axis in its unit, `limit` where an objective's line is drawn; `curves` are by who."""

    title: str
    note: str
    top: float
    write: Callable[[float], str]
    curves: tuple[tuple[str, Curve], ...]
    limit: float | None = None
    limit_note: str = ""
    bottom: float = 0.0


YOU, IDLE, REFERENCE, WANTED = "you", "idle", "reference", "wanted"


def panels(result: Result) -> tuple[Panel, ...]:
    """The panels of a drill. Those of the model's health are there if the drill has data for them."""
    return (*_service(result), *_money(result), *_health(result))


def _service(result: Result) -> Iterator[Panel]:
    scenario = result.scenario
    bound = scenario.latency_bound()
    rate = scenario.world.traffic.rate
    yield Panel("Traffic", "requests per second at the gateway", 5.0 * rate, _plain, _all(result, "request_rate"))
    yield Panel("Errors", "share of requests that failed or were refused", 1.0, _percent, _all(result, "error_ratio"))
    yield Panel(
        "Latency",
        "95th percentile of the time to an answer",
        4.0 * (bound or 1.0),
        _seconds,
        _all(result, "latency_p95"),
        bound,
        f"bound {format_duration(bound)}" if bound is not None else "",
    )
    most = 2.0 * max(1, scenario.service.champion.replicas, scenario.service.autoscaler.maximum)
    wanted = (WANTED, _curve(result.record, "replicas_wanted"))
    yield Panel("Replicas", "ready; thin: wanted", most, _plain, (*_all(result, "replicas"), wanted))


def _money(result: Result) -> Iterator[Panel]:
    """Axes end a quarter beyond what idle and reference cost, where these are known: they belong to the scenario and seed."""
    scenario = result.scenario
    prices = scenario.world.prices
    worst = scenario.world.traffic.rate * prices.failed * 60.0
    rates = {who: _per_minute(record, result) for who, record in _records(result)}
    top = _beyond([rates[who] for who in rates if who != YOU], worst)
    yield Panel("Harm per minute", "dollars", top, _dollars, tuple(rates.items()))
    sums = {
        who: tuple((point.at, harm_of(point.ledger, prices).total) for point in record.points) for who, record in _records(result)
    }
    top = _beyond([sums[who] for who in sums if who != YOU], worst * scenario.duration / 60.0)
    yield Panel("Harm so far", "dollars", top, _dollars, tuple(sums.items()))


def _beyond(curves: Sequence[Curve], otherwise: float) -> float:
    """A round number at least a quarter beyond the curves."""
    highest = max((value for curve in curves for _, value in curve if value is not None), default=0.0)
    wanted = 1.25 * highest if highest > 0 else otherwise
    unit = 10.0 ** math.floor(math.log10(wanted)) / 2.0
    return math.ceil(wanted / unit) * unit


def _health(result: Result) -> Iterator[Panel]:
    """The model's health, where it is part of what the drill is about."""
    limit = next((goal.brier for goal in result.scenario.objectives if goal.brier is not None), None)
    if limit is None:
        return
    told = f"objective {limit:g}"
    yield Panel(
        "Brier score", "flights whose labels have come; 0 is best", 0.5, _score, _all(result, "quality_brier"), limit, told
    )
    yield Panel("AUC", "from 0.5, no better than chance, to 1", 1.0, _score, _all(result, "quality_auc"), bottom=0.5)
    drift = "PSI of the worst feature over the largest of any training day"
    yield Panel("Drift", drift, 5.0, _score, _all(result, "drift"), 1.0, "as in training")
    yield Panel("Out of range", "share of values unknown to training, worst feature", 1.0, _percent, _all(result, "out_of_range"))
    ages = _scaled(result, "feature_freshness", 3600.0)
    yield Panel("Freshness", "age of the oldest feature in use, calendar hours", 12.0, _plain, ages)


def _records(result: Result) -> tuple[tuple[str, Record], ...]:
    """The drill last, so that it is drawn on top."""
    known = result.baselines
    others = ((IDLE, known.idle), (REFERENCE, known.reference)) if known is not None else ()
    return (*others, (YOU, result.record))


def _all(result: Result, sli: str) -> tuple[tuple[str, Curve], ...]:
    return tuple((who, _curve(record, sli)) for who, record in _records(result))


def _scaled(result: Result, sli: str, unit: float) -> tuple[tuple[str, Curve], ...]:
    return tuple(
        (who, tuple((at, None if value is None else value / unit) for at, value in curve)) for who, curve in _all(result, sli)
    )


def _curve(record: Record, sli: str) -> Curve:
    return tuple((point.at, point.slis.get(sli)) for point in record.points)


def _per_minute(record: Record, result: Result) -> Curve:
    """Harm between two observations, smoothed over some 30 s: requests in flight come in bursts."""
    prices = result.scenario.world.prices
    totals = [(point.at, harm_of(point.ledger, prices).total) for point in record.points]
    return tuple((later[0], (later[1] - earlier[1]) / (later[0] - earlier[0]) * 60.0) for earlier, later in _spans(totals, 30.0))


def _spans(points: Sequence[tuple[float, float]], length: float) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """Each point with the one some seconds before it."""
    first = 0
    for place, point in enumerate(points):
        while first + 1 < place and points[first + 1][0] <= point[0] - length:
            first += 1
        if place > first:
            yield points[first], point


def clipped(curve: Curve, top: float) -> Iterator[tuple[float, float]]:
    """Stretches of time in which a curve is beyond its axis."""
    for (start, before), (end, value) in pairwise(curve):
        if value is not None and value > top and before is not None:
            yield start, end


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _seconds(value: float) -> str:
    return format_duration(round(value, 3)) if value else "0"


def _dollars(value: float) -> str:
    return f"${value:,.0f}"


def _score(value: float) -> str:
    return f"{value:g}"
