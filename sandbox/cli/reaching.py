"""Which session that stands is meant, by commands that lead to what runs for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model.errors import UsageError, nearest

if TYPE_CHECKING:
    from ..api.folders import SessionInfo
    from ..model.housekeeping import Standing
    from .wiring import SessionMaker

CHOSEN = "DRILLBOX_ATTACH"
"""Environment variable: the session that is meant where several run and none is named. `drillbox env` sets it."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A session whose stack says where things are.

    Attributes:
        name: of the session; what the stack calls it if no host tells of one.
        stack: its stack's name.
        stands: what runs for it.
        hosted: whether `drillbox attach` leads to it.
    """

    name: str
    stack: str
    stands: Standing
    hosted: bool


def reach(wiring: SessionMaker, name: str) -> Reached:
    """The session of a name, a host's or a stack's; without one the only one, or the one that the environment chooses.

    Raises:
        UsageError: there is none of that name, several to choose from, or nothing of it can be reached.
    """
    from ..api.folders import sessions

    hosts = {info.pid: info for info in sessions()}
    keepers = wiring.housekeeping()
    standing = [(stack, one) for stack, keeper in keepers.items() for one in keeper.standing()]
    found = {one.name: one for one in _reached(standing, hosts)}
    for one in found.values():
        if name in (one.name, one.stands.session):
            return one
    if name:
        raise _unreachable(wiring, name, next((info for info in hosts.values() if info.name == name), None), found)
    if not found:
        begun = {info.name: info.stack for info in hosts.values() if info.stack in keepers}
        begun |= {one.session: stack for stack, one in standing if one.host not in (None, *hosts) and not one.ground}
        raise UsageError(
            _early(*next(iter(begun.items()))) if begun else f"no session runs on a stack with real services; {_NONE}"
        )
    chosen = os.environ.get(CHOSEN, "")
    if len(found) > 1 and chosen not in found:
        raise UsageError(f"{len(found)} sessions run: choose one of {', '.join(found)}")
    return found[chosen] if len(found) > 1 else next(iter(found.values()))


def _reached(standing: Iterable[tuple[str, Standing]], hosts: Mapping[int, SessionInfo]) -> Iterator[Reached]:
    """All that are up."""
    for stack, stands in standing:
        if stands.host is not None and stands.trial is not None:
            info = hosts.get(stands.host)
            yield Reached(info.name if info is not None else stands.session, stack, stands, info is not None)


def _unreachable(wiring: SessionMaker, name: str, info: SessionInfo | None, found: Mapping[str, Reached]) -> UsageError:
    """Why a name leads nowhere."""
    if info is None:
        choices = nearest(name, found) if found else _NONE
        return UsageError(f"there is no session {name!r} on a stack with real services; {choices}")
    if info.stack in wiring.housekeeping():
        return UsageError(_early(name, info.stack))
    return UsageError(f"{name} runs on the stack {info.stack}, where there is nothing to reach: {_REAL}")


def _early(name: str, stack: str) -> str:
    return f"{name} is not up yet on the stack {stack}; drillbox status shows how far it is: when it is up, try again"


_REAL = "it is a simulation; play with --stack local or --stack kind"
_NONE = "start one with: drillbox up --stack local, or: drillbox play SCENARIO --stack kind"
