"""`drillbox replay` and `report`: what can be done with a journal."""

from __future__ import annotations

import json
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..assessing import SIMULATION
from ..drill import Result, result_of
from ..journal import Header, Journal, encode, read_journal
from ..loading import load_scenario_text
from ..model.errors import Exit, UsageError
from ..model.events import Ended
from ..paths import home
from ..provenance import cpu_model, versions
from ..replaying import first_difference, replay
from ..reports.html import debrief_html
from ..reports.markdown import debrief
from ..reports.plain import result_data
from .output import check_writable, say, tell, write_file
from .playing import assessor
from .terminal import console_progress, quiet_option

if TYPE_CHECKING:
    from .wiring import SessionMaker


@click.command("replay")
@click.argument("journal", type=click.Path(path_type=Path))
@quiet_option
@click.pass_obj
def replay_command(wiring: SessionMaker, journal: Path) -> int:
    """Play a journal's commands again in the simulation and compare every event.

    JOURNAL is a file, or the name of one in the state folder, where drills leave theirs.

    Exit code 0: identical, as far as the journal goes. 1: some event differs; the first one is named.

    \b
    Examples:
      drillbox replay monday-rush-reference-1
      drillbox replay drills/monday-rush-reference-1.jsonl
    """
    journal = _place(journal)
    old = _without_end(_read(journal))
    header = old.header
    scenario = load_scenario_text(header.text, f"{journal} (its scenario)", header.profile)
    progress = console_progress()
    session = wiring.session(scenario, header.seed, "sim")
    events = replay(session, old.events, progress)
    progress.close()
    if scenario.digest != header.digest:
        tell("note: this version of drillbox reads the scenario differently")
    different = first_difference(old, events)
    if different is None:
        end = " (the journal breaks off there)" if old.truncated or not old.complete else ""
        say(f"identical: {len(old.events)} events{end}")
        return int(Exit.PASSED)
    number, then, now = different
    _explain(header, wiring.data_hash(progress))
    progress.close()
    say(f"event {number} differs:")
    say(f"  journal: {encode(then) if then else 'nothing'}")
    say(f"  replay:  {encode(now) if now else 'nothing'}")
    return int(Exit.FAILED)


def _place(path: Path) -> Path:
    """Where the journal is: there, or else among the drills of the state folder, with or without its ending."""
    if path.exists():
        return path
    kept = home() / "drills" / path
    return next((one for one in (kept, kept.with_name(f"{kept.name}.jsonl")) if one.is_file()), path)


def _read(path: Path) -> Journal:
    """The journal of a file.

    Raises:
        UsageError: as `read_journal`, and for a device or a pipe: it may never end.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UsageError(f"cannot read the journal {path}: it is not a regular file")
    return read_journal(path)


def _without_end(journal: Journal) -> Journal:
    """A drill that was stopped in the middle of a step is one whose journal breaks off: a replay is not stopped there."""
    last = journal.events[-1].body if journal.events else None
    if isinstance(last, Ended) and last.reason in ("interrupted", "broken"):
        return changed(journal, events=journal.events[:-1])
    return journal


def _explain(header: Header, data: str) -> None:
    """Tell what is different here from where the journal was written: equal bytes are promised only without that."""
    here = {**versions(), "data": data, "CPU": cpu_model()}
    there = {**header.versions, "data": header.data, "CPU": header.machine}
    for name in sorted(here.keys() | there.keys()):
        then, now = there.get(name, "none"), here.get(name, "none")
        if then != now:
            tell(f"note: the journal was written with {name} {then}; here it is {now}")


@click.command("report")
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--md", "md_file", type=click.Path(path_type=Path), help="Write Markdown to a file; without any option to stdout.")
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write one self-contained HTML file.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, allow_dash=True), help="Write JSON; - is stdout.")
@click.option("--no-compare", is_flag=True, help="Only what the journal holds; play nothing again.")
@quiet_option
@click.pass_obj
def report_command(
    wiring: SessionMaker,
    journal: Path,
    md_file: Path | None,
    html_file: Path | None,
    json_file: Path | None,
    no_compare: bool,
) -> int:
    """Write the debrief of a journal: what happened, what it cost, what each action cost or saved.

    JOURNAL is a file, or the name of one in the state folder, where drills leave theirs.

    To compare, the simulation plays the drill again with nobody at the controls, with the reference, and without each of the
    costliest actions. The baselines are kept.

    \b
    Examples:
      drillbox report monday-rush-reference-1
      drillbox report monday-rush-you-1 --html debrief.html
      drillbox report drills/monday-rush-you-1.jsonl --json - --no-compare
    """
    targets = [path for path in (md_file, html_file, json_file) if path is not None]
    if len({path.resolve() for path in targets}) < len(targets):
        raise click.UsageError("two of the outputs are the same file")
    for path in targets:
        if str(path) != "-":
            check_writable(path)
    journal = _place(journal)
    found = _read(journal)
    result = result_of(found, journal)
    if not no_compare:
        result = _compared(wiring, result, found)
    if json_file is not None:
        text = json.dumps(result_data(result), indent=2, ensure_ascii=False) + "\n"
        say(text, nl=False) if str(json_file) == "-" else write_file(json_file, text.encode())
    if html_file is not None:
        write_file(html_file, debrief_html(result).encode())
    if md_file is not None:
        write_file(md_file, debrief(result).encode())
    if not targets:
        say(debrief(result), nl=False)
    return int(Exit.PASSED)


def _compared(wiring: SessionMaker, result: Result, journal: Journal) -> Result:
    """The result with its baselines and counterfactuals, and a word on what makes them doubtful."""
    progress = console_progress()
    compares = assessor(wiring, progress)
    if result.stack == SIMULATION:
        _explain(journal.header, compares.data)
    result = compares.explain(compares.compare(result, progress), journal.events, progress)
    progress.close()
    return result
