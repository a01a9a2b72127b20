"""Options of the commands that play: on which cluster."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec

import click

from ..model.errors import UsageError, nearest
from ..model.grounds import Choice

if TYPE_CHECKING:
    from .wiring import SessionMaker

P = ParamSpec("P")
_OPTIONS = (
    click.option("--cluster", default="", metavar="NAME", help="On this cluster of `drillbox cluster`, made if it is not there."),
    click.option("--context", default="", help="On a cluster that drillbox did not make: a context of your kubeconfig."),
    click.option("--namespace", default="", help="There: a namespace that exists."),
    click.option("--i-know-this-is-not-a-sandbox", "confirmed", is_flag=True, help="Without it no --context is touched."),
)


def where_options(command: Callable[P, int]) -> Callable[P, int]:
    """Add them to a command that has `--stack`: the choice holds for its process, and for hosts that it starts."""

    @functools.wraps(command)
    def chosen(*args: P.args, **kwargs: P.kwargs) -> int:
        choice = Choice(*(kwargs.pop(name) for name in ("cluster", "context", "namespace", "confirmed")))  # type: ignore[arg-type]
        if choice != Choice():
            choose(click.get_current_context().obj, str(kwargs["stack"]), choice)
        return command(*args, **kwargs)

    for option in reversed(_OPTIONS):
        chosen = option(chosen)
    return chosen


def choose(wiring: SessionMaker, stack: str, choice: Choice) -> None:
    """Let drills be played there.

    Raises:
        UsageError: the stack has no clusters, or the choice makes no sense.
    """
    known = wiring.grounds()
    if choice.cluster and choice.context:
        raise UsageError("--cluster is for a cluster of drillbox's own, --context for somebody else's: give one of them")
    if stack not in known:
        if stack not in wiring.stacks():
            raise UsageError(f"unknown stack {stack!r}; {nearest(stack, wiring.stacks())}")
        real = ", or ".join(f"--stack {name}" for name in sorted(known))
        raise UsageError(f"the stack {stack} has no clusters, so --cluster, --context and --namespace say nothing: use {real}")
    known[stack].choose(choice)
