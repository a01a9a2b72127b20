# ruff: noqa: INP001 - a script, no package
"""Make the tables of `retraining.md` from drills and real flights: `python docs/make_retraining.py`; it takes half a minute."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drillbox.sandbox.control.gate import judge
from drillbox.sandbox.learning import snapshots, store
from drillbox.sandbox.learning.evaluation import HELD_OUT_HOURS, evaluate, held_out
from drillbox.sandbox.learning.models import quality_on
from drillbox.sandbox.learning.version import ModelVersion, Quality
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.events import Registered
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Retraining
from drillbox.sandbox.observing import BuiltInMonitor
from drillbox.sandbox.operators import Idle, Scripted
from drillbox.sandbox.scoring.harm import harm_of
from drillbox.sandbox.scoring.record import Record, record_of
from drillbox.sandbox.session import DrillSession
from drillbox.sandbox.world.cache import load_data
from drillbox.sandbox.world.calendar import minutes_of
from drillbox.sandbox.world.data import FlightData
from drillbox.sandbox.world.prices import decision_threshold
from drillbox.stacks.sim.stack import SimStack

PAGE = Path(__file__).parent / "retraining.md"
SEEDS = range(1, 6)
MATURE = 600.0
"""Calendar minutes after which labels are complete."""
DAYS = (
    dt.datetime(2013, 4, 15),
    dt.datetime(2013, 6, 24),
    dt.datetime(2013, 7, 8),
    dt.datetime(2013, 9, 12),
    *(dt.datetime(2013, 12, day) for day in (5, 9, 10, 11)),
)
"""Ends of the training window in the table of the gate."""


def june() -> Scenario:
    """The drill of the first table."""
    return load_scenario(Library.packaged().find("quiet-decay"))


def play(scenario: Scenario, seed: int, *, idle: bool = False) -> Record:
    """Play a drill with its reference, or with nobody at the controls."""
    session = DrillSession(scenario, seed, SimStack(), BuiltInMonitor(scenario))
    session.start(lambda _step, _done: None)
    session.run(Idle() if idle else Scripted(scenario.reference))
    return record_of(session.events())


def stored(version: Registered) -> ModelVersion:
    """The model of a version that was registered in a drill."""
    found = store.find(version.model)
    assert found is not None, f"{version.model} was registered, and is not in the store"  # noqa: S101  # a script
    return found


# -------------------------------------------------------------------------------------------------------------- June, five seeds


@dataclass(frozen=True)
class Recovery:
    """What a gated retrain did for one seed."""

    seed: int
    promoted: float  # drill second
    version: Registered
    before: Quality  # of the champion at the start, on the flights that leave in the verdict window
    after: Quality  # of the champion at the end, on the same flights
    seen: tuple[float, float]  # Brier score on the dashboard at the end: of the idle drill, and of this one
    idle: float  # harm in dollars
    reference: float

    @property
    def saved(self) -> float:
        """Dollars."""
        return self.idle - self.reference


def recovery(scenario: Scenario, data: FlightData, seed: int) -> Recovery:
    """Play a seed twice."""
    record, idle = play(scenario, seed), play(scenario, seed, idle=True)
    versions = {body.version: body for _, body in record.versions}
    at, change = next((at, change) for at, change in record.changes if change.field == "champion.version")
    window = (scenario.calendar(scenario.duration - scenario.verdict_window), scenario.calendar(scenario.duration))
    before, after = (quality_on(stored(versions[str(name)]), data, *window) for name in (change.before, change.after))
    seen = (idle.points[-1].slis["quality_brier"], record.points[-1].slis["quality_brier"])
    harms = [harm_of(one.ledger, scenario.world.prices).total for one in (idle, record)]
    return Recovery(seed, at, versions[str(change.after)], before, after, seen, *harms)


def recoveries() -> list[Recovery]:
    """All seeds."""
    scenario, data = june(), load_data()
    return [recovery(scenario, data, seed) for seed in SEEDS]


def june_table(found: Sequence[Recovery]) -> str:
    """Before and after, by seed."""
    rows = [
        [
            str(one.seed),
            f"{int(one.promoted) // 60}:{int(one.promoted) % 60:02d}",
            f"{one.before.auc:.3f} → {one.after.auc:.3f}",
            f"{one.before.brier:.3f} → {one.after.brier:.3f}",
            f"{one.seen[0]:.3f} → {one.seen[1]:.3f}",
            f"${one.idle:,.0f}",
            f"${one.reference:,.0f}",
            f"${one.saved:,.0f}",
        ]
        for one in found
    ]
    heads = ["seed", "promoted at", "AUC", "Brier score", "Brier score on the dashboard", "harm idle", "reference", "saved"]
    return markdown(heads, rows)


# ------------------------------------------------------------------------------------------------------- the gate on real flights


def gate_table(days: Sequence[dt.datetime] = DAYS) -> str:
    """What the gate says of candidates of the six weeks before a day, against the winter's champion, on the two days after."""
    scenario, data, loop = june(), load_data(), Retraining()
    threshold = decision_threshold(scenario.world.prices)
    champion = snapshots.train(snapshots.take(data, dt.datetime(2013, 1, 1), dt.datetime(2013, 3, 1)), threshold)
    rows = []
    for day in days:
        candidate = snapshots.train(snapshots.take(data, day - dt.timedelta(days=loop.days), day), threshold)
        start, end = minutes_of(day), minutes_of(day) + HELD_OUT_HOURS * 60.0
        found = evaluate(data, held_out(data, start, end, end + MATURE), candidate, champion)
        verdict = judge(found.overall, found.slices, loop.margin)
        said = "yes" if verdict.passed else f"no: {_objection(verdict.reason)}"
        scores = [f"{score:.3f}" for score in (found.overall.champion, found.overall.candidate)]
        rows.append([f"{day.day} {day:%B}", f"{found.overall.flights:,}", *scores, said])
    return markdown(["trained until", "flights", "champion", "candidate", "the gate says"], rows)


