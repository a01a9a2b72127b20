"""`drillbox list`, `show`, `validate`: the library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..loading import Entry
from ..model.errors import DrillboxError, Exit, InvalidScenarioError, nearest
from .completion import PACKS, PROFILES, SCENARIOS
from .output import say, tell
from .terminal import console_progress, quiet_option

if TYPE_CHECKING:
    from .wiring import SessionMaker


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
@click.option("--spoilers", is_flag=True, help="Add group, cause, and whether it is a control.")
@click.option("--skill", help="Only those that practise a skill which contains this text.")
@click.option("--difficulty", type=click.IntRange(1, 5), help="Only those of this difficulty.")
@click.option("--pack", shell_complete=PACKS, help="Only those of this pack.")
@click.pass_obj
def list_command(
    wiring: SessionMaker, as_json: bool, spoilers: bool, skill: str | None, difficulty: int | None, pack: str | None
) -> None:
    """List the incidents; those of a pack have its name before their own.

    \b
    Examples:
      drillbox list
      drillbox list --skill overload --difficulty 1
      drillbox list --json | jq -r '.[].id'
    """
    library = wiring.library()
    listing = library.listing()
    if pack is not None:
        choose([pack], list(library.packs), "pack")
    for problem in listing.problems:
        tell(f"left out: {problem}")
    entries = [
        entry
        for entry in listing.entries
        if (difficulty is None or entry.difficulty == difficulty)
        and (pack is None or entry.id.startswith(f"{pack}/"))
        and (skill is None or any(skill.lower() in one.lower() for one in entry.skills))
    ]
    if as_json:
        say(json.dumps([_plain(entry, spoilers) for entry in entries], indent=2, ensure_ascii=False))
        return
    rows = [["ID", "DIFFICULTY", "MINUTES", "STACKS", "TITLE"] + (["CAUSE"] if spoilers else [])]
    for entry in entries:
        row = [entry.id, stars(entry.difficulty), f"{entry.minutes:g}", ",".join(entry.stacks), entry.title]
        rows.append(row + ([entry.cause] if spoilers else []))
    say(table(rows))


@click.command("show")
@click.argument("scenario", shell_complete=SCENARIOS)
@click.option("--profile", default="", shell_complete=PROFILES, help="A profile of the scenario, such as short.")
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
@click.option("--spoilers", is_flag=True, help="Add what goes wrong, the answer and the scripted operators.")
@click.pass_obj
def show_command(wiring: SessionMaker, scenario: str, profile: str, as_json: bool, spoilers: bool) -> None:
    """Show an incident as the on-call meets it. SCENARIO is an id or a file.

    \b
    Examples:
      drillbox show monday-rush
      drillbox show ./mine.yaml --profile short --spoilers
      drillbox show monday-rush --json | jq .objectives
    """
    from .playing import find  # here and below: a listing does without
    from .sheet import as_data, as_lines

    found = find(wiring, scenario, profile)
    if as_json:
        say(json.dumps(as_data(found, spoilers=spoilers), indent=2, ensure_ascii=False))
    else:
        say("\n".join(as_lines(found, spoilers=spoilers)))


@click.command("validate")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...", shell_complete=SCENARIOS)
@click.option("--json", "as_json", is_flag=True, help="Print an array of problems.")
@quiet_option
@click.pass_obj
def validate_command(wiring: SessionMaker, scenarios: Sequence[str], as_json: bool) -> int:
    """Check scenario files, ids or paths: every problem with its file, line and key.

    \b
    Examples:
      drillbox validate mine.yaml
      drillbox validate scenarios/*/*.yaml
    """
    from .playing import find

    problems: list[dict[str, object]] = []
    progress = console_progress()
    for name in scenarios:
        try:
            scenario = find(wiring, name)
            wiring.data_hash(progress)  # reads the data the first time, and tells so
            wiring.check_world(scenario)
            progress.close()
            if not as_json:
                say(f"{name}: valid")
        except InvalidScenarioError as error:
            for problem in error.problems:
                place = problem.place
                problems.append(
                    {"file": place.file, "line": place.line, "column": place.column, "key": place.key, "message": problem.message}
                )
                tell(str(problem))
        except DrillboxError as error:
            problems.append({"file": name, "line": None, "column": None, "key": "", "message": str(error)})
            tell(f"{name}: {error}")
    if as_json:
        say(json.dumps(problems, indent=2, ensure_ascii=False))
    return int(Exit.USAGE if problems else Exit.PASSED)


def choose(names: Sequence[str], known: Sequence[str], what: str) -> None:
    """Refuse names that are not known.

    Raises:
        click.UsageError: with the nearest known name.
    """
    for name in names:
        if name not in known:
            raise click.UsageError(f"unknown {what} {name!r}; {nearest(name, known)}")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def stars(difficulty: int) -> str:
    """Difficulty without numbers or colour."""
    return "*" * difficulty


def _plain(entry: Entry, spoilers: bool) -> dict[str, object]:
    data: dict[str, object] = {
        "id": entry.id,
        "title": entry.title,
        "difficulty": entry.difficulty,
        "skills": list(entry.skills),
        "minutes": entry.minutes,
        "stacks": list(entry.stacks),
    }
    if spoilers:
        data |= {"group": entry.group, "cause": entry.cause, "control": entry.control}
    return data
