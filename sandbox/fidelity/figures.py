"""What is compared of a drill: pages, verdict, and figures of stretches of it. From its journal and raw series alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..model.scenario import Scenario
from ..model.telemetry import SCRAPE_INTERVAL, Scrape
from ..monitor.catalogue import BUCKETS, CLASS
from ..monitor.promql import histogram_quantile
from ..scoring.record import Record
from ..scoring.times import times_of
from ..scoring.verdict import judge

WHOLE = "whole drill"
"""The stretch that the bands are for; the others explain a difference."""
QUANTILE = 0.95
SECONDS_PER_LE = 1e-3
"""Envoy's buckets are bounded in milliseconds."""
SLACK = 0.5 * SCRAPE_INTERVAL
"""Seconds by which an observation may come after the moment that it is of: real scrapes take their time."""

Histogram = Mapping[float, float]
"""Counts of answers that took at most so many seconds."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a drill, in seconds of drill time."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured over a stretch; None where there is no data.

    `throughput` is answered requests per second and `errors` the share of requests that failed, both of the ledger of logical
    requests, clients' retries included. `p95` is in seconds, of the answers (2xx) that the gateway gave, interpolated within the
    buckets of its histogram. `auc` is the quality monitor's last word on the champion in the stretch.
    """

    throughput: float | None = None
    p95: float | None = None
    errors: float | None = None
    auc: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A drill, reduced to what is compared. `pages` are first firings (alert, drill seconds) in order, `figures` by stretch.

    `crowd` is not compared, it explains: the mean number of processes per core that ran or waited to run while a real stack
    played; above 1 they were in each other's way. None: of no importance, or not known.
    """

    stack: str
    operator: str
    seed: int
    verdict: str
    reasons: tuple[str, ...]
    pages: tuple[tuple[str, float], ...]
    figures: Mapping[str, Figures]
    crowd: float | None = None


def stretches_of(record: Record, scenario: Scenario) -> tuple[Stretch, ...]:
    """The whole drill, and its parts: before the fault, from there to the mitigation, and the verdict window.

    Both stacks are measured over the stretches of one of them, the simulation: what is compared is the same time.
    """
    times, end = times_of(record, scenario), scenario.duration
    judged = end - scenario.verdict_window
    found = [Stretch(WHOLE, 0.0, end)]
    if times.injected is not None:
        mitigated = judged if times.mitigated is None else times.mitigated
        found += [Stretch("before the fault", 0.0, times.injected), Stretch("fault to mitigation", times.injected, mitigated)]
    found.append(Stretch("verdict window", judged, end))
    return tuple(one for one in found if one.end > one.start)


def outcome_of(
    record: Record, scenario: Scenario, scrapes: Iterable[Scrape], stretches: Sequence[Stretch], about: tuple[str, str, int]
) -> Outcome:
    """Reduce a drill.

    Args:
        record: of its journal.
        scenario: that was played.
        scrapes: its raw series, in order, from t = 0 on.
        stretches: over which figures are measured.
        about: stack, operator and seed.
    """
    judgement = judge(record, scenario)  # without an impact: only the simulation can tell one at any time
    latencies = _latencies(scrapes)
    figures = {one.name: _figures(record, latencies, one) for one in stretches}
    return Outcome(*about, judgement.verdict.value, judgement.reasons, pages_of(record), figures)


def pages_of(record: Record) -> tuple[tuple[str, float], ...]:
    """When each page first fired, in the order of firing."""
    first: dict[str, float] = {}
    for at, alert in record.alerts:
        if alert.state == "firing" and alert.labels.get("severity") == "page":
            first.setdefault(alert.name, at)
    return tuple(first.items())


def _figures(record: Record, latencies: Sequence[tuple[float, Histogram]], stretch: Stretch) -> Figures:
    points = record.points
    places = _places([point.at for point in points], stretch)
    if places is None:
        return Figures()
    first, last = places
    lasted, final = points[last].at - points[first].at, points[last].ledger
    if stretch.end >= record.until and record.ended == "finished":
        lasted, final = stretch.end - points[first].at, record.ledger  # the last one, with what was in flight at the end
    failed, slow, ok = (final[name] - points[first].ledger[name] for name in ("failed", "slow", "ok"))
    requests = failed + slow + ok
    told = (point.slis["quality_auc"] for point in reversed(points[first + 1 : last + 1]) if "quality_auc" in point.slis)
    return Figures(
        throughput=(slow + ok) / lasted if requests else None,
        p95=_p95(latencies, stretch),
        errors=failed / requests if requests else None,
        auc=next(told, None),
    )


def _places(times: Sequence[float], stretch: Stretch) -> tuple[int, int] | None:
    """Which observations a stretch begins and ends with; None where they do not cover it."""
    first, last = (bisect_right(times, at + SLACK) - 1 for at in (stretch.start, stretch.end))
    if (
        first < 0
        or last <= first
        or times[first] < stretch.start - SCRAPE_INTERVAL
        or times[last] < stretch.end - SCRAPE_INTERVAL
    ):
        return None
    return first, last


def _latencies(scrapes: Iterable[Scrape]) -> list[tuple[float, Histogram]]:
    """The answers' cumulative histogram at each scrape, since the first one, across resets of counters."""
    before: dict[tuple[tuple[str, str], ...], float] = {}
    total: dict[float, float] = {}
    found: list[tuple[float, Histogram]] = []
    for number, scrape in enumerate(scrapes):
        for series, value in zip(scrape.series, scrape.values.tolist(), strict=True):
            if series.name == BUCKETS and series.label(CLASS) == "2xx" and not math.isnan(value):
                last = before.get(series.labels, 0.0)
                bound = float(series.label("le")) * SECONDS_PER_LE
                grown = (value - last if value >= last else value) if number else 0.0
                total[bound] = total.get(bound, 0.0) + grown
                before[series.labels] = value
        found.append((scrape.at, dict(total)))
    return found


def _p95(latencies: Sequence[tuple[float, Histogram]], stretch: Stretch) -> float | None:
    places = _places([at for at, _ in latencies], stretch)
    if places is None:
        return None
    earlier, later = (latencies[place][1] for place in places)
    bounds = sorted(later)
    value = histogram_quantile(QUANTILE, bounds, [later[bound] - earlier.get(bound, 0.0) for bound in bounds])
    return value if math.isfinite(value) else None
