"""What is charted of a drill: panels on axes that the scenario fixes, with the drill itself, idle and reference in each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..drill import Result
from ..model.scenario import Scenario
from ..model.units import format_duration, format_share
from ..scoring.harm import harm_of
from ..scoring.record import Point, Record

Curve = tuple[tuple[float, float | None], ...]
"""(drill second, value); None where there is no data."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart. `top` is the end of its axis in its unit, `limit` where an objective's line is drawn; `curves` are by who.

    `summed`: the curves only grow, so that their ends sum them up, where others are summed up by their means.
    """

    title: str
    note: str
    top: float
    write: Callable[[float], str]
    curves: tuple[tuple[str, Curve], ...]
    limit: float | None = None
    limit_note: str = ""
    bottom: float = 0.0
    summed: bool = False


YOU, IDLE, REFERENCE, WANTED = "you", "idle", "reference", "wanted"


def panels(result: Result) -> tuple[Panel, ...]:
    """The panels of the service and of the money."""
    return (*_service(result), *_money(result))


def health_panels(result: Result) -> tuple[Panel, ...]:
    """The panels of the model's health: those for which the drill has data."""
    return tuple(panel for panel in _health(result) if any(value is not None for _, curve in panel.curves for _, value in curve))


def is_about_health(result: Result) -> bool:
    """Whether an objective asks for the model's quality."""
    return any(goal.brier is not None for goal in result.scenario.objectives)


def _service(result: Result) -> Iterator[Panel]:
    scenario = result.scenario
    bound = scenario.latency_bound()
    rate = scenario.world.traffic.rate
    yield Panel("Traffic", "requests per second at the gateway", 6.0 * rate, _plain, _all(result, "request_rate"))
    most = next((1.0 - goal.target for goal in scenario.objectives if goal.sli == "availability"), None)
    yield Panel(
        "Errors",
        "share of requests that failed or were refused",
        1.0,
        _percent,
        _all(result, "error_ratio"),
        most,
        f"at most {format_share(round(most, 6))}" if most is not None else "",
    )
    yield Panel(
        "Latency",
        "95th percentile of the time to an answer",
        4.0 * (bound or 1.0),
        _seconds,
        _all(result, "latency_p95"),
        bound,
        f"at most {format_duration(bound)}" if bound is not None else "",
    )
    wanted = (WANTED, _curve(result.record, "replicas_wanted"))
    yield Panel("Replicas", "ready to answer", _most_replicas(result.scenario), _plain, (wanted, *_all(result, "replicas")))


def _most_replicas(scenario: Scenario) -> float:
    """A round number beyond what the service may have and what the reference asks for."""
    asked = [step.params.get(name) for step in scenario.reference.steps for name in ("replicas", "minimum", "maximum")]
    known = [float(one) for one in asked if isinstance(one, int | float)]
    service = scenario.service
    return _round(1.2 * max([2.0, service.champion.replicas, service.autoscaler.maximum, *known]), 2.0)


def _money(result: Result) -> Iterator[Panel]:
    """Axes end a quarter beyond what idle and reference cost, where these are known: they belong to the scenario and seed."""
    scenario = result.scenario
    prices = scenario.world.prices
    worst = scenario.world.traffic.rate * prices.failed * 60.0
    rates = {who: _per_minute(record, result) for who, record in _records(result)}
    top = _beyond([rates[who] for who in rates if who != YOU], worst)
    yield Panel("Harm per minute", "dollars", top, _dollars, tuple(rates.items()))
    sums = {who: tuple(_so_far(record, result)) for who, record in _records(result)}
    top = _beyond([sums[who] for who in sums if who != YOU], worst * scenario.duration / 60.0)
    yield Panel("Harm so far", "dollars", top, _dollars, tuple(sums.items()), summed=True)


def _so_far(record: Record, result: Result) -> Iterator[tuple[float, float]]:
    """Harm up to each observation, and at last with what was settled after it."""
    prices = result.scenario.world.prices
    yield from ((point.at, harm_of(point.ledger, prices).total) for point in record.points)
    if record.points:
        yield record.until, harm_of(record.ledger, prices).total


def _beyond(curves: Sequence[Curve], otherwise: float) -> float:
    """A round number at least a quarter beyond the curves."""
    highest = max((value for curve in curves for _, value in curve if value is not None), default=0.0)
    wanted = 1.25 * highest if highest > 0 else otherwise
    return _round(wanted, 10.0 ** math.floor(math.log10(wanted)) / 2.0)


def _round(value: float, unit: float) -> float:
    return math.ceil(value / unit - 1e-9) * unit


def _health(result: Result) -> Iterator[Panel]:
    limit = next((goal.brier for goal in result.scenario.objectives if goal.brier is not None), None)
    told = f"at most {limit:g}" if limit is not None else ""
    yield Panel("Brier score", "where labels are known; 0 is best", 0.5, _score, _all(result, "quality_brier"), limit, told)
    yield Panel("AUC", "from 0.5, no better than chance, to 1", 1.0, _score, _all(result, "quality_auc"), bottom=0.5)
    drift = "PSI of the worst feature; 1 is the largest of any training day"
    yield Panel("Drift", drift, 5.0, _score, _all(result, "drift"), 1.0, "as in training")
    nulls = "share of missing values beyond training, worst feature"
    yield Panel("Missing values", nulls, 1.0, _percent, _all(result, "null_rate"))
    beyond = "share of values unknown to training, worst feature"
    yield Panel("Out of range", beyond, 1.0, _percent, _all(result, "out_of_range"))
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
    return tuple((point.at, _finite(point, sli)) for point in record.points)


def _finite(point: Point, sli: str) -> float | None:
    value = point.slis.get(sli)
    return value if value is not None and math.isfinite(value) else None


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


def clipped(curve: Curve, panel: Panel) -> list[tuple[float, float, bool]]:
    """Stretches of time in which a curve is beyond its panel's axis: from, to, and whether above it."""
    found: list[tuple[float, float, bool]] = []
    for (start, before), (end, value) in pairwise(curve):
        if value is None or before is None or panel.bottom <= value <= panel.top:
            continue
        above = value > panel.top
        goes_on = bool(found) and found[-1][1:] == (start, above)
        found.append((found.pop()[0] if goes_on else start, end, above))
    return found


def summary(panel: Panel, curve: Curve, start: float, end: float) -> float | None:
    """What sums a curve up: its last value, or its mean between two moments of the drill. None without data."""
    known = [(at, value) for at, value in curve if value is not None]
    if panel.summed:
        return known[-1][1] if known else None
    within = [value for at, value in known if start <= at <= end]
    return math.fsum(within) / len(within) if within else None


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or round(value, 1) == int(value) else f"{value:.1f}"


def _percent(value: float) -> str:
    return f"{value:.0%}" if value >= 0.0995 or round(value, 3) == 0 else f"{value:.1%}"


def _seconds(value: float) -> str:
    return format_duration(round(value, 3)) if value else "0"


def _dollars(value: float) -> str:
    return f"${value:,.0f}"


def _score(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
