"""A whole drill: which operator plays it, what is written down, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from .baselines import Baselines
from .counterfactuals import Counterfactual
from .journal import Header, Journal, JournalWriter
from .loading import load_runbook, load_scenario_text
from .model.errors import Exit, UsageError, nearest
from .model.scenario import Scenario
from .operators import Idle, Operator, Scripted
from .paths import folder, home
from .provenance import cpu_model, versions
from .scoring.consistency import ContradictionError, contradiction
from .scoring.expectations import unmet
from .scoring.harm import Harm, harm_of
from .scoring.record import Record, record_of
from .scoring.times import Times, times_of
from .scoring.verdict import Judgement, Verdict, judge


@dataclass(frozen=True, slots=True)
class Result:
    """What a drill came to, from its journal alone.

    `baselines`, and with them `impact`, are None where nothing is known to compare with; `counterfactuals` are None until
    they are looked for.
    """

    scenario: Scenario
    seed: int
    stack: str
    operator: str
    record: Record
    judgement: Judgement
    harm: Harm
    times: Times
    unmet: tuple[str, ...]  # what the scenario expects of its alerts and did not hold
    journal: Path | None
    impact: float | None = None
    baselines: Baselines | None = None
    counterfactuals: tuple[Counterfactual, ...] | None = None

    @property
    def passed(self) -> bool:
        """Whether the drill was won."""
        return self.judgement.verdict is Verdict.PASSED

    @property
    def exit_code(self) -> Exit:
        """The exit code that the command gives for it."""
        if self.passed:
            return Exit.PASSED
        return Exit.ABORTED if self.judgement.verdict is Verdict.ABORTED else Exit.FAILED


def operator_for(name: str, scenario: Scenario) -> Operator:
    """`idle`, a runbook of the scenario, or the runbook of a file.

    Raises:
        UsageError: there is none of that name.
        InvalidScenarioError: the file is not a valid runbook.
    """
    if name == "idle":
        return Idle()
    if name in scenario.runbooks:
        return Scripted(scenario.runbooks[name])
    if Path(name).suffix in (".yaml", ".yml"):
        return Scripted(load_runbook(name, scenario))
    raise UsageError(
        f"unknown operator {name!r} of {scenario.id}; {nearest(name, ('idle', *scenario.runbooks))}, or give a YAML file"
    )


def header_of(scenario: Scenario, text: str, seed: int, stack: str, operator: str, data: str) -> Header:
    """The header of a drill's journal; `text` is the scenario file as it is."""
    return Header(
        scenario=scenario.id,
        digest=scenario.digest,
        profile=scenario.profile,
        seed=seed,
        stack=stack,
        operator=operator,
        data=data,
        versions=versions(),
        machine=cpu_model(),
        text=text,
    )


def new_journal(header: Header, out: Path | None) -> JournalWriter:
    """A journal in `out`, or among the drills of the state folder, under the first name that is free.

    Raises:
        UsageError: it cannot be written.
    """
    base = folder(out or home() / "drills")
    stem = "-".join((header.scenario.replace("/", "-"), Path(header.operator).stem, str(header.seed)))
    number = 0
    while True:
        number += 1
        path = base / (f"{stem}.jsonl" if number == 1 else f"{stem}-{number}.jsonl")
        if path.exists() or path.with_suffix(".md").exists():  # its debrief's place must be free, too
            continue
        try:
            return JournalWriter(path, header)
        except UsageError:
            if not path.exists():  # else another drill has taken the name at this very moment
                raise


def compared(result: Result, baselines: Baselines) -> Result:
    """The result in the light of its baselines: with an impact, and a verdict that takes it into account."""
    impact = baselines.impact_of(result.harm.total) if result.record.ended == "finished" else None
    judgement = judge(result.record, result.scenario, impact)
    return replace(result, judgement=judgement, impact=impact, baselines=baselines)


def result_of(journal: Journal, path: Path | None, scenario: Scenario | None = None) -> Result:
    """Judge a drill by its journal, without anything to compare it with.

    Raises:
        InvalidScenarioError: the scenario in the header is not valid for this version of drillbox.
        UsageError: the events contradict each other, as after somebody changed them.
    """
    header = journal.header
    scenario = scenario or load_scenario_text(header.text, f"{header.scenario}.yaml (in the journal)", header.profile)
    try:
        record = record_of(journal.events)
        contradiction(record, scenario)
        harm = harm_of(record.ledger, scenario.world.prices) if record.ledger else Harm()
    except (KeyError, ContradictionError) as error:
        raise UsageError(f"{path or 'the journal'} is damaged: its events contradict each other at {error}") from None
    return Result(
        scenario=scenario,
        seed=header.seed,
        stack=header.stack,
        operator=header.operator,
        record=record,
        judgement=judge(record, scenario),
        harm=harm,
        times=times_of(record, scenario),
        unmet=unmet(record, scenario),
        journal=path,
    )
