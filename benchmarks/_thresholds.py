"""How the alerts on data, drift and quality behave on real flights: the figures of docs/quality.md, as its tables.

30 starts between 1 March and 10 December 2013 are drawn from a seed. At each, a model is trained on the six weeks before, and
serves for 48 calendar hours, as in a drill: every hour each flight that leaves within six hours is asked about with the weather
known then. The same again with faults in the features, for 24 hours. Every hour the health of the model is evaluated, with labels
that have come by then. Nothing here knows of alerts: the tables say how far each statistic went. It takes two minutes.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drillbox.sandbox.learning import drift, references, training
from drillbox.sandbox.learning.health import brier
from drillbox.sandbox.learning.version import Lineage, ModelVersion
from drillbox.sandbox.learning.windows import Health, HealthWindow, Spans
from drillbox.sandbox.model.features import METRIC, ONLINE
from drillbox.sandbox.world.cache import load_data
from drillbox.sandbox.world.calendar import minutes_of, moment_of
from drillbox.sandbox.world.data import FEATURES, FLIGHT_FEATURES, FlightData, Rows, known_hour
from drillbox.sandbox.world.draws import candidates

Floats = NDArray[np.float64]
Feature = Callable[[FlightData, Rows, Floats, int], Floats]

SEED, STARTS = 20130301, 30
BETWEEN = (dt.datetime(2013, 3, 1), dt.datetime(2013, 12, 10))
SIX_WEEKS = dt.timedelta(days=42)
HOURS, FAULTY_HOURS = 48, 24
V = "champion"


def metric(*names: str) -> Feature:
    """Features that arrive in metric units."""

    def change(_data: FlightData, _rows: Rows, matrix: Floats, _start: int) -> Floats:
        for name in names:
            factor, offset = METRIC[name]
            matrix[:, FEATURES.index(name)] = matrix[:, FEATURES.index(name)] * factor + offset
        return matrix

    return change


def missing(_data: FlightData, _rows: Rows, matrix: Floats, _start: int) -> Floats:
    """No weather at all."""
    matrix[:, len(FLIGHT_FEATURES) :] = np.nan
    return matrix


def stalled(data: FlightData, rows: Rows, _matrix: Floats, start: int) -> Floats:
    """The weather that was known at the start."""
    return data.features(rows, np.full(len(rows), start // 60 - 1))


FAULTS: dict[str, Feature] = {
    "all in metric units": metric(*METRIC),
    "`temp` in °C": metric("temp"),
    "`dewp` in °C": metric("dewp"),
    "`visib` in km": metric("visib"),
    "`wind_speed` in km/h": metric("wind_speed"),
    "no weather": missing,
    "stale weather": stalled,
}


@dataclass
class Course:
    """Health at the start and at every hour after it, and what was answered in the first day after the start."""

    hours: list[Health] = field(default_factory=list)
    wider: list[Health] = field(default_factory=list)  # with a quality window of 48 hours
    brier: float = float("nan")

    def worst(self, statistic: str, names: Sequence[str] = ONLINE, usual: Floats | None = None) -> float:
        """The largest value of a statistic of any feature at any hour."""
        return float(np.nanmax([self.at(hour, statistic, names, usual) for hour in range(len(self.hours))]))

    def at(self, hour: int, statistic: str, names: Sequence[str] = ONLINE, usual: Floats | None = None) -> float:
        """Its largest value of any feature at an hour."""
        found = self.hours[hour].drift
        if found is None:
            return float("nan")
        by = np.ones(len(FEATURES)) if usual is None else usual
        values = [getattr(found.features[name], statistic) / by[FEATURES.index(name)] for name in names]
        return float(np.nanmax(values)) if not np.all(np.isnan(values)) else float("nan")


class Start:
    """One start: its model, its reference, and the courses from it."""

    def __init__(self, data: FlightData, moment: dt.datetime) -> None:
        self.data, self.moment, self.minute = data, moment, int(minutes_of(moment))
        lineage = Lineage(data.data_hash, "thresholds", moment - SIX_WEEKS, moment, 0.25, 60)
        self.model, self.quality, _ = training.fit(data, lineage)
        window = (lineage.train_from, lineage.train_until)
        version = ModelVersion(V, lineage.data_hash, lineage.code_version, *window, 0.25, self.quality, {}, "")
        self.reference = references.build(version, data, self.model)
        self.healthy = self.play(None, HOURS)

    def play(self, fault: Feature | None, hours: int) -> Course:
        """Serve, label and evaluate."""
        data, start, reach = self.data, self.minute, 58 * 60
        rows = data.departing(start - reach - 1, start + (hours + 12) * 60)
        windows = [HealthWindow(data, int(rows[0]), int(rows[-1]) + 1, Spans(quality_hours=span)) for span in (24.0, 48.0)]
        past = data.departing(start - reach, start)
        asked = data.departure[past] - 180.0
        self._answer(windows, past, asked, data.features(past, np.floor(asked / 60.0).astype(np.int32) - 1))
        course = Course()
        for now in range(start, start + hours * 60 + 1, 60):
            first, count = (int(one[0]) for one in candidates(data, np.array([now])))
            ahead = np.arange(first, first + count, dtype=np.int32)
            matrix = data.features(ahead, np.full(count, now // 60 - 1))
            served = matrix if fault is None else fault(data, ahead, matrix, start)
            self._answer(windows, ahead, np.full(count, float(now)), served)
            landed = rows[data.known_at[rows] <= now]
            for window, into in zip(windows, (course.hours, course.wider), strict=True):
                window.labelled(landed, data.label[landed])
                into.append(window.evaluate(V, float(now), self.reference))
        flights, _, scores = windows[0].recent(V, start + hours * 60.0)
        day = (data.departure[flights] >= start) & (data.departure[flights] < start + 1440)
        course.brier = brier(scores[day], data.label[flights[day]]) if fault or hours == FAULTY_HOURS else float("nan")
        return course

    def _answer(self, windows: Sequence[HealthWindow], rows: Rows, times: Floats, matrix: Floats) -> None:
        scores = training.score(self.model, matrix)
        for window in windows:
            window.answered(V, times, rows, matrix, scores)


def spread(values: Sequence[float]) -> str:
    """The middle one, the third largest, and the largest."""
    ordered = sorted(values)
    return f"{np.median(ordered):.2f} | {ordered[-3]:.2f} | {ordered[-1]:.2f}"


def without_fault(starts: Sequence[Start]) -> None:
    """The largest values within 48 hours."""
    print("\n| no fault, the worst of 48 hours | middle start | third worst | worst |\n|---|---|---|---|")
    for name in FEATURES:
        print(f"| PSI of `{name}` | {spread([start.healthy.worst('psi', [name]) for start in starts])} |")
    ratios = [start.healthy.worst("psi", ONLINE, start.reference.usual) for start in starts]
    print(f"| PSI of weather over `usual` | {spread(ratios)} |")
    print(f"| KS of weather | {spread([start.healthy.worst('ks') for start in starts])} |")
    print(f"| share out of range | {spread([start.healthy.worst('outside') for start in starts])} |")
    print(f"| missing beyond `usual_nulls` | {spread([max(0.0, start.healthy.worst('null_excess')) for start in starts])} |")
    psis = [max(one.drift.prediction_psi for one in start.healthy.hours if one.drift) for start in starts]
    print(f"| PSI of scores | {spread(psis)} |")
    for hours in (24, 48):
        found = [[one.quality for one in (start.healthy.hours if hours == 24 else start.healthy.wider)] for start in starts]
        print(f"| Brier score, {hours} h | {spread([max(one.brier for one in each if one) for each in found])} |")
        aucs = [-min(one.auc for one in each if one and one.auc is not None) for each in found]
        print(f"| AUC, {hours} h, the lowest | {spread(aucs).replace('-', '')} |")
    counts = [one.maturity for start in starts for one in start.healthy.hours]
    ends = (min(one.matured for one in counts), max(one.pending for one in counts), max(one.overdue for one in counts))
    print("\nmatured: at least {}; pending: at most {}; overdue: at most {}\n".format(*ends))
    briers = [max(one.quality.brier for one in start.healthy.hours if one.quality) for start in starts]
    for limit in (1.0, 1.5, 2.0, 2.5, 3.0):
        print(f"PSI over usual above {limit}: {sum(ratio > limit for ratio in ratios)} starts")
    for limit in (0.22, 0.24, 0.26, 0.28, 0.30):
        print(f"Brier score of 24 h above {limit}: {sum(one > limit for one in briers)} starts")


def with_faults(starts: Sequence[Start]) -> None:
    """Values 1, 3 and 6 hours after the fault; the cost of it."""
    plain = [start.play(None, FAULTY_HOURS).brier for start in starts]
    print("\n| fault | out of range after 1, 3, 6 h: lowest, middle | missing | PSI over usual, 6 h | Brier score of a day |")
    print("|---|---|---|---|---|")
    for name, fault in FAULTS.items():
        courses = [start.play(fault, FAULTY_HOURS) for start in starts]
        cells = []
        for statistic in ("outside", "null_excess"):
            values = np.array([[max(0.0, course.at(hour, statistic)) for hour in (1, 3, 6)] for course in courses])
            cells.append(
                ", ".join(f"{low:.2f} {mid:.2f}" for low, mid in zip(values.min(axis=0), np.median(values, axis=0), strict=True))
            )
        ratios = [course.at(6, "psi", ONLINE, start.reference.usual) for course, start in zip(courses, starts, strict=True)]
        change = np.array([course.brier for course in courses]) - plain
        worst = starts[int(np.argmax(change))].moment
        costs = f"{np.median(change):+.3f}, at most {change.max():+.3f} ({worst:%d %B})"
        print(f"| {name} | {cells[0]} | {cells[1]} | {np.median(ratios):.1f} | {costs} |")


def conditional(starts: Sequence[Start]) -> None:
    """References for weather that are nearer than six weeks: how often does a change of units stand out six hours after it?"""
    print("\n| PSI of `temp` | no fault, worst of 48 h: middle start | in °C for 6 h: middle start | above the worst without |")
    print("|---|---|---|---|")
    options: dict[str, tuple[int, int, bool]] = {
        "six weeks, window 24 h": (42, 24, False),
        "six weeks, window 6 h": (42, 6, False),
        "six weeks, same hours, window 6 h": (42, 6, True),
        "the last 14 days, window 24 h": (14, 24, False),
        "the last 3 days, window 24 h": (3, 24, False),
    }
    for name, (days, hours, same_hours) in options.items():
        calm, hot = [], []
        for start in starts:
            known = start.data.departing(start.minute - days * 1440, start.minute)
            values = [_psi(start, known, hour, hours, same_hours, metric_since=None) for hour in range(0, 49, 3)]
            calm.append(np.nanmax(values))
            hot.append(_psi(start, known, 6, hours, same_hours, metric_since=start.minute))
        above = np.mean(np.array(hot) > np.array(calm))
        print(f"| {name} | {np.median(calm):.1f} | {np.nanmedian(hot):.1f} | {above:.0%} |")


def _psi(start: Start, known: Rows, hour: int, hours: int, same_hours: bool, metric_since: int | None) -> float:
    data, now = start.data, start.minute + hour * 60
    rows = data.departing(now - hours * 60, now + 360)
    column = FEATURES.index("temp") - len(FLIGHT_FEATURES)
    if same_hours:
        known = known[np.isin(data.hour[known], np.unique(data.hour[rows]))]
    then, values = (data.weather[data.origin[each], data.departure[each] // 60, column] for each in (known, rows))
    if metric_since is not None:
        factor, offset = METRIC["temp"]
        values = np.where(data.departure[rows] >= metric_since, values * factor + offset, values)
    return drift.distribution(then).psi(values) if len(known) and len(rows) >= 20 else float("nan")


def gaps(starts: Sequence[Start]) -> None:
    """Starts where data alerts would have had something to say, and for how many hours."""
    print("\n| start | hours with more than 0.5 missing beyond usual | hours with more than 0.3 out of range |\n|---|---|---|")
    for start in starts:
        course = start.healthy
        missed = sum(course.at(hour, "null_excess") > 0.5 for hour in range(len(course.hours)))
        outside = sum(course.at(hour, "outside") > 0.3 for hour in range(len(course.hours)))
        if missed or outside:
            print(f"| {start.moment:%d %B %H:%M} | {missed} | {outside} |")


def fresh_and_stale(data: FlightData) -> None:
    """A model of the six weeks before against that of January and February, on windows of 24 hours, every 6 hours."""
    print("\n| dates | fresh | stale | halfway | fresh windows within | stale windows within |\n|---|---|---|---|---|---|")
    for first, last in (((6, 22), (7, 2)), ((7, 8), (7, 15)), ((9, 10), (9, 25))):
        begin, end = dt.datetime(2013, *first), dt.datetime(2013, *last)
        rows = data.departing(minutes_of(begin), minutes_of(end))
        matrix, departure = data.features(rows, known_hour(data.departure[rows] - 60.0)), data.departure[rows]
        days = [(at, at + 1440) for at in range(int(minutes_of(begin)), int(minutes_of(end)) - 1440 + 1, 360)]
        errors = [(training.score(model, matrix) - data.label[rows]) ** 2 for model in _pair(data, begin)]
        fresh, stale = (float(np.mean(wrong)) for wrong in errors)
        within = []
        for wrong in errors:
            by_day = [float(np.mean(wrong[(departure >= since) & (departure < until)])) for since, until in days]
            within.append(f"{np.mean(np.array(by_day) <= (fresh + stale) / 2.0):.0%}")
        print(
            f"| {begin:%d %B} to {end:%d %B} | {fresh:.3f} | {stale:.3f} | {(fresh + stale) / 2.0:.3f} | {' | '.join(within)} |"
        )


def _pair(data: FlightData, begin: dt.datetime) -> list[training.Classifier]:
    """A fresh model and that of the winter."""
    windows = ((begin - SIX_WEEKS, begin), (dt.datetime(2013, 1, 1), dt.datetime(2013, 3, 1)))
    return [training.fit(data, Lineage(data.data_hash, "thresholds", *window, 0.25, 60))[0] for window in windows]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED)
    seed = parser.parse_args().seed
    data = load_data()
    first, last = (minutes_of(moment) for moment in BETWEEN)
    hours = np.sort(np.floor(np.random.default_rng(seed).uniform(first, last, STARTS) / 60.0))
    starts = [Start(data, moment_of(hour * 60.0)) for hour in hours]
    without_fault(starts)
    with_faults(starts)
    conditional(starts)
    gaps(starts)
    fresh_and_stale(data)


if __name__ == "__main__":
    main()
