"""`KindStack`: a drill on a real Kubernetes cluster, made by kind. Drill time follows the wall clock."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ...sandbox.model.actions import ACTIONS
from ...sandbox.model.errors import StackError, UsageError
from ...sandbox.model.extras import install
from ...sandbox.model.faults import FAULTS
from ...sandbox.model.scenario import Scenario
from ...sandbox.model.stack import Capabilities, Progress
from ..real.machine.records import check_supported
from ..real.stack import Drill, RealStack
from .settings import Settings

FAULTS_NOT_DONE = frozenset(("clients.large_inputs", "monitoring.blackout", "monitoring.cardinality"))
"""Faults of what the cluster does not have yet: a partner, and labels without bound."""
FAULTS_DONE = frozenset(FAULTS) - FAULTS_NOT_DONE
"""Faults that a cluster can have."""
CAPABILITIES = Capabilities(faults=FAULTS_DONE, actions=frozenset(ACTIONS), paced=True)
NODES_TOUCHED = frozenset(("pods.hang", "nodes.loss", "nodes.cpu_limit", "cordon", "uncordon", "drain"))
"""Faults and actions that reach for nodes, or for what runs on them beside Kubernetes."""
NOT_OURS = "it touches nodes, and drillbox did not make this cluster"
LINUX = "the host of a drill on a cluster runs on Linux 5.4 or later (on Windows: WSL2)"
ELSEWHERE = "play on --stack sim, which runs everywhere, or in a virtual machine with Linux and a container engine"


def check_machine() -> None:
    """Refuse a system on which no host of a drill can run.

    Raises:
        StackError: it is not Linux, or too old a one.
    """
    try:
        check_supported()
    except StackError:
        raise StackError(f"{LINUX}: {ELSEWHERE}") from None


class KindStack(RealStack):
    """One service on a cluster. Heavy packages are imported by `up`.

    Args:
        base: folder of the clusters of this state folder.
    """

    def __init__(self, base: Path) -> None:
        super().__init__()
        self._base = base

    @property
    def capabilities(self) -> Capabilities:
        """What a cluster can realise; one that is somebody else's has nodes that are not touched."""
        with suppress(UsageError):  # it is told when the drill comes up
            if Settings.read().context:
                return CAPABILITIES.without(dict.fromkeys(NODES_TOUCHED, NOT_OURS))
        return CAPABILITIES

    def bring_up(self, scenario: Scenario, seed: int, progress: Progress) -> Drill:
        """Cluster, image, objects.

        Raises:
            StackError: something does not start; nothing is left behind that was not there before.
        """
        check_machine()
        try:
            from .bring_up import bring_up
        except ModuleNotFoundError as error:
            if error.name in {"docker", "lightkube"}:
                raise StackError(f"the kind stack needs the Kubernetes and Docker clients: {install('kind')}") from None
            raise
        return bring_up(scenario, seed, self._base, progress)
