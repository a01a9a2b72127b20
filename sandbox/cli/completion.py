"""Completion in the shell: names of scenarios, profiles, operators, stacks, packs, faults and running drills.

The shell runs the command for each press of a key: everything is imported when it is needed, and nothing ever fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from ..model.errors import DrillboxError
from .output import say

if TYPE_CHECKING:
    from ..loading import Entry
    from .wiring import SessionMaker

Items = list[CompletionItem[str]]
Finder = Callable[[click.Context], Iterable[tuple[str, str]]]
"""Finds names and what they mean."""

VARIABLE = "_DRILLBOX_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
def completion_command(shell: str) -> None:
    """Print what makes a shell complete commands, options and names. It goes where your shell begins.

    \b
    Examples:
      eval "$(drillbox completion bash)"            # in ~/.bashrc
      eval "$(drillbox completion zsh)"             # in ~/.zshrc, after compinit
      drillbox completion fish | source             # in ~/.config/fish/config.fish
    """
    from .main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    say(kind(cli, {}, "drillbox", VARIABLE).source())


def completing(find: Finder, *, files: bool = False) -> Callable[[click.Context, click.Parameter, str], Items]:
    """What click calls for a parameter. Where `files` can be meant, too, they are completed if no name fits."""

    def complete(context: click.Context, _parameter: click.Parameter, begun: str) -> Items:
        try:
            found = [CompletionItem(name, help=text) for name, text in find(context) if name.startswith(begun)]
        except (DrillboxError, OSError, ValueError):
            found = []
        return found or ([CompletionItem(begun, type="file")] if files else [])

    return complete


def _scenarios(context: click.Context) -> Iterable[tuple[str, str]]:
    return ((entry.id, entry.title) for entry in _entries(context))


def _profiles(context: click.Context) -> Iterable[tuple[str, str]]:
    chosen = _chosen(context)
    found = [name for entry in _entries(context) if not chosen or entry.id in chosen for name in entry.profiles]
    return ((name, "") for name in dict.fromkeys(found))


def _operators(context: click.Context) -> Iterable[tuple[str, str]]:
    """Runbooks of the scenario that stands before; without one what every scenario has."""
    yield "idle", "does nothing"
    yield "reference", "what a good engineer does"
    for name in _chosen(context)[:1]:
        from .playing import find

        yield from ((book.id, "") for book in find(_wiring(context), name).tempting)


def _stacks(context: click.Context) -> Iterable[tuple[str, str]]:
    return ((name, "") for name in _wiring(context).stacks())


def _packs(context: click.Context) -> Iterable[tuple[str, str]]:
    return ((pack.name, str(pack.folder)) for pack in _wiring(context).library().packs.values())


def _faults(_context: click.Context) -> Iterable[tuple[str, str]]:
    from ..model.faults import FAULTS

    return ((fault.name, fault.help) for fault in FAULTS.values())


def _fault_params(context: click.Context) -> Iterable[tuple[str, str]]:
    from ..model.faults import FAULTS

    fault = FAULTS.get(context.params.get("fault") or "traffic.spike")
    return ((f"{param.name}=", param.help) for param in fault.params) if fault else ()


def _sessions(_context: click.Context) -> Iterable[tuple[str, str]]:
    from ..api.folders import sessions

    return ((info.name, info.title) for info in sessions())


def _entries(context: click.Context) -> Sequence[Entry]:
    return _wiring(context).library().entries()


def _wiring(context: click.Context) -> SessionMaker:
    wiring: SessionMaker = context.obj
    return wiring


def _chosen(context: click.Context) -> list[str]:
    """The scenarios that the line names so far. Where a value is still missing click leaves them among the rest."""
    named = context.params.get("scenario") or context.params.get("scenarios") or context.args
    return [named] if isinstance(named, str) else list(named)


SCENARIOS = completing(_scenarios, files=True)
PROFILES = completing(_profiles)
OPERATORS = completing(_operators, files=True)
STACKS = completing(_stacks)
PACKS = completing(_packs)
FAULT_NAMES = completing(_faults)
FAULT_PARAMS = completing(_fault_params)
SESSIONS = completing(_sessions)
