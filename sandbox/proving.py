"""A scenario proves itself: healthy passes, the fault breaks it, idling fails, the reference wins, wrong moves lose."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .gamers import gamers
from .model.scenario import Scenario
from .monitor.objectives import alert_name
from .monitor.thresholds import threshold_alerts
from .operators import Idle, Operator, Scripted
from .scoring.expectations import first_firings, unmet
from .scoring.harm import Harm, harm_of
from .scoring.impact import PASSING, PASSING_CONTROL, control_impact, impact
from .scoring.record import Record
from .scoring.verdict import Judgement, Verdict, judge

LEAST_GAP = 0.05
"""idle - reference, as a share of the healthy harm, that is worth a drill."""

Play = Callable[[Scenario, Operator], Record]
"""Plays a drill of a scenario with an operator to its end."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a scenario has to show."""

    name: str
    held: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Proof:
    """All checks of one scenario, profile and seed. `harms` are in dollars, `impacts` in points, by operator."""

    scenario: str
    profile: str
    seed: int
    checks: tuple[Check, ...]
    harms: dict[str, float]
    impacts: dict[str, float]

    @property
    def held(self) -> bool:
        """Whether every check held."""
        return all(check.held for check in self.checks)


@dataclass(frozen=True, slots=True)
class _Run:
    record: Record
    harm: Harm


def prove(scenario: Scenario, seed: int, play: Play) -> Proof:
    """Check a scenario for one seed; `play` uses that seed."""
    return _Prover(scenario, play).proof(seed)


class _Prover:
    """Plays each operator once, and checks."""

    def __init__(self, scenario: Scenario, play: Play) -> None:
        self._scenario = scenario
        self._play = play
        self._runs: dict[str, _Run] = {}
        self._impacts: dict[str, float] = {}

    def proof(self, seed: int) -> Proof:
        scenario = self._scenario
        self._run("healthy", dataclasses.replace(scenario, timeline=()), Idle())
        self._run("idle", scenario, Idle())
        self._run("reference", scenario, Scripted(scenario.reference))
        losers: list[Operator] = [Scripted(book) for book in scenario.tempting]
        calling = [alert_name(goal) for goal in scenario.objectives]
        if scenario.control:  # nothing pages there: its false alarm is a ticket
            calling += [rule.name for rule in threshold_alerts()]
        losers += gamers(scenario, calling)
        for operator in losers:
            self._run(operator.name, scenario, operator)
        names = [operator.name for operator in losers]
        checks = tuple(self._control(names) if scenario.control else self._incident(names))
        harms = {name: run.harm.total for name, run in self._runs.items()}
        return Proof(scenario.id, scenario.profile, seed, checks, harms, dict(self._impacts))

    def _run(self, name: str, scenario: Scenario, operator: Operator) -> None:
        record = self._play(scenario, operator)
        self._runs[name] = _Run(record, harm_of(record.ledger, scenario.world.prices))

    def _incident(self, losers: list[str]) -> Iterator[Check]:
        scenario, harms = self._scenario, {name: run.harm.total for name, run in self._runs.items()}
        for name in self._runs:
            points = impact(harms[name], harms["idle"], harms["reference"])
            if points is not None:
                self._impacts[name] = points
        yield self._passes("healthy", scored=False)
        yield self._breaks()
        yield self._fails("idle", limit=None)
        yield self._passes("reference", scored=True)
        gap = (harms["idle"] - harms["reference"]) / harms["healthy"]
        yield Check("worth it", gap >= LEAST_GAP, f"idle - reference is {gap:.1%} of the healthy harm, {LEAST_GAP:.0%} is needed")
        yield from self._alerts()
        for name in losers:
            if name == scenario.also_right:
                yield Check(f"{name} is also right", True, scenario.also_right_because.strip())
            else:
                yield self._fails(name, limit=PASSING)

    def _control(self, losers: list[str]) -> Iterator[Check]:
        harms = {name: run.harm.total for name, run in self._runs.items()}
        worst = max((harms[book.id] for book in self._scenario.tempting), default=harms["idle"])
        for name in self._runs:
            points = control_impact(harms[name], harms["idle"], worst)
            if points is not None:
                self._impacts[name] = points
        for name in ("healthy", "idle", "reference"):
            yield self._passes(name, scored=name != "healthy")
        yield from self._alerts()
        for name in losers:
            points = self._impacts.get(name)
            detail = "no impact is known: no tempting runbook does harm" if points is None else f"impact {points:.0f}"
            yield Check(f"{name} loses", points is not None and points < PASSING_CONTROL, detail)

    def _judge(self, name: str, *, scored: bool) -> Judgement:
        return judge(self._runs[name].record, self._scenario, self._impacts.get(name) if scored else None)

    def _passes(self, name: str, *, scored: bool) -> Check:
        judgement = self._judge(name, scored=scored)
        return Check(f"{name} passes", judgement.verdict is Verdict.PASSED, "; ".join(judgement.reasons) or "every objective met")

    def _fails(self, name: str, limit: float | None) -> Check:
        judgement, points = self._judge(name, scored=True), self._impacts.get(name)
        if limit is None:
            held = judgement.verdict is Verdict.FAILED
        else:  # who answers nobody leaves nothing to judge the model by: no data is no pass
            held = judgement.verdict in {Verdict.FAILED, Verdict.NO_DATA} and points is not None and points < limit
        shown = "impact unknown" if points is None else f"impact {points:.0f}"
        return Check(
            f"{name} fails", held, f"{judgement.verdict.value}, {shown}: {'; '.join(judgement.reasons) or 'every objective met'}"
        )

    def _breaks(self) -> Check:
        """The fault breaks an objective: its alert fires, and without the fault it does not, or the objective is met at last."""
        fired = {name: set(first_firings(self._runs[name].record)) for name in ("healthy", "idle")}
        broken = {name for name in fired["idle"] if name.endswith("BurnRate")}
        missed = {name: {one.objective for one in self._judge(name, scored=False).objectives if not one.met} for name in fired}
        lasting = {alert_name(goal) for goal in missed["idle"] - missed["healthy"]}
        found = broken & lasting | broken - fired["healthy"]
        return Check(
            "the fault breaks an objective", bool(found), ", ".join(sorted(found)) or "no objective's alert fires with the fault"
        )

    def _alerts(self) -> Iterator[Check]:
        for name in ("idle", "reference"):
            problems = unmet(self._runs[name].record, self._scenario)
            yield Check(f"alerts of {name} as expected", not problems, "; ".join(problems) or "as the scenario says")
