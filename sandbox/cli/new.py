"""`drillbox new`: a new scenario, asked for question by question or given by options."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ..loading import load_scenario_text
from ..loading.template import USUAL_START, Draft, render, typical
from ..model.errors import InvalidScenarioError, UsageError, nearest
from ..model.faults import FAULTS
from ..model.units import UnitError, parse_duration, parse_rate
from ..paths import unwritable
from .completion import FAULT_NAMES, FAULT_PARAMS
from .output import say, tell
from .terminal import console_progress, quiet_option

if TYPE_CHECKING:
    from .wiring import SessionMaker

AnswerT = TypeVar("AnswerT")
STDOUT = "-"


@click.command("new")
@click.argument("name", metavar="[ID]", default="")
@click.option("--title", default="", help="One line; made from the ID if not given.")
@click.option("--fault", default="", shell_complete=FAULT_NAMES, help="What goes wrong; traffic.spike if not given.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=FAULT_PARAMS,
    help="A parameter of the fault; can be repeated.",
)
@click.option("--control", is_flag=True, help="Nothing goes wrong, and the right action is none.")
@click.option("--group", default="", help="Sort of incident; the fault's if not given.")
@click.option("--difficulty", type=click.IntRange(1, 5), help="1 (easiest) to 5; 2 if not given.")
@click.option("--duration", default="", help="Length of the drill; 20m if not given.")
@click.option("--rate", default="", help="Requests on an ordinary day; 120/s if not given.")
@click.option("--start", default="", help="Calendar time at the start, in 2013; 2013-07-08T12:00 if not given.")
@click.option("--out", help="File to write, or a folder for it; ID.yaml if not given; - is stdout.")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing; what is not given is as above.")
@quiet_option
@click.pass_obj
def new_command(
    wiring: SessionMaker,
    name: str,
    title: str,
    fault: str,
    settings: Sequence[str],
    control: bool,
    group: str,
    difficulty: int | None,
    duration: str,
    rate: str,
    start: str,
    out: str | None,
    yes: bool,
) -> int:
    """Write a new scenario that is valid from the start, to be filled with life. It never overwrites a file.

    In a terminal it asks for what is not given; `--yes` asks nothing.

    \b
    Examples:
      drillbox new
      drillbox new late-shift --fault traffic.spike --set factor=4 --out scenarios/
      drillbox new still-waters --control --yes
    """
    draft = Draft(
        id=name,
        title=title,
        fault="" if control else _known_fault(fault or "traffic.spike"),
        group=group,
        difficulty=difficulty or 2,
        duration=_quantity(parse_duration, duration, 1200.0, "--duration"),
        rate=_quantity(parse_rate, rate, 120.0, "--rate"),
        start=_start(start),
    )
    draft = replace(draft, params=_settings(draft, settings))
    if control and fault:
        raise click.UsageError("give either --fault or --control")
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        draft = _ask(draft, open_fault=not (fault or control), open_level=difficulty is None)
    elif not name:
        raise click.UsageError("give the ID of the new scenario, such as late-shift")
    target = _target(draft, out)
    text = _checked(wiring, draft, str(target) if target else STDOUT)
    if target is None:
        say(text, nl=False)
    else:
        _write(target, text)
        say(str(target))
        tell(f"It is valid. Fill it with life, then: drillbox validate {target}, drillbox prove {target}")
    return 0


def _checked(wiring: SessionMaker, draft: Draft, file: str) -> str:
    """The text of a draft that is valid.

    Raises:
        InvalidScenarioError, UsageError: it is not; with what is wrong.
    """
    text = render(draft)
    scenario = load_scenario_text(text, file)
    progress = console_progress()
    try:
        wiring.data_hash(progress)  # reads the data the first time, and tells so
        wiring.check_world(scenario)
    finally:
        progress.close()
    return text


def _ask(draft: Draft, *, open_fault: bool, open_level: bool) -> Draft:
    """Ask for what is not given; a wrong answer is told at once, and asked for again."""
    if open_fault:
        tell("What goes wrong? (none: nothing, a control)")
        for fault in FAULTS.values():
            tell(f"  {fault.name:24} {fault.help}")
        chosen = _prompt("Fault", draft.fault, lambda text: "" if text == "none" else _known_fault(text))
        draft = replace(draft, fault=chosen, params={} if chosen != draft.fault else draft.params)
    for param in FAULTS[draft.fault].params if draft.fault else ():
        if param.name not in draft.params and not param.optional:

            def fits(text: str, name: str = param.name, before: Draft = draft) -> Mapping[str, str]:
                return _valid(replace(before, id=before.id or _ANY, params={**before.params, name: text})).params

            bounds = f", {param.bounds()}" if param.bounds() and not param.choices else ""
            question = f"{param.name}: {param.help}{bounds}"
            draft = replace(draft, params=_prompt(question, typical(param), fits))
    if not draft.id:
        draft = _prompt(
            "ID (small letters, joined by hyphens; must not tell the cause)", None, lambda text: _valid(replace(draft, id=text))
        )
    if not draft.title:
        usual = draft.id.replace("-", " ").capitalize()
        draft = _prompt("Title", usual, lambda text: _valid(replace(draft, title=text)))
    if open_level:
        level = click.prompt("Difficulty", default=draft.difficulty, type=click.IntRange(1, 5), err=True)
        draft = replace(draft, difficulty=level)
    return draft


_ANY = "xyz"
"""An ID that gives nothing away, until there is one."""


def _valid(draft: Draft) -> Draft:
    """The draft as it is.

    Raises:
        UsageError: the first thing that is wrong with it.
    """
    try:
        load_scenario_text(render(draft), "")
    except InvalidScenarioError as error:
        raise UsageError(error.problems[0].message) from None
    return draft


def _prompt(question: str, usual: str | None, understand: Callable[[str], AnswerT]) -> AnswerT:
    def answer(text: str) -> AnswerT:
        try:
            return understand(text.strip())
        except UsageError as error:
            raise click.UsageError(str(error)) from None

    given: AnswerT = click.prompt(question, default=usual, value_proc=answer, err=True)
    return given


def _known_fault(name: str) -> str:
    if name not in FAULTS:
        raise UsageError(f"unknown fault {name[:60]!r}; {nearest(name[:60], FAULTS)}")
    return name


def _settings(draft: Draft, settings: Sequence[str]) -> dict[str, str]:
    names = [param.name for param in FAULTS[draft.fault].params] if draft.fault else []
    values: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise click.UsageError(f"--set {setting!r}: write NAME=VALUE, such as factor=4")
        if name not in names:
            raise click.UsageError(
                f"unknown parameter {name[:60]!r} of {draft.fault or 'a control'}; {nearest(name[:60], names)}"
            )
        values[name] = value
    return values


def _quantity(parse: Callable[[object], float], text: str, usual: float, option: str) -> float:
    try:
        return parse(text[:60]) if text else usual
    except UnitError as error:
        raise click.UsageError(f"{option}: {error}") from None


def _start(text: str) -> dt.datetime:
    if not text:
        return USUAL_START
    try:
        return dt.datetime.fromisoformat(text).replace(second=0, microsecond=0)
    except ValueError:
        raise click.UsageError(f"--start: {text[:40]!r} is not a date: write 2013-07-08 or 2013-07-08T06:00") from None


def _target(draft: Draft, out: str | None) -> Path | None:
    """Where it goes. Anything that is there already is left alone.

    Raises:
        UsageError: something is there, or the folder is not.
    """
    if out == STDOUT:
        return None
    target = Path(out) if out else Path(f"{Path(draft.id).name}.yaml")
    if target.is_dir() or (out or "").endswith(os.sep):
        target /= f"{Path(draft.id).name}.yaml"
    if os.path.lexists(target):
        raise _taken(target)
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: no such folder")
    if target.suffix not in {".yaml", ".yml"}:
        raise UsageError(f"{target}: the name of a scenario's file ends with .yaml")
    return target


def _taken(target: Path) -> UsageError:
    return UsageError(f"{target} is there already, and new never overwrites: choose another ID, or another --out")


def _write(target: Path, text: str) -> None:
    try:
        with target.open("x", encoding="utf-8") as file:
            try:
                file.write(text)
                file.flush()
            except BaseException:
                target.unlink(missing_ok=True)
                raise
    except FileExistsError:
        raise _taken(target) from None
    except OSError as error:
        raise unwritable(target, error) from None
