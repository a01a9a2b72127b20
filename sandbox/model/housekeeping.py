"""Clearing up after a stack that has real things: processes, limits, files. A stack that has some offers a `Housekeeping`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Leftover:
    """A session of a stack, and what there is of it.

    Attributes:
        session: its name.
        host: the number of the process that plays it; None if that is dead.
        things: each thing that is there, for people.
    """

    session: str
    host: int | None
    things: tuple[str, ...]


class State(StrEnum):
    """What a check found."""

    FINE = "ok"
    LIMITED = "limited"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a stack needs of a machine.

    Attributes:
        name: of the thing.
        state: whether it is there; `LIMITED` if the stack runs without, and what it cannot do then.
        found: what there is.
        fix: what to do about it; empty if nothing is wrong.
    """

    name: str
    state: State
    found: str
    fix: str = ""


class Housekeeping(Protocol):
    """Knows what a stack leaves on a machine."""

    def leftovers(self) -> Sequence[Leftover]:
        """The sessions of which there is something, those that are played at this moment included."""

    def down(self, sessions: Collection[str], tell: Callable[[str], None], *, force: bool = False) -> Sequence[Leftover]:
        """Undo what faults changed, end and remove everything, and verify it. Journals stay. It can be repeated.

        Args:
            sessions: their names.
            tell: hears of each thing that was undone, ended or removed.
            force: whether a host that does not end when it is asked is killed.

        Returns:
            What could not be removed.
        """

    def checks(self) -> Sequence[Check]:
        """Whether the stack can run on this machine; nothing is started."""
