"""`LocalStack`: a drill on real processes of this machine. Drill time follows the wall clock."""

from __future__ import annotations

import sys
from pathlib import Path

from ...sandbox.model.actions import ACTIONS
from ...sandbox.model.errors import StackError
from ...sandbox.model.faults import FAULTS
from ...sandbox.model.scenario import Scenario
from ...sandbox.model.stack import Capabilities, Progress
from ..real.stack import Drill, RealStack
from .limits import unsupported

FAULTS_DONE = frozenset(
    name
    for name in FAULTS
    if name.partition(".")[0] in {"features", "labels", "release", "retraining", "traffic"}
    or name in {"clients.retry_storm", "config.push", "autoscaler.empty_as_zero", "cost.runaway", "pods.grey_slow"}
    or name in {"pods.crash_loop", "pods.kill", "pods.hang", "pods.unready", "pods.bad_image"}
    or name in {"pods.memory_leak", "pods.cpu_throttling", "gateway.delay", "gateway.abort"}
)
"""Faults that processes can have."""
ACTIONS_NOT_DONE = frozenset(("cordon", "uncordon", "drain", "set-quota", "drop-label", "restart-monitoring", "pin-artifacts"))
"""Actions on what a single machine does not have."""
CAPABILITIES = Capabilities(faults=FAULTS_DONE, actions=frozenset(ACTIONS) - ACTIONS_NOT_DONE, paced=True)


class LocalStack(RealStack):
    """One service on this machine. Heavy packages are imported by `up`.

    Args:
        folder: where a drill's files are while it runs, in a folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._capabilities = CAPABILITIES.without(unsupported())

    @property
    def capabilities(self) -> Capabilities:
        """What processes can realise on this machine: limits need cgroups of our own."""
        return self._capabilities

    def bring_up(self, scenario: Scenario, seed: int, progress: Progress) -> Drill:
        """Start all processes.

        Raises:
            StackError: something does not start; nothing is left behind.
        """
        if sys.platform != "linux":
            raise StackError("the local stack runs on Linux only: play on --stack sim, which runs everywhere")
        from .bring_up import bring_up

        return bring_up(scenario, seed, self._folder, progress)
