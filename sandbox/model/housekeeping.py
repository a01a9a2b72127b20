"""Clearing up after a stack that has real things: processes, limits, files. A stack that has some offers a `Housekeeping`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Leftover:
    """A session of a stack, and what there is of it.

    Attributes:
        session: its name.
        host: the number of the process that plays it; None if that is dead.
        things: each thing that is there, for people.
        kept: whether somebody wants it to be there, and no host plays it.
    """

    session: str
    host: int | None
    things: tuple[str, ...]
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs for a session: a process, a pod, a container.

    Attributes:
        name: of the service, or of the replica.
        state: in a word, such as `running`.
        since: when it began to run, with a time zone; None if that is not known.
        memory: in RAM, MiB; None if that is not known.
        ports: of this machine, on which it listens.
        number: of its process on this machine; None if it has none here.
        replica: whether it answers predictions.
    """

    name: str
    state: str
    since: datetime | None = None
    memory: float | None = None
    ports: tuple[int, ...] = ()
    number: int | None = None
    replica: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """Where something is to be found.

    Attributes:
        name: what it is.
        where: a URL, a folder, a command that shows it, or why it is not there.
        way: a command that leads to it over HTTP from a port of this machine, for as long as it runs; `{port}` in it stands for
            the port. Empty if no way has to be made.
    """

    name: str
    where: str
    way: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """A prediction that anybody may ask for: what to POST, as JSON, and where."""

    url: str
    body: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A session of a stack that is up, or is being brought up.

    Attributes:
        session: its name, as in `Leftover`.
        host: the number of the process that plays it; None if that is dead.
        scenario: id of what is played; empty if that is not known.
        since: when it began, with a time zone.
        parts: what runs for it.
        addresses: where things are, the gateway first; empty while they are not up.
        trial: a prediction to ask for; None while nothing answers yet.
        environment: variables with which the tools of a person reach it, such as `KUBECONFIG`.
        ground: what it is where it is no session, but what sessions stand on, such as `cluster`; it needs no host. Empty for a
            session.
        trouble: why nobody can tell what runs of it; empty if that is known.
    """

    session: str
    host: int | None
    scenario: str
    since: datetime | None
    parts: tuple[Part, ...]
    addresses: tuple[Address, ...] = ()
    trial: Trial | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ground: str = ""
    trouble: str = ""


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

    def standing(self) -> Sequence[Standing]:
        """The sessions that run, or of which something still runs; nothing is changed."""

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
