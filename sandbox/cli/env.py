"""`drillbox env`: what a second terminal needs to know of a session."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..model.errors import DrillboxError, Exit
from .completion import SESSIONS
from .output import say, tell
from .reaching import CHOSEN, reach

if TYPE_CHECKING:
    from .wiring import SessionMaker


def _fish(value: str) -> str:
    """Quoted for fish, in which a backslash counts within single quotes. Source: fish documentation, "Quotes"."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: Mapping[str, Callable[[str, str], str]] = {
    "bash": lambda name, value: f"export {name}={shlex.quote(value)}",
    "zsh": lambda name, value: f"export {name}={shlex.quote(value)}",
    "fish": lambda name, value: f"set -gx {name} {_fish(value)}",
}
"""How each shell sets a variable for what it starts."""


@click.command("env")
@click.argument("session", default="", shell_complete=SESSIONS)
@click.option("--shell", type=click.Choice(list(SHELLS)), default=None, help="Whose syntax; otherwise that of $SHELL.")
@click.pass_obj
def env_command(wiring: SessionMaker, session: str, shell: str | None) -> int:
    """Print what makes a second terminal reach a SESSION, for the shell to evaluate; the only session if none is named.

    On a cluster that is KUBECONFIG: a kubeconfig of the drill's own, in which its namespace is the default, so that a plain
    `kubectl get pods` shows it. Your own kubeconfig is never written, and only this terminal is changed. DRILLBOX_ATTACH says
    which session `drillbox attach`, `open` and `env` mean where several run. Where nothing can be reached, as while a drill
    still comes up, what is printed makes `eval` and `source` fail: this terminal stays as it is.

    \b
    Examples:
      eval "$(drillbox env)"                          in bash and zsh
      drillbox env --shell fish | source              in fish
      eval "$(drillbox env slow-afternoon-you-1)"     of several sessions this one
      drillbox env | grep KUBECONFIG                  to look at it

    \b
    Exit codes: 0, 2 there is no such session, or nothing of it can be reached.
    """
    try:
        found = reach(wiring, session)
    except DrillboxError as error:
        say(f"false  # {' '.join(str(error).split())}")  # an eval of nothing would succeed, and kubectl reach who knows what
        raise
    variables = {**found.stands.environment, **({CHOSEN: found.name} if found.hosted else {})}
    write = SHELLS[shell or _own_shell()]
    for name, value in variables.items():
        say(write(name, value))
    if not found.stands.environment:
        tell(f"note: {found.name} runs on the stack {found.stack}, for which no tool has to be set: see drillbox status")
    return int(Exit.PASSED)


def _own_shell() -> str:
    """The shell of the person, or one that writes as most do."""
    name = Path(os.environ.get("SHELL", "")).name
    return name if name in SHELLS else "bash"
