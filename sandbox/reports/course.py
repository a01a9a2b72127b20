"""The course of a drill: charts on fixed axes, a row that marks where each objective was missed, and a table of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from ..drill import Result
from ..model.scenario import Objective, Scenario
from ..model.units import format_clock, format_duration
from ..scoring.harm import harm_of
from ..scoring.record import Point
from .charts import chart, marks

WIDTH = 60
"""Columns of a chart."""
ROWS = 20
"""Most rows of the table; each stands for as many whole minutes as that takes."""

Reader = Callable[[int, Sequence[Point]], float | None]


def course(result: Result) -> str:
    """Charts over the drill, each on an axis that the scenario fixes and not the values, and the numbers behind them."""
    points = result.record.points
    ends = f"{format_clock(points[0].at)} to {format_clock(points[-1].at)}" if points else "nothing was observed"
    lines = [
        "## The course",
        "",
        f"Each line is the whole drill, {ends}; `·` is no data, and `x` marks where an objective was missed.",
        "",
        "```text",
    ]
    return "\n".join([*lines, *_charts(result), "```", "", *_table(result)])


def _charts(result: Result) -> Iterator[str]:
    scenario, points = result.scenario, result.record.points
    bound = scenario.latency_bound() or 1.0
    replicas = max(1, scenario.service.champion.replicas, scenario.service.autoscaler.maximum)
    rows: list[tuple[str, str, Reader, float]] = [
        ("traffic", "0 to 5x the usual rate", _of("request_rate"), scenario.world.traffic.rate * 5),
        ("latency p95", f"0 to {format_duration(4 * bound)}, a quarter is the bound", _of("latency_p95"), 4 * bound),
        ("errors", "0 to 100% of requests", _of("error_ratio"), 1.0),
        ("saturation", "0 to 100% of slots busy", _of("saturation"), 1.0),
        ("replicas", f"0 to {2 * replicas} ready", _of("replicas"), 2.0 * replicas),
        ("money", "$ of harm per minute, 0 to a request rate of failures", _money(result), _worst(scenario)),
    ]
    if any("quality_brier" in point.slis for point in points):
        rows.append(("Brier score", "0 to 0.5, 0 is best", _of("quality_brier"), 0.5))
    left = max(len(name) for name in (*(row[0] for row in rows), *(goal.id for goal in scenario.objectives)))
    for name, axis, read, top in rows:
        drawn = chart([read(place, points) for place in range(len(points))], top, WIDTH)
        yield f"{name:{left}} |{drawn:{WIDTH}}| {axis}"
    for goal in scenario.objectives:
        shares = [_share(goal, points[place - 1], points[place]) if place else None for place in range(len(points))]
        missed = [None if share is None else share < goal.target for share in shares]
        yield f"{goal.id:{left}} |{marks(missed, WIDTH):{WIDTH}}| x: fewer than {_wanted(goal)}"


def _table(result: Result) -> list[str]:
    """A row for so many minutes: means, the highest p95, shares of the requests in that time, dollars of harm in it."""
    scenario, points = result.scenario, result.record.points
    if len(points) < 2:  # a row needs a beginning and an end
        return ["Too little was observed for a table."]
    goals = scenario.objectives
    head = ["until", "requests/s", *(goal.id for goal in goals), "p95", "busy", "replicas", "$"]
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for first, rows in _stretches(points, 60.0 * max(1, math.ceil(scenario.duration / 60.0 / ROWS))):
        last, prices = rows[-1], scenario.world.prices
        slow = [point.slis["latency_p95"] for point in rows if "latency_p95" in point.slis]
        cells = [
            format_clock(last.at),
            _written(_mean(rows, "request_rate"), "{:,.0f}"),
            *(_verdict(goal, _share(goal, first, last)) for goal in goals),
            format_duration(round(max(slow), 3)) if slow else "-",
            _written(_mean(rows, "saturation"), "{:.0%}"),
            _written(last.slis.get("replicas"), "{:.0f}"),
            f"{harm_of(last.ledger, prices).since(harm_of(first.ledger, prices)).total:,.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    wanted = ", ".join(f"{goal.id}: {_wanted(goal)}" for goal in goals)
    return [*lines, "", f"✗: the objective was missed in that time ({wanted})."]


def _stretches(points: Sequence[Point], length: float) -> Iterator[tuple[Point, Sequence[Point]]]:
    """The points of each `length` seconds of the drill, with the point just before them."""
    start = 0
    for place in range(1, len(points)):
        if place + 1 == len(points) or points[place].at // length > points[start].at // length:
            yield points[start], points[start + 1 : place + 1]
            start = place


def _share(goal: Objective, first: Point, last: Point) -> float | None:
    """The share of good events between two observations; None without events."""
    if goal.id not in first.counts or goal.id not in last.counts:
        return None
    good, total = (last.counts[goal.id][part] - first.counts[goal.id][part] for part in (0, 1))
    return good / total if total > 0 else None


def _wanted(goal: Objective) -> str:
    return goal.wanted


def _verdict(goal: Objective, share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}" + (" ✗" if share < goal.target else "")


def _written(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _mean(points: Sequence[Point], sli: str) -> float | None:
    known = [point.slis[sli] for point in points if sli in point.slis]
    return sum(known) / len(known) if known else None


def _of(sli: str) -> Reader:
    return lambda place, points: points[place].slis.get(sli)


def _money(result: Result) -> Reader:
    """Dollars per minute between an observation and the one before."""
    prices = result.scenario.world.prices

    def read(place: int, points: Sequence[Point]) -> float | None:
        if place == 0:
            return None
        before, now = points[place - 1], points[place]
        added = harm_of(now.ledger, prices).since(harm_of(before.ledger, prices)).total
        return added / (now.at - before.at) * 60.0

    return read


def _worst(scenario: Scenario) -> float:
    """What it costs if every request at the usual rate fails, in dollars per minute."""
    return scenario.world.traffic.rate * scenario.world.prices.failed * 60.0
