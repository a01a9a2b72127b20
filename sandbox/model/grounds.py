"""What drills of a stack stand on where that outlives them: clusters that are kept, or namespaces of somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .housekeeping import Part
from .stack import Progress


@dataclass(frozen=True, slots=True)
class Choice:
    """Where drills are to be played.

    Attributes:
        cluster: name of a cluster of drillbox's own; empty for the usual one.
        context: of the user's kubeconfig, for a cluster that drillbox did not make; empty otherwise.
        namespace: there.
        confirmed: whether the user knows that this is no sandbox.
    """

    cluster: str = ""
    context: str = ""
    namespace: str = ""
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of drillbox's own.

    Attributes:
        name: of the cluster.
        nodes: what it is made of, with their states.
        ready: whether it was complete once.
        since: when it was begun, with a time zone.
        kubeconfig: path of the file with which it is reached.
        session: the drill that it was made for, and goes with; empty if it is kept.
        drills: those that are on it.
    """

    name: str
    nodes: tuple[Part, ...]
    ready: bool
    since: datetime | None
    kubeconfig: str
    session: str = ""
    drills: tuple[str, ...] = ()


class Grounds(Protocol):
    """The clusters of one stack."""

    def choose(self, choice: Choice) -> None:
        """Let drills of this process, and of hosts that it starts from now on, be played there.

        Raises:
            UsageError: that cannot be, or the user has not said that it may.
        """

    def up(self, name: str, workers: int | None, port: int | None, progress: Progress) -> Cluster:
        """Have a cluster that stays, ready for drills.

        Args:
            name: empty for the usual one.
            workers: number of nodes beside the control plane; None for the usual number, or what is there.
            port: of its API on loopback; None for a free one, or what is there.
            progress: hears of each step.

        Raises:
            StackError: it cannot be made, or one of the name is there that is not as wanted.
            UsageError: there can be no such cluster.
        """

    def clusters(self) -> Sequence[Cluster]:
        """Those that there are.

        Raises:
            StackError: there are some, and what runs them does not answer.
        """

    def names(self) -> Sequence[str]:
        """Those of all clusters of which there is something; nothing has to answer for that."""

    def full_name(self, name: str) -> str:
        """The name of a cluster that may have been given for short."""