def _objection(reason: str) -> str:
    """The last part of a refusal: the scores before it are in the table."""
    return reason.rpartition(", but " if ", but " in reason else ": ")[2]


# ---------------------------------------------------------------------------------------------------------------------- lineage


def lineage_table(record: Record, scenario: Scenario) -> str:
    """What the journal of a drill tells of its versions."""
    serving: Mapping[str, float] = {
        scenario.service.champion.version: 0.0,
        **{str(change.after): at for at, change in record.changes if change.field == "champion.version"},
    }
    rows = []
    for at, one in record.versions:
        start, until = (dt.datetime.fromisoformat(moment) for moment in (one.train_from, one.train_until))
        since = f"{serving[one.version] / 60.0:.1f} min" if one.version in serving else "never"
        window = f"{start:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
        registered = f"{at / 60.0:.1f} min" if at else "-"
        rows.append([one.version, window, f"{one.flights:,}", f"`{one.data_hash[:12]}`", one.why, registered, since])
    heads = ["version", "training window", "flights", "data", "why there is such a version", "registered", "serves from"]
    return markdown(heads, rows)


# ---------------------------------------------------------------------------------------------------------------------- the page


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def tables(found: Sequence[Recovery], record: Record) -> dict[str, str]:
    """All tables of the page by name."""
    return {"june": june_table(found), "gate": gate_table(), "lineage": lineage_table(record, june())}


def with_tables(page: str, made: Mapping[str, str]) -> str:
    """The page with the tables in their places.

    Raises:
        ValueError: the page has no place for one.
    """
    for name, text in made.items():
        begin, end = f"<!-- {name}: made by make_retraining.py -->\n", f"<!-- end of {name} -->\n"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{PAGE.name} has no place for the table {name!r}")
        page = f"{before}{begin}\n{text}\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), tables(recoveries(), play(june(), SEEDS[0]))), encoding="utf-8")
