"""`drillbox replay` and `report`: what can be done with a journal."""

from __future__ import annotations

from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..drill import result_of
from ..journal import Header, Journal, encode, read_journal
from ..loading import load_scenario_text
from ..model.errors import Exit, UsageError
from ..model.events import Ended
from ..provenance import cpu_model, versions
from ..replaying import first_difference, replay
from ..reports.markdown import debrief
from .output import check_writable, say, tell, write_file
from .terminal import console_progress

if TYPE_CHECKING:
    from .wiring import SessionMaker


@click.command("replay")
@click.argument("journal", type=click.Path(path_type=Path))
@click.pass_obj
def replay_command(wiring: SessionMaker, journal: Path) -> int:
    """Play a journal's commands again in the simulation and compare every event.

    Exit code 0: identical, as far as the journal goes. 1: some event differs; the first one is named.

    \b
    Example:
      drillbox replay ~/.local/share/drillbox/drills/monday-rush-reference-1.jsonl
    """
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
@click.option("--md", "md_file", type=click.Path(path_type=Path), help="Write to a file; otherwise to stdout.")
def report_command(journal: Path, md_file: Path | None) -> int:
    """Write the debrief of a journal, as Markdown.

    \b
    Example:
      drillbox report monday-rush-reference-1.jsonl --md debrief.md
    """
    if md_file is not None:
        check_writable(md_file)
    text = debrief(result_of(_read(journal), journal))
    if md_file is None:
        say(text, nl=False)
    else:
        write_file(md_file, text.encode())
    return int(Exit.PASSED)
